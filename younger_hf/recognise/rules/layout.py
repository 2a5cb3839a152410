"""What only moves elements about: Reshape where their order stays, Transpose, and Slice for all that picks ranges."""

from __future__ import annotations

from typing import Final

import numpy as np

from younger_hf.extract.flat_model import ValueKind
from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import integers, maker, used_once
from younger_hf.recognise.network import Make, Node, Replacement, Shape, Value, constant


def reshape_to(value: Value, shape: Shape) -> Make | None:
    """A Reshape of a value to a shape that a constant can say: at most one dimension neither known nor kept."""
    old: Shape = value.shape or ()
    target: list[int] = []
    for position, dim in enumerate(shape):
        if isinstance(dim, int):
            target.append(dim)
        elif dim is not None and position < len(old) and old[position] == dim:
            target.append(0)
        else:
            target.append(-1)
    if target.count(-1) > 1 or 0 in [dim for dim in shape if isinstance(dim, int)]:
        return None
    return Make("Reshape", (value, constant(target)), shape=shape)


def one_reshape(node: Node) -> Make | None:
    """Flatten, Squeeze, Unsqueeze and every Reshape are a Reshape to a constant shape."""
    value, shape = node.inputs[0], node.output.shape
    if value is None or shape is None:
        return None
    made = reshape_to(value, shape if node.op_type != "Unsqueeze" else _with_units(node) or shape)
    if made is None or node.op_type != "Reshape":
        return made
    # What a constant of its own says already stays, so that there is an end.
    written, target = integers(made.inputs[1]), integers(node.input(1))  # type: ignore[arg-type]
    return None if written == target and not node.attributes.get("allowzero") else made


def _with_units(node: Node) -> Shape | None:
    """What an Unsqueeze makes of a shape, by the names that its dimensions have before."""
    shape, axes = getattr(node.inputs[0], "shape", None), integers(node.input(1))
    if (
        shape is None
        or axes is None
        or not all(-len(shape) - len(axes) <= axis < len(shape) + len(axes) for axis in axes)
    ):
        return None
    units = {axis % (len(shape) + len(axes)) for axis in axes}
    dims = iter(shape)
    return (
        tuple(1 if at in units else next(dims) for at in range(len(shape) + len(axes)))
        if len(units) == len(axes)
        else None
    )


def reshape_twice(node: Node) -> Make | Value | None:
    """A Reshape of a Reshape is one Reshape."""
    inner = maker(node.inputs[0], "Reshape")
    value, shape = (None if inner is None else inner.inputs[0]), node.output.shape
    if value is None or shape is None:
        return None
    if value.shape == shape and None not in shape:
        return value
    target = integers(node.input(1))
    if target is None or 0 in target:
        return reshape_to(value, shape)
    return Make("Reshape", (value, constant(target)))


def transpose_perm(node: Node) -> list[int] | None:
    """The permutation of a Transpose, in full."""
    rank = node.output.rank if node.output.rank is not None else getattr(node.inputs[0], "rank", None)
    perm = node.attributes.get("perm")
    if isinstance(perm, list):
        return [int(axis) for axis in perm]
    return None if rank is None else [*range(rank)][::-1]


def transpose_nothing(node: Node) -> Value | None:
    """A Transpose that leaves every axis where it is is what goes into it."""
    perm = transpose_perm(node)
    return node.inputs[0] if perm is not None and perm == sorted(perm) else None


def transpose_twice(node: Node) -> Make | None:
    """A Transpose of a Transpose is one Transpose."""
    inner = maker(node.inputs[0], "Transpose")
    outer_perm = transpose_perm(node)
    inner_perm = None if inner is None else transpose_perm(inner)
    if inner is None or outer_perm is None or inner_perm is None:
        return None
    return Make("Transpose", (inner.inputs[0],), {"perm": [inner_perm[axis] for axis in outer_perm]})


def transpose_of_ones(node: Node) -> Make | None:
    """A Transpose that moves only axes of size one past others is a Reshape."""
    value, perm = node.inputs[0], transpose_perm(node)
    if value is None or value.shape is None or perm is None or len(perm) != len(value.shape):
        return None
    moved = [axis for axis in perm if value.shape[axis] != 1]
    shape = tuple(value.shape[axis] for axis in perm)
    return reshape_to(value, shape) if moved == sorted(moved) and perm != sorted(perm) else None


