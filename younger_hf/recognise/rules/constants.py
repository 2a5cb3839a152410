"""Shape arithmetic is carried out, and what depends on parameters alone is a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from onnx import TensorProto, helper

from younger_hf.extract.operator_rules import MAX_ELEMENTS
from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import integers, maker
from younger_hf.recognise.network import Array, Lookup, Node, Value, constant, parameter

_MOST_RANK: Final = 4


def shape(node: Node) -> Value | None:
    """The Shape or Size of a value whose dimensions are known is a constant."""
    value = node.inputs[0]
    if value is None or value.shape is None:
        return None
    dims = list(value.shape)
    if node.op_type == "Shape":
        dims = dims[slice(node.attributes.get("start", 0), node.attributes.get("end"))]
    known = [dim for dim in dims if isinstance(dim, int)]
    if len(known) < len(dims):
        return None
    return constant(np.array(known, np.int64) if node.op_type == "Shape" else np.array(int(np.prod(known)), np.int64))


def one_dimension(node: Node) -> Value | None:
    """The dimensions that are picked out of a shape are a constant where they are known."""
    made, positions = maker(node.inputs[0], "Shape"), integers(node.input(1))
    data = None if made is None else made.inputs[0]
    if made is None or data is None or data.shape is None or positions is None:
        return None
    dims = list(data.shape)[slice(made.attributes.get("start", 0), made.attributes.get("end"))]
    if not all(-len(dims) <= position < len(dims) for position in positions):
        return None
    picked = [dims[position] for position in positions]
    known = [dim for dim in picked if isinstance(dim, int)]
    indices = node.input(1)
    if len(known) < len(picked) or indices is None or indices.array is None:
        return None
    return constant(np.array(known, np.int64).reshape(indices.array.shape))


def some_dimensions(node: Node) -> Value | None:
    """The dimensions that are cut out of a shape are a constant where they are known."""
    made = maker(node.inputs[0], "Shape")
    data = None if made is None else made.inputs[0]
    starts, ends = integers(node.input(1)), integers(node.input(2))
    if made is None or data is None or data.shape is None or node.input(4) is not None:
        return None
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1:
        return None
    dims = list(data.shape)[slice(made.attributes.get("start", 0), made.attributes.get("end"))]
    cut = dims[starts[0] : ends[0]]
    known = [dim for dim in cut if isinstance(dim, int)]
    return constant(np.array(known, np.int64)) if len(known) == len(cut) else None


def arithmetic(node: Node) -> Value | None:
    """An operator on known constants is carried out, if what comes of it is as small as a shape."""
    arrays: list[Array | None] = []
    for value in node.inputs:
        if value is not None and value.array is None:
            return None
        arrays.append(None if value is None else value.array)
    if not arrays:
        return None
    try:
        with np.errstate(all="ignore"):
            result = _COMPUTE[node.op_type](node, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, KeyError, np.exceptions.AxisError):
        return None
    if result is None or result.ndim > _MOST_RANK or result.size > MAX_ELEMENTS:
        return None
    return constant(result)


def of_parameters(node: Node) -> Value | None:
    """What an operator makes of parameters and constants alone is a parameter."""
    if not node.inputs or any(value is not None and not value.is_tensor for value in node.inputs):
        return None
    output = node.output
    dims = output.static_shape
    if dims is None or not output.dtype or any(node.outputs[1:]) or node.bodies:
        return None
    return parameter(dims, output.dtype, lambda get: evaluate(node, get))


def evaluate(node: Node, get: Lookup) -> Array:
    """The first output of a node, by ONNX's reference implementation."""
    from onnx.reference import ReferenceEvaluator  # only a proof by execution needs it

    from younger_hf.recognise.proto import single_node_model

    inputs = {f"x{slot}": get(value) for slot, value in enumerate(node.inputs) if value is not None}
    (result,) = ReferenceEvaluator(single_node_model(node, inputs)).run(None, inputs)
    return np.asarray(result)


def _gather(node: Node, data: Array, indices: Array) -> Array:
    return np.asarray(np.take(data, indices, axis=node.attributes.get("axis", 0)))


def _slice(_node: Node, data: Array, starts: Array, ends: Array, axes: Any = None, steps: Any = None) -> Array:
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    window = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes, steps, strict=True):
        # Running backwards, an end before the first element is none at all.
        last = None if step < 0 and end < -data.shape[int(axis)] else end
        window[int(axis)] = slice(start, last, int(step))
    return data[tuple(window)]


def _squeeze(_node: Node, data: Array, axes: Any = None) -> Array:
    return data.squeeze() if axes is None else np.squeeze(data, tuple(int(axis) for axis in axes))


