"""What does nothing is taken out: identities of every spelling."""

from __future__ import annotations

from typing import Final

from onnx import TensorProto

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import from_end, integers, is_parameter, maker, used_once
from younger_hf.recognise.network import Make, Node, Value


def identity(node: Node) -> Value | None:
    """Identity is what goes into it."""
    return node.inputs[0]


def dropout(node: Node) -> Value | None:
    """Dropout in inference is what goes into it."""
    if any(value is not None and (value.users or value.returned) for value in node.outputs[1:]):
        return None
    return node.inputs[0] if node.input(2) is None else None


def cast(node: Node) -> Value | None:
    """A Cast to the element type that a value has is the value."""
    value = node.inputs[0]
    to = node.attributes.get("to") if node.op_type == "Cast" else getattr(node.input(1), "dtype", 0)
    return value if value is not None and value.dtype and value.dtype == to else None


def sum_in_wider_type(node: Node) -> Make | None:
    """A CumSum of integers in a wider type, cast back, is one in their own: both wrap around alike."""
    made = maker(node.inputs[0], "CumSum")
    widened = None if made is None else maker(made.inputs[0], "Cast")
    data = None if widened is None else widened.inputs[0]
    if made is None or widened is None or data is None or not used_once(made.output):
        return None
    types = (node.attributes.get("to"), widened.attributes.get("to"))
    if data.dtype != TensorProto.INT32 or types != (TensorProto.INT32, TensorProto.INT64):
        return None
    return Make("CumSum", (data, *made.inputs[1:]), made.attributes)


def single_operand(node: Node) -> Value | None:
    """A Concat, Sum, Mean, Max or Min of one value is the value."""
    return node.inputs[0] if len(node.inputs) == 1 else None


def sum_of_two(node: Node) -> Make | None:
    """A Sum of two is an Add."""
    return Make("Add", tuple(node.inputs)) if len(node.inputs) == 2 else None


def same_shape(node: Node) -> Value | None:
    """A Reshape, Expand, Tile, Slice, Pad or Resize that leaves every dimension as it is leaves the values too."""
    value, shape = node.inputs[0], node.output.shape
    if value is None or shape is None:
        return None
    if None in shape or value.shape != shape:
        return value if node.op_type == "Reshape" and _keeps_dimensions(node) else None
    if node.op_type == "Slice":
        steps = integers(node.input(4))
        if node.input(4) is not None and (steps is None or any(step < 0 for step in steps)):
            return None
    if node.op_type == "Pad":
        pads = integers(node.input(1))
        if pads is None or any(pads):
            return None
    if node.op_type == "Resize" and not all(isinstance(dim, int) for dim in shape):
        return None
    return value


def _keeps_dimensions(node: Node) -> bool:
    """Whether a Reshape says of every dimension but one that it stays: then that one stays, too."""
    target, old = integers(node.input(1)), getattr(node.inputs[0], "shape", None)
    if target is None or old is None or len(target) != len(old) or target.count(-1) > 1:
        return False
    zero = None if node.attributes.get("allowzero") else 0
    return all(dim in (-1, zero) or dim == before for dim, before in zip(target, old, strict=True))


def whole_split(node: Node) -> Value | None:
    """A Split into one part is the value."""
    return node.inputs[0] if len(node.outputs) == 1 else None


def axis_from_end(node: Node) -> Make | None:
    """Axes are counted from the end, where the rank is known."""
    axis, data = node.attributes.get("axis"), node.inputs[0]
    if not isinstance(axis, int) or axis < 0 or data is None or data.rank is None or len(node.outputs) > 1:
        return None
    rank = data.rank + (node.op_type == "OneHot")
    return Make(node.op_type, tuple(node.inputs), {**node.attributes, "axis": from_end(axis, rank)}, unseen=node.unseen)


def clip_of_bounds(node: Node) -> Make | None:
    """A Max and a Min with scalars, one after the other, are a Clip."""
    inner = {"Min": "Max", "Max": "Min"}[node.op_type]
    for value, bound in ((node.inputs[0], node.input(1)), (node.input(1), node.inputs[0])):
        made = None if value is None else value.producer
        if made is None or made.op_type != inner or len(made.inputs) != 2 or not _is_scalar_bound(bound):
            continue
        for data, other in ((made.inputs[0], made.inputs[1]), (made.inputs[1], made.inputs[0])):
            if _is_scalar_bound(other) and data is not None and not data.is_tensor:
                bounds = (other, bound) if inner == "Max" else (bound, other)
                return Make("Clip", (data, *bounds))
    return None


def _is_scalar_bound(value: Value | None) -> bool:
    """Whether it is a parameter without dimensions."""
    return value is not None and is_parameter(value) and value.shape == ()


RULES: Final = (
    Rule("identity", ("Identity",), identity),
    Rule("dropout", ("Dropout",), dropout),
    Rule("cast", ("Cast", "CastLike"), cast),
    Rule("sum-in-wider-type", ("Cast",), sum_in_wider_type),
    Rule("single-operand", ("Concat", "Sum", "Mean", "Max", "Min"), single_operand),
    Rule("sum-of-two", ("Sum",), sum_of_two),
    Rule("same-shape", ("Reshape", "Expand", "Tile", "Slice", "Pad", "Resize"), same_shape),
    Rule("whole-split", ("Split",), whole_split),
    Rule(
        "axis-from-end",
        tuple(
            "ArgMax ArgMin Concat Gather GatherElements Hardmax LayerNormalization LogSoftmax LpNormalization OneHot "
            "RMSNormalization ScatterElements Softmax".split()
        ),
        axis_from_end,
    ),
    Rule("clip-of-bounds", ("Min", "Max"), clip_of_bounds),
)