def units_later(node: Node) -> Make | None:
    """A Reshape that only adds or takes away axes of size one comes after a Transpose."""
    inner, perm = maker(node.inputs[0], "Reshape"), transpose_perm(node)
    value = None if inner is None else inner.inputs[0]
    if inner is None or value is None or not used_once(inner.output) or perm is None:
        return None
    old, laid_out, shape = value.shape, inner.output.shape, node.output.shape
    if old is None or laid_out is None or shape is None or None in old or len(perm) != len(laid_out):
        return None
    large_before = [axis for axis, dim in enumerate(old) if dim != 1]
    large_after = [axis for axis, dim in enumerate(laid_out) if dim != 1]
    if [old[axis] for axis in large_before] != [laid_out[axis] for axis in large_after]:
        return None
    order = iter(large_before[large_after.index(axis)] for axis in perm if laid_out[axis] != 1)
    turned = [axis if dim == 1 else next(order) for axis, dim in enumerate(old)]
    holder = Value(ValueKind.NODE, tuple(old[axis] for axis in turned))
    laid = reshape_to(holder, shape)
    return (
        None
        if laid is None
        else Make("Reshape", (Make("Transpose", (value,), {"perm": turned}, holder.shape), laid.inputs[1]))
    )


def transpose_of_stacked(node: Node) -> Make | None:
    """Matrices that are stacked along one axis, each transposed, and laid out again are transposed where they are."""
    turned = maker(node.inputs[0], "Transpose")
    stacked = None if turned is None else maker(turned.inputs[0], "Reshape")
    value = None if stacked is None else stacked.inputs[0]
    if turned is None or stacked is None or value is None or transpose_perm(turned) != [0, 2, 1]:
        return None
    old, shape, laid_out = value.shape, node.output.shape, stacked.output.shape
    if old is None or shape is None or len(old) < _IMAGE_RANK or None in old or not used_once(stacked.output):
        return None
    rows, columns = old[-2:]
    if len(shape) < _IMAGE_RANK or shape[-2:] != (columns, rows) or laid_out is None or laid_out[1:] != (rows, columns):
        return None
    matrices = (*shape[:-2], rows, columns)
    where_they_are = value if old == matrices else reshape_to(value, matrices)
    if where_they_are is None:
        return None
    rank = len(shape)
    return Make("Transpose", (where_they_are,), {"perm": [*range(rank - 2), rank - 1, rank - 2]})


