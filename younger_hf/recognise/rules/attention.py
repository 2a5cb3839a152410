"""Scaled dot-product attention (Vaswani et al., 2017, section 3.2.1), spelt out, is one Attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import broadcast_shape, is_scalar, maker, used_once, with_parameter
from younger_hf.recognise.network import Array, Dim, Make, Node, Value, constant, parameter

_HEADS_RANK: Final = 4
_HEADS_FIRST: Final = [0, 2, 1, 3]


@dataclass(frozen=True, slots=True)
class _Scores:
    """What goes into the Softmax: the product of queries and keys, what scales it, and what masks it."""

    product: Node
    scales: tuple[Value, ...]
    mask: Value | Make | None


def attention(node: Node) -> Make | None:
    """softmax(scale * q @ transpose(k) + mask) @ v is Attention."""
    softmax = _softmax(node.inputs[0])
    values = node.input(1)
    scores = None if softmax is None else _scores(softmax.inputs[0])
    if scores is None or values is None or values.rank != _HEADS_RANK:
        return None
    queries, query_scales = _unscaled(scores.product.inputs[0])
    keys, key_scales = _unscaled(scores.product.input(1))
    if queries is None or keys is None or not keys.shape or not queries.shape:
        return None
    if len(queries.shape) != _HEADS_RANK or len(keys.shape) != _HEADS_RANK:
        return None
    batch, heads, size, length = keys.shape
    turned = Make("Transpose", (keys,), {"perm": [0, 1, 3, 2]}, shape=(batch, heads, length, size))
    scales = (*scores.scales, *query_scales, *key_scales)
    scale = parameter((), keys.dtype, lambda get: _product(get, scales))
    # Without any scale it is another network than with the usual one; which one it is, parameters do not tell.
    attributes = {} if scales else {"scale": 1.0}
    inputs = (queries, turned, values) if scores.mask is None else (queries, turned, values, scores.mask)
    return Make("Attention", inputs, attributes, unseen={"scale": scale} if scales else None)


def _product(get: Any, scales: tuple[Value, ...]) -> Array:
    return np.asarray(np.prod([float(get(scale).reshape(-1)[0]) for scale in scales]))


def _softmax(value: Value | None) -> Node | None:
    """The Softmax over the last axis that makes a value, perhaps with zeros for what is no number."""
    guarded = maker(value, "Where")
    if guarded is not None and maker(guarded.inputs[0], "IsNaN") is not None and is_scalar(guarded.input(1)):
        value = guarded.input(2)
    made = maker(value, "Softmax")
    if made is None or made.inputs[0] is None:
        return None
    axis, rank = made.attributes["axis"], made.inputs[0].rank
    return made if axis == -1 or (rank is not None and axis == rank - 1) else None


def _scores(value: Value | None) -> _Scores | None:
    scales: list[Value] = []
    mask: Value | Make | None = None
    for _ in range(_MOST_STEPS):
        product = maker(value, "MatMul")
        if product is not None:
            return _Scores(product, tuple(scales), mask)
        scaled = with_parameter(maker(value, "Mul"))
        if scaled is not None and is_scalar(scaled[1]):
            value = scaled[0]
            scales.append(scaled[1])
            continue
        added = maker(value, "Add")
        if added is None or scales:
            return None
        value, other = _scores_and_mask(added)
        if other is None:
            return None
        shape = broadcast_shape(other.shape, None if mask is None else mask.shape)
        mask = other if mask is None else Make("Add", (other, mask), shape=shape)
    return None


def _scores_and_mask(added: Node) -> tuple[Value | None, Value | None]:
    """Which operand of an Add are the scores: the one that products, scales and masks lead to."""
    for value, other in ((added.inputs[0], added.input(1)), (added.input(1), added.inputs[0])):
        at, steps = value, 0
        while at is not None and steps < _MOST_STEPS:
            if maker(at, "MatMul") is not None:
                return (value, other) if other is not None and other.rank in _MASK_RANKS else (None, None)
            scaled = with_parameter(maker(at, "Mul"))
            inner = maker(at, "Add")
            at = scaled[0] if scaled is not None else None if inner is None else inner.inputs[0]
            steps += 1
    return None, None


_MOST_STEPS: Final = 4
_MASK_RANKS: Final = (2, 3, 4)


def _unscaled(value: Value | None) -> tuple[Value | Make | None, list[Value]]:
    """A value without the scalars that multiply it, be it before it is laid out as heads."""
    scales: list[Value] = []
    layouts: list[Node] = []
    at = value
    for _ in range(_MOST_STEPS):
        scaled, moved = with_parameter(maker(at, "Mul")), maker(at, "Reshape", "Transpose")
        if scaled is not None and is_scalar(scaled[1]):
            at = scaled[0]
            scales.append(scaled[1])
        elif at is not None and moved is not None and used_once(at):
            at = moved.inputs[0]
            layouts.append(moved)
        else:
            break
    if not scales:
        return value, scales
    found: Value | Make | None = at
    for moved in reversed(layouts):
        found = Make(
            moved.op_type, (found, *moved.inputs[1:]), moved.attributes, moved.output.shape, moved.output.dtype
        )
    return found, scales


def attention_of_rows(node: Node) -> Make | None:
    """An Attention of heads that lie beside each other is one of heads."""
    counts = [node.attributes.get(f"{which}_num_heads", 0) for which in ("q", "kv", "kv")]
    if not all(counts) or not _is_plain(node):
        return None
    laid_out = [_heads(value, heads) for value, heads in zip(node.inputs[:3], counts, strict=True)]
    queries, values, mask = laid_out[0], laid_out[2], node.inputs[3:]
    if None in laid_out or queries is None or values is None or queries.shape is None or values.shape is None:
        return None
    attributes = {name: value for name, value in node.attributes.items() if not name.endswith("_num_heads")}
    batch, heads, length, size = (*queries.shape[:3], values.shape[3])
    attended = Make("Attention", (*laid_out, *mask), attributes, (batch, heads, length, size), unseen=node.unseen)
    back = Make("Transpose", (attended,), {"perm": _HEADS_FIRST}, (batch, length, heads, size))
    width = constant([0, 0, heads * size]) if isinstance(heads, int) and isinstance(size, int) else None
    return None if width is None else Make("Reshape", (back, width))


def _heads(rows: Value | None, heads: int) -> Make | None:
    """[batch, length, heads * size] as [batch, heads, length, size]."""
    if rows is None or rows.shape is None or len(rows.shape) != 3 or not isinstance(rows.shape[2], int):
        return None
    batch, length, size = rows.shape[0], rows.shape[1], rows.shape[2] // heads
    split = Make("Reshape", (rows, constant([0, 0, heads, size])), shape=(batch, length, heads, size))
    return Make("Transpose", (split,), {"perm": _HEADS_FIRST}, (batch, heads, length, size))


def grouped_queries(node: Node) -> Make | None:
    """Keys and values that several heads of queries share are repeated for each (Ainslie et al., 2023)."""
    queries = node.inputs[0]
    if queries is None or queries.shape is None or len(queries.shape) != _HEADS_RANK or not _is_plain(node):
        return None
    repeated = [_repeated(value, queries.shape[1]) for value in node.inputs[1:3]]
    if None in repeated:
        return None
    return Make("Attention", (queries, *repeated, *node.inputs[3:]), node.attributes, unseen=node.unseen)


def _repeated(value: Value | None, wanted: Dim) -> Make | None:
    """Each of fewer heads several times, one after the other."""
    if value is None or value.shape is None or len(value.shape) != _HEADS_RANK:
        return None
    batch, heads, length, size = value.shape
    if not isinstance(heads, int) or not isinstance(wanted, int) or wanted <= heads or wanted % heads:
        return None
    if not isinstance(size, int):
        return None
    times = wanted // heads
    apart = Make("Reshape", (value, constant([0, heads, 1, -1, size])), shape=(batch, heads, 1, length, size))
    copies = Make("Expand", (apart, constant([1, 1, times, 1, 1])), shape=(batch, heads, times, length, size))
    return Make("Reshape", (copies, constant([0, wanted, -1, size])), shape=(batch, wanted, length, size))


def _is_plain(node: Node) -> bool:
    """Whether it has no cache of keys and values, and nothing but its result is used."""
    return not any(node.outputs[1:]) and not any(node.inputs[4:])


RULES: Final = (
    Rule("attention", ("MatMul",), attention),
    Rule("attention-of-rows", ("Attention",), attention_of_rows),
    Rule("grouped-queries", ("Attention",), grouped_queries),
)
