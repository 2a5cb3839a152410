"""Questions that rules ask about values: who made this, is it a scalar, which operand is the parameter?"""

from __future__ import annotations

from math import prod

from onnx import TensorProto

from younger_hf.recognise.network import Node, Shape, Value

REAL = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})


def maker(value: Value | None, *op_types: str) -> Node | None:
    """The node that makes a value as its first output, if it is one of these operators."""
    node = None if value is None else value.producer
    return node if node is not None and value.slot == 0 and node.op_type in op_types else None  # type: ignore[union-attr]


def used_once(value: Value) -> bool:
    """Whether one input slot uses it, and no graph or body returns it."""
    return not value.returned and len(value.users) == 1 and next(iter(value.users.values())) == 1


def is_parameter(value: Value | None) -> bool:
    """Whether it is a tensor of reals whose values count as weights."""
    return value is not None and value.is_tensor and value.dtype in REAL


def num_elements(value: Value) -> int | None:
    """How many elements it has, if known."""
    shape = value.static_shape
    return None if shape is None else prod(shape)


def is_scalar(value: Value | None) -> bool:
    """Whether it is a parameter of one element."""
    return is_parameter(value) and num_elements(value) == 1  # type: ignore[arg-type]


def with_parameter(node: Node | None) -> tuple[Value, Value] | None:
    """Of a node of two operands, one of them a parameter and the other not: the other, and the parameter."""
    if node is None or len(node.inputs) != 2:
        return None
    first, second = node.inputs
    if first is None or second is None or is_parameter(first) == is_parameter(second):
        return None
    return (second, first) if is_parameter(first) else (first, second)


def operand_made_by(node: Node | None, *op_types: str) -> list[tuple[Node, Value]]:
    """Of a node of two operands: each that is made by one of these operators, as its node, and the other operand."""
    if node is None or len(node.inputs) != 2:
        return []
    first, second = node.inputs
    found = []
    for one, other in ((first, second), (second, first)):
        made = maker(one, *op_types)
        if made is not None and other is not None:
            found.append((made, other))
    return found


def integers(value: Value | None) -> list[int] | None:
    """The values of a structural constant of integers, flattened."""
    array = None if value is None else value.array
    if array is None or array.dtype.kind not in "iu":
        return None
    return [int(item) for item in array.reshape(-1)]


def per_channel(value: Value, rank: int, axis: int) -> int | None:
    """The number of channels, more than one, if the shape broadcasts along one axis of a tensor of that rank alone."""
    shape = value.static_shape
    if shape is None or len(shape) > rank:
        return None
    padded = (1,) * (rank - len(shape)) + shape
    channels = padded[axis]
    return channels if channels > 1 and prod(padded) == channels else None


def from_end(axis: int, rank: int) -> int:
    """An axis counted from the end, negative."""
    return axis - rank if axis >= 0 else axis


def axes_of(node: Node, slot: int, rank: int | None) -> list[int] | None:
    """The axes that a reduction goes over, not negative and sorted; None if they are not known."""
    if rank is None:
        return None
    value = node.input(slot)
    if value is None:
        return [*range(rank)]
    axes = integers(value)
    if axes is None:
        return None
    if not axes:
        return [] if node.attributes.get("noop_with_empty_axes") else [*range(rank)]
    return sorted({axis % rank for axis in axes}) if all(-rank <= axis < rank for axis in axes) else None


def broadcast_shape(*shapes: Shape | None) -> Shape | None:
    """The shape that tensors of these shapes broadcast to; None where it is not known."""
    if any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    rank = max(map(len, known))
    result: list[int | str | None] = []
    for position in range(rank):
        dims = [shape[position - rank] for shape in known if len(shape) >= rank - position]
        large = [dim for dim in dims if dim != 1]
        result.append(large[0] if large and all(dim == large[0] for dim in large) else (1 if not large else None))
    return tuple(result)