def split(node: Node) -> Replacement | None:
    """The parts of a Split are Slices."""
    value = node.inputs[0]
    axis = node.attributes.get("axis", 0)
    if value is None or value.shape is None:
        return None
    size = value.shape[axis]
    sizes = integers(node.input(1))
    if sizes is None:
        if node.input(1) is not None or not isinstance(size, int):
            return None
        part = -(-size // len(node.outputs))
        sizes = [min(part, size - part * at) for at in range(len(node.outputs))]
    if min(sizes) <= 0:
        return None
    at = axis - len(value.shape) if axis >= 0 else axis
    ends = np.cumsum(sizes).tolist()
    return tuple(
        None if output is None else _slice(value, end - length, end, at, output.shape)
        for output, end, length in zip(node.outputs, ends, sizes, strict=True)
    )


def _slice(value: Value, start: int, end: int, axis: int, shape: Shape | None) -> Make:
    return Make("Slice", (value, constant([start]), constant([end]), constant([axis])), shape=shape)


_MOST_OPERANDS: Final = 64


def concat_twice(node: Node) -> Make | None:
    """A Concat of a Concat along the same axis is one Concat."""
    axis, inputs = node.attributes["axis"], []
    for value in node.inputs:
        inner = maker(value, "Concat")
        joined = inner is not None and inner.attributes["axis"] == axis and axis < 0 and used_once(inner.output)
        inputs += inner.inputs if joined and inner is not None else [value]
    if len(inputs) == len(node.inputs) or len(inputs) > _MOST_OPERANDS:
        return None
    return Make("Concat", tuple(inputs), {"axis": axis})


def slice_of_one(node: Node) -> Make | None:
    """A Slice of one position, without its axis, is a Gather."""
    cut = maker(node.inputs[0], "Slice")
    value = None if cut is None else cut.inputs[0]
    shape = node.output.shape
    if cut is None or value is None or value.shape is None or shape is None or len(value.shape) != len(shape) + 1:
        return None
    starts, axes = integers(cut.input(1)), integers(cut.input(3))
    if starts is None or axes is None or len(axes) != 1 or cut.input(4) is not None:
        return None
    axis = axes[0] % len(value.shape)
    if cut.output.shape is None or cut.output.shape[axis] != 1 or value.shape[:axis] + value.shape[axis + 1 :] != shape:
        return None
    return Make("Gather", (value, constant(starts[0])), {"axis": axis - len(value.shape)})


def gather_all(node: Node) -> Value | Make | None:
    """A Gather of as many positions of a vector as it has, laid out as it was before it was a vector, is nothing.

    This is how one exporter writes `as_strided` after a global pool. Which positions they are is not known: that they
    are all, in order, is what exporters do.
    """
    flat, indices = maker(node.inputs[0], "Reshape"), node.input(1)
    value = None if flat is None else flat.inputs[0]
    if flat is None or value is None or indices is None or not indices.is_tensor or flat.output.rank != 1:
        return None
    dims = value.static_shape
    if dims is None or dims != indices.shape or len(dims) < _IMAGE_RANK or sum(dim != 1 for dim in dims) != 1:
        return None
    return value


_IMAGE_RANK: Final = 4


def slice_axes(node: Node) -> Make | None:
    """A Slice names its axes, counted from the end, and no steps of one."""
    value, axes, steps = node.inputs[0], node.input(3), node.input(4)
    starts = integers(node.input(1))
    if value is None or value.rank is None or starts is None:
        return None
    old = integers(axes) if axes is not None else [*range(len(starts))]
    pace = integers(steps) if steps is not None else None
    if old is None or (steps is not None and pace is None):
        return None
    new = [axis - value.rank if axis >= 0 else axis for axis in old]
    needless = pace is not None and all(step == 1 for step in pace)
    if axes is not None and new == old and not needless:
        return None
    return Make("Slice", (value, node.input(1), node.input(2), constant(new), None if needless else steps))


_ELEMENTWISE: Final = tuple(
    """
    Abs Cast Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Mish Neg Relu Sigmoid Softplus Sqrt Swish Tanh
    """.split()
)


def reshape_later(node: Node) -> Make | None:
    """A function of single elements comes before a Reshape or Transpose that nothing else uses."""
    inner = maker(node.inputs[0], "Reshape", "Transpose")
    if inner is None or inner.inputs[0] is None or not used_once(inner.output):
        return None
    before = inner.inputs[0]
    mapped = Make(
        node.op_type, (before, *node.inputs[1:]), node.attributes, before.shape, node.output.dtype, node.unseen
    )
    return Make(inner.op_type, (mapped, *inner.inputs[1:]), inner.attributes)


RULES: Final = (
    Rule("transpose-nothing", ("Transpose",), transpose_nothing),
    Rule("transpose-twice", ("Transpose",), transpose_twice),
    Rule("transpose-of-ones", ("Transpose",), transpose_of_ones),
    Rule("units-later", ("Transpose",), units_later),
    Rule("transpose-of-stacked", ("Reshape",), transpose_of_stacked),
    Rule("one-reshape", ("Flatten", "Squeeze", "Unsqueeze", "Reshape"), one_reshape),
    Rule("reshape-twice", ("Reshape",), reshape_twice),
    Rule("split", ("Split",), split),
    Rule("concat-twice", ("Concat",), concat_twice),
    Rule("slice-of-one", ("Reshape",), slice_of_one),
    Rule("gather-all", ("Gather",), gather_all),
    Rule("slice-axes", ("Slice",), slice_axes),
    Rule("reshape-later", _ELEMENTWISE, reshape_later),
)