def _unsqueeze(_node: Node, data: Array, axes: Array) -> Array:
    return np.expand_dims(data, tuple(int(axis) for axis in axes.reshape(-1)))


def _divide(_node: Node, a: Array, b: Array) -> Array:
    """Integers are divided towards zero."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    quotient = np.abs(a) // np.abs(b)
    return np.asarray((quotient * np.sign(a) * np.sign(b)).astype(a.dtype))


def _cast(node: Node, data: Array) -> Array:
    return np.asarray(data.astype(helper.tensor_dtype_to_np_dtype(node.attributes["to"])))


def _range(_node: Node, start: Array, limit: Array, delta: Array) -> Array | None:
    if abs(int(limit) - int(start)) > MAX_ELEMENTS * abs(int(delta)):
        return None
    return np.arange(int(start), int(limit), int(delta), dtype=start.dtype)


def _constant_of_shape(node: Node, dims: Array) -> Array | None:
    fill = node.attributes["value"]
    if "value" not in fill or np.prod(dims.astype(float)) > MAX_ELEMENTS:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(fill["element"]))
    return np.full(dims.tolist(), fill["value"], dtype)


def _reshape(_node: Node, data: Array, dims: Array) -> Array:
    return data.reshape([data.shape[at] if dim == 0 else dim for at, dim in enumerate(dims.tolist())])


def _expand(_node: Node, data: Array, dims: Array) -> Array | None:
    if np.prod(dims.astype(float)) > MAX_ELEMENTS:
        return None
    return np.asarray(data * np.ones(dims.tolist(), data.dtype))


def _reduce_prod(node: Node, data: Array, axes: Any = None) -> Array:
    over = None if axes is None or not len(axes) else tuple(int(axis) for axis in axes)
    return np.asarray(np.prod(data, axis=over, keepdims=bool(node.attributes.get("keepdims", 1))), dtype=data.dtype)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda _node, *arrays: np.asarray(function(*arrays))


_COMPUTE: Final[dict[str, Callable[..., Array | None]]] = {
    "Abs": _elementwise(np.abs),
    "Add": _elementwise(np.add),
    "And": _elementwise(np.logical_and),
    "Cast": _cast,
    "Ceil": _elementwise(np.ceil),
    "Concat": lambda node, *arrays: np.concatenate(arrays, axis=node.attributes.get("axis", 0)),
    "ConstantOfShape": _constant_of_shape,
    "Div": _divide,
    "Equal": _elementwise(np.equal),
    "Expand": _expand,
    "Floor": _elementwise(np.floor),
    "Gather": _gather,
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "Max": _elementwise(lambda *arrays: np.maximum.reduce(arrays)),
    "Min": _elementwise(lambda *arrays: np.minimum.reduce(arrays)),
    "Mul": _elementwise(np.multiply),
    "Mod": lambda node, a, b: np.asarray(np.fmod(a, b) if node.attributes.get("fmod") else np.mod(a, b)),
    "Neg": _elementwise(np.negative),
    "Not": _elementwise(np.logical_not),
    "Or": _elementwise(np.logical_or),
    "Range": _range,
    "ReduceProd": _reduce_prod,
    "Reciprocal": _elementwise(np.reciprocal),
    "Reshape": _reshape,
    "Round": _elementwise(np.round),
    "Sign": _elementwise(np.sign),
    "Slice": _slice,
    "Sqrt": _elementwise(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _elementwise(np.subtract),
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda node, data: data.transpose(node.attributes.get("perm")),
    "Where": _elementwise(np.where),
}

FOLDED: Final = tuple(
    """
    Abs Add And Cast CastLike Ceil Clip Concat ConstantOfShape Cos CumSum Div Einsum Equal Erf Exp Expand Flatten Floor
    Gather GatherElements GatherND Gemm Greater GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Mean Min Mod Mul
    Neg Not Or Pad Pow Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape
    Resize Round ScatterElements ScatterND Sigmoid Sign Sin Slice Softmax Softplus Sqrt Squeeze Sub Sum Tanh Tile
    Transpose Trilu Unsqueeze Where Xor
    """.split()
)
"""What exporters carry out at export where its inputs are known. Quantisation is not among them, nor random numbers."""

RULES: Final = (
    Rule("shape", ("Shape", "Size"), shape),
    Rule("one-dimension", ("Gather",), one_dimension),
    Rule("some-dimensions", ("Slice",), some_dimensions),
    Rule("shape-arithmetic", tuple(_COMPUTE), arithmetic),
    Rule("parameters-alone", FOLDED, of_parameters),
)
