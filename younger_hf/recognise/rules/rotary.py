"""Rotary position embedding (Su et al., 2021, section 3.4.2), spelt out, is one RotaryEmbedding.

That of the normal form rotates whole heads, [batch, heads, length, size], by cosines and sines of half their size,
[batch, length, size / 2].
"""

from __future__ import annotations

from typing import Final, NamedTuple

from onnx import TensorProto

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import integers, maker, operand_made_by
from younger_hf.recognise.network import Make, Node, Shape, Value, constant

_HEADS_RANK: Final = 4
_HEADS_FIRST: Final = [0, 2, 1, 3]


class _Pairs(NamedTuple):
    """What is rotated by pairs: of its first and its second half, or of neighbours."""

    data: Value
    neighbours: bool


def rotary_embedding(node: Node) -> Make | None:
    """X * cos + (-x2, x1) * sin is RotaryEmbedding, with x1 and x2 the halves of x, or every other element.

    That cos and sin are alike for both elements of a pair is not looked at: otherwise it would be no rotation.
    """
    for product, other in operand_made_by(node, "Mul"):
        kept = maker(other, "Mul")
        for turned, sine in ((product.inputs[0], product.input(1)), (product.input(1), product.inputs[0])):
            pairs = _quarter_turn(turned)
            if pairs is None or kept is None or sine is None or pairs.data not in kept.inputs:
                continue
            cosine = kept.inputs[1 - kept.inputs.index(pairs.data)]
            return None if cosine is None else _rotated(pairs, cosine, sine, paired=True)
    return None


def rotary_embedding_of_halves(node: Node) -> Make | None:
    """(x1 * cos - x2 * sin, x2 * cos + x1 * sin) is RotaryEmbedding, with x1 and x2 the halves of x."""
    if len(node.inputs) != 2 or node.attributes["axis"] != -1:
        return None
    minus, plus = maker(node.inputs[0], "Sub"), maker(node.inputs[1], "Add")
    for cosines, sines in () if minus is None else ((maker(minus.inputs[0], "Mul"), maker(minus.input(1), "Mul")),):
        for first, cosine in _operands(cosines):
            for second, sine in _operands(sines):
                data = _half(first, 0)
                if data is not None and data is _half(second, 1) and _is_sum_of(plus, (second, cosine), (first, sine)):
                    return _rotated(_Pairs(data, neighbours=False), cosine, sine, paired=False)
    return None


def _operands(product: Node | None) -> list[tuple[Value, Value]]:
    """Both operands of a product, either of them first."""
    if product is None or product.inputs[0] is None or product.inputs[1] is None:
        return []
    first, second = product.inputs[0], product.inputs[1]
    return [(first, second), (second, first)]


def _is_sum_of(node: Node | None, *products: tuple[Value, Value]) -> bool:
    if node is None:
        return False
    found = [set(map(id, made.inputs)) for made in (maker(value, "Mul") for value in node.inputs) if made is not None]
    wanted = [set(map(id, product)) for product in products]
    return found in (wanted, wanted[::-1])


def _quarter_turn(value: Value | None) -> _Pairs | None:
    """Of (-x2, x1): x, and whether x2 are its second half or every second element."""
    laid_out = maker(value, "Reshape")
    joined = maker(value if laid_out is None else laid_out.inputs[0], "Concat")
    if joined is None or len(joined.inputs) != 2 or joined.attributes["axis"] != -1:
        return None
    if laid_out is None:
        negated = maker(joined.inputs[0], "Neg")
        data = None if negated is None else _half(negated.inputs[0], 1)
        return _Pairs(data, neighbours=False) if data is not None and data is _half(joined.inputs[1], 0) else None
    parts = [maker(each, "Reshape") for each in joined.inputs]
    second, first = (None if part is None else part.inputs[0] for part in parts)
    negated = maker(second, "Neg")
    data = None if negated is None else _every_other(negated.inputs[0], 1)
    if data is None or data is not _every_other(first, 0) or data.shape != laid_out.output.shape:
        return None
    # Each of a pair stands beside the other: both have one axis more, of size one.
    in_pairs = None if first is None or first.shape is None else (*first.shape, 1)
    return _Pairs(data, neighbours=True) if all(part and part.output.shape == in_pairs for part in parts) else None


