"""Scaled dot-product attention (Vaswani et al., 2017, section 3.2.1), spelt out, is one Attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import broadcast_shape, is_scalar, maker, with_parameter
from younger_hf.recognise.network import Array, Make, Node, Value, parameter

_HEADS_RANK: Final = 4


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
    if queries is None or keys is None or queries.rank != _HEADS_RANK or keys.rank != _HEADS_RANK or not keys.shape:
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


def _unscaled(value: Value | None) -> tuple[Value | None, list[Value]]:
    """A value without the scalars that multiply it."""
    scales: list[Value] = []
    scaled = with_parameter(maker(value, "Mul"))
    while scaled is not None and is_scalar(scaled[1]) and len(scales) < _MOST_STEPS:
        value = scaled[0]
        scales.append(scaled[1])
        scaled = with_parameter(maker(value, "Mul"))
    return value, scales


RULES: Final = (Rule("attention", ("MatMul",), attention),)