def _half(value: Value | None, which: int) -> Value | None:
    """What a value is the first (0) or second (1) half of, along the last axis."""
    cut = maker(value, "Slice")
    data = None if cut is None else cut.inputs[0]
    if cut is None or data is None or not data.shape or not isinstance(data.shape[-1], int):
        return None
    start, end, axes = (integers(cut.input(slot)) for slot in (1, 2, 3))
    size = data.shape[-1]
    if cut.input(4) is not None or axes != [-1] or start is None or end is None or size % 2:
        return None
    bounds = start[0], min(end[0], size)
    return data if bounds == ((size // 2, size) if which else (0, size // 2)) else None


def _every_other(value: Value | None, first: int) -> Value | None:
    """What a value is every second element of, along the last axis, from the first on."""
    cut = maker(value, "Slice")
    data = None if cut is None else cut.inputs[0]
    if cut is None or data is None or not data.shape or not isinstance(data.shape[-1], int) or data.shape[-1] % 2:
        return None
    start, end, axes, steps = (integers(cut.input(slot)) for slot in (1, 2, 3, 4))
    whole = start == [first] and end is not None and end[0] >= data.shape[-1]
    return data if whole and axes == [-1] and steps == [2] else None


def _rotated(pairs: _Pairs, cosine: Value, sine: Value, *, paired: bool) -> Make | None:
    """The operator; its heads are the second axis of what is rotated, or the third one, as the angles say."""
    data = pairs.data
    shape, axis = data.shape, _heads_axis(data.shape, cosine.shape)
    if shape is None or axis is None or axis != _heads_axis(shape, sine.shape):
        return None
    caches = [_cache(data, value, axis, pairs, paired=paired) for value in (cosine, sine)]
    if caches[0] is None or caches[1] is None:
        return None
    attributes = {"interleaved": int(pairs.neighbours)}
    if axis == 1:
        return Make("RotaryEmbedding", (data, *caches), attributes, shape)
    turned = (shape[0], shape[2], shape[1], shape[3])
    heads = Make("Transpose", (data,), {"perm": _HEADS_FIRST}, turned)
    rotated = Make("RotaryEmbedding", (heads, *caches), attributes, turned)
    return Make("Transpose", (rotated,), {"perm": _HEADS_FIRST})


def _heads_axis(shape: Shape | None, angles: Shape | None) -> int | None:
    """Along which axis the angles are one: all heads of a position are rotated alike."""
    if shape is None or angles is None or len(shape) != _HEADS_RANK or not 2 <= len(angles) <= _HEADS_RANK:
        return None
    aligned = (*[1] * (_HEADS_RANK - len(angles)), *angles)
    if aligned[1] == 1 and aligned[2] is not None and aligned[2] == shape[2]:
        return 1
    return 2 if aligned[2] == 1 and aligned[1] is not None and aligned[1] == shape[1] else None


def _cache(data: Value, angles: Value, axis: int, pairs: _Pairs, *, paired: bool) -> Make | Value | None:
    """Cosines or sines, one for each pair: [batch, length, size / 2]."""
    shape, old = data.shape, angles.shape
    if shape is None or old is None or not isinstance(shape[-1], int):
        return None
    half = shape[-1] // 2
    if old[-1] != (shape[-1] if paired else half):
        return None
    batch, length = old[0] if len(old) == _HEADS_RANK else 1, shape[3 - axis]
    found: Make | Value = angles
    if paired:
        by_pairs = (constant([0]), constant([half]), constant([-1]))
        if pairs.neighbours:
            by_pairs = (constant([0]), constant([shape[-1]]), constant([-1]), constant([2]))  # type: ignore[assignment]
        found = Make("Slice", (found, *by_pairs), shape=(*old[:-1], half), dtype=angles.dtype)
    laid_out = constant([0 if len(old) == _HEADS_RANK else 1, -1, half])
    found = Make("Reshape", (found, laid_out), shape=(batch, length, half), dtype=angles.dtype)
    if batch is not None and batch == shape[0]:
        return found
    size: Make | Value = constant([shape[0], 1, 1]) if isinstance(shape[0], int) else _batch_size(data)
    return Make("Expand", (found, size), shape=(shape[0], length, half), dtype=angles.dtype)


def _batch_size(data: Value) -> Make:
    first = Make("Shape", (data,), {"start": 0, "end": 1}, (1,), TensorProto.INT64)
    return Make("Concat", (first, constant([1, 1])), {"axis": 0}, (3,), TensorProto.INT64)


def rotary_of_positions(node: Node) -> Make | None:
    """Angles that a RotaryEmbedding looks up by positions are looked up before it."""
    data, positions = node.inputs[0], node.input(3)
    if data is None or positions is None or positions.shape is None:
        return None
    caches = []
    for cache in node.inputs[1:3]:
        if cache is None or cache.shape is None:
            return None
        looked_up = (*positions.shape, cache.shape[-1])
        caches.append(Make("Gather", (cache, positions), {"axis": 0}, looked_up, cache.dtype))
    return Make("RotaryEmbedding", (data, *caches), node.attributes)


def rotary_of_part(node: Node) -> Make | None:
    """A RotaryEmbedding of the first elements of each head is one of a Slice, beside the others."""
    data, size = node.inputs[0], node.attributes.get("rotary_embedding_dim", 0)
    if data is None or not size or data.shape is None or len(data.shape) != _HEADS_RANK:
        return None
    attributes = {"interleaved": node.attributes["interleaved"]}
    whole = data.shape[-1]
    if not isinstance(whole, int) or node.input(3) is not None:
        return None
    if size == whole:
        return Make("RotaryEmbedding", tuple(node.inputs), attributes)
    parts = [
        Make(
            "Slice",
            (data, constant([start]), constant([end]), constant([-1])),
            shape=(*data.shape[:-1], end - start),
        )
        for start, end in ((0, size), (size, whole))
    ]
    rotated = Make("RotaryEmbedding", (parts[0], *node.inputs[1:]), attributes, parts[0].shape)
    return Make("Concat", (rotated, parts[1]), {"axis": -1})


def rotary_of_rows(node: Node) -> Make | None:
    """A RotaryEmbedding of heads that lie beside each other is one of heads."""
    data, heads = node.inputs[0], node.attributes.get("num_heads", 0)
    if data is None or data.shape is None or len(data.shape) != 3 or not heads:
        return None
    batch, length, width = data.shape
    if not isinstance(width, int) or width % heads:
        return None
    split = Make("Reshape", (data, constant([0, 0, heads, -1])), shape=(batch, length, heads, width // heads))
    shape = (batch, heads, length, width // heads)
    turned = Make("Transpose", (split,), {"perm": _HEADS_FIRST}, shape)
    attributes = {name: value for name, value in node.attributes.items() if name != "num_heads"}
    rotated = Make("RotaryEmbedding", (turned, *node.inputs[1:]), attributes, shape)
    back = Make("Transpose", (rotated,), {"perm": _HEADS_FIRST}, (batch, length, heads, width // heads))
    return Make("Reshape", (back, constant([0, 0, width])))


RULES: Final = (
    Rule("rotary-embedding", ("Add",), rotary_embedding),
    Rule("rotary-embedding-of-halves", ("Concat",), rotary_embedding_of_halves),
    Rule("rotary-of-rows", ("RotaryEmbedding",), rotary_of_rows),
    Rule("rotary-of-positions", ("RotaryEmbedding",), rotary_of_positions),
    Rule("rotary-of-part", ("RotaryEmbedding",), rotary_of_part),
)
