"""The values that stand in for those a skeleton does not have.

In: a skeleton, whose parameters have an element type and a shape but no data. Out: for every parameter and graph
input, an array with which the model runs and its outputs stay finite. Most values are free (small normals,
integers and booleans 0); some are held to a constant by the operator that reads them, such as a variance, a
divisor or an exponent, and `required_values` finds those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

# A demand of 1 means "positive": sums, products, quotients, roots and powers of ones are positive as well.
POSITIVE: Final = 1.0
_EPSILON: Final = 1e-3  # what is added to a variance or a norm before it divides
_SCALE: Final = 1 / 16  # of a quantisation: a power of two, so that float8e8m0 has it too
_BIAS: Final = 0.1  # standard deviation
_GAIN: Final = 0.5  # standard deviation times the square root of fan-in: below 1, since residual branches add up

# Element types of which several share a byte in a file, and their widths in bits.
_PACKED_BITS: Final = {"UINT2": 2, "INT2": 2, "UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "FLOAT6E2M3": 6, "FLOAT6E3M2": 6}

# Operator -> input slot -> the value that a parameter there must have. Slots that the skeleton keeps with their
# values (shapes, axes, repeats …) stand here too, since a graph input may feed them.
_SLOTS: Final[Mapping[str, Mapping[int, float]]] = {
    # Normalisation: scale and variance.
    "BatchNormalization": {1: 1.0, 4: POSITIVE},
    "GroupNormalization": {1: 1.0},
    "InstanceNormalization": {1: 1.0},
    "LayerNormalization": {1: 1.0},
    "RMSNormalization": {1: 1.0},
    "SimplifiedLayerNormalization": {1: 1.0},
    "SkipLayerNormalization": {2: 1.0},
    "SkipSimplifiedLayerNormalization": {2: 1.0},
    # Functions that are not finite everywhere. An even exponent keeps a power of a negative number real.
    "Acosh": {0: POSITIVE},
    "Asin": {0: 0.5},
    "Acos": {0: 0.5},
    "Atanh": {0: 0.5},
    "Div": {1: POSITIVE},
    "Log": {0: POSITIVE},
    "Mod": {1: POSITIVE},
    "Pow": {0: POSITIVE, 1: 2.0},
    "Reciprocal": {0: POSITIVE},
    "ReduceLogSum": {0: POSITIVE},
    "Sqrt": {0: POSITIVE},
    # Bounds: 0 < lower < upper < 1, so that log(x) and log(1 - x) of what was clipped are finite.
    "Clip": {1: 0.125, 2: 0.875},
    "Greater": {1: 0.0},
    "GreaterOrEqual": {1: 0.0},
    "NonMaxSuppression": {2: 16.0, 3: 0.5, 4: 0.0},
    # Quantisation.
    "DequantizeLinear": {1: _SCALE},
    "QuantizeLinear": {1: _SCALE},
    "QLinearConv": {1: _SCALE, 4: _SCALE, 6: _SCALE},
    "QLinearMatMul": {1: _SCALE, 4: _SCALE, 6: _SCALE},
    "QLinearAdd": {1: _SCALE, 4: _SCALE, 6: _SCALE},
    "QLinearMul": {1: _SCALE, 4: _SCALE, 6: _SCALE},
    "QLinearAveragePool": {1: _SCALE, 3: _SCALE},
    "QLinearGlobalAveragePool": {1: _SCALE, 3: _SCALE},
    "QLinearLeakyRelu": {1: _SCALE, 3: _SCALE},
    "QLinearSigmoid": {1: _SCALE, 3: _SCALE},
    "QLinearSoftmax": {1: _SCALE, 3: _SCALE},
    "QGemm": {1: _SCALE, 4: _SCALE, 7: _SCALE},
    "QAttention": {3: _SCALE, 4: _SCALE},
    "DynamicQuantizeMatMul": {2: _SCALE},
    "MatMulIntegerToFloat": {2: _SCALE, 3: _SCALE},
    "MatMulNBits": {2: _SCALE},
    # Masks and lengths: nothing is masked out, since a softmax over nothing is not a number.
    "Attention": {3: 1.0, 5: 1.0},
    "MultiHeadAttention": {4: 1.0},
    "Compress": {1: 1.0},
    "GRU": {4: 1.0},
    "LSTM": {4: 1.0},
    "RNN": {4: 1.0},
    "ReverseSequence": {1: 1.0},
    # Control flow.
    "Loop": {0: 1.0, 1: 1.0},
    # Sizes and counts.
    "BlackmanWindow": {0: 8.0},
    "CenterCropPad": {1: 1.0},
    "ConstantOfShape": {0: 1.0},
    "DFT": {1: 1.0},
    "Dropout": {1: 0.5},
    "Expand": {1: 1.0},
    "HammingWindow": {0: 8.0},
    "HannWindow": {0: 8.0},
    "OneHot": {1: 2.0},
    "Range": {0: 0.0, 1: 1.0, 2: 1.0},
    "Resize": {1: 1.0, 2: 1.0, 3: 1.0},
    "STFT": {1: 1.0, 3: 1.0},
    "SplitToSequence": {1: 1.0},
    "Tile": {1: 1.0},
    "TopK": {1: 1.0},
    "Upsample": {1: 1.0},
}

# Operators whose output holds nothing but values of these inputs, so that a demand passes through.
_ALL: Final = tuple(range(64))
_CARRIERS: Final[Mapping[str, Sequence[int]]] = {
    **dict.fromkeys(
        (
            "Abs Cast CastLike Ceil DepthToSpace Dropout Expand Flatten Floor Gather GatherElements GatherND Identity "
            "Pad ReduceMax ReduceMean ReduceMin Relu Reshape Resize Round Slice SpaceToDepth Split Squeeze Tile "
            "Transpose Trilu Unsqueeze"
        ).split(),
        (0,),
    ),
    **dict.fromkeys(("Concat", "Max", "Mean", "Min"), _ALL),
    "Where": (1, 2),
}
# Operators whose output is positive where these inputs are.
_ARITHMETIC: Final[Mapping[str, Sequence[int]]] = {
    "Add": _ALL,
    "Clip": (1,),
    "Div": (0, 1),
    "Mul": _ALL,
    "Pow": (0,),
    "ReduceProd": (0,),
    "ReduceSum": (0,),
    "Sqrt": (0,),
    "Sum": _ALL,
}

_SIZE_ARITHMETIC: Final = frozenset("Cast Concat Div Gather Identity Mul Reshape Slice Squeeze Unsqueeze".split())


def graphs_of(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and every body inside it, in file order."""
    yield graph
    for node in graph.node:
        for body in _bodies(node):
            yield from graphs_of(body)


def has_data(tensor: TensorProto) -> bool:
    """Whether a tensor carries its values: in a skeleton, a kept constant does and a parameter does not."""
    if tensor.HasField("raw_data") or tensor.data_location == TensorProto.EXTERNAL:
        return True
    return any(
        len(getattr(tensor, name))
        for name in ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
    )


@dataclass(frozen=True)
class Parameter:
    """An initializer without data.

    Attributes:
        tensor: its name, element type and dims.
        position: of how many parameters it is preceded; with the seed, this determines its values.
    """

    tensor: TensorProto
    position: int

    @property
    def num_bytes(self) -> int:
        """How much its data takes in a file; for strings, empty ones."""
        elements = int(math.prod(self.tensor.dims))
        if self.tensor.data_type == TensorProto.STRING:
            return 2 * elements
        item_bits = 8 * int(helper.tensor_dtype_to_np_dtype(self.tensor.data_type).itemsize)
        bits = elements * _PACKED_BITS.get(TensorProto.DataType.Name(self.tensor.data_type), item_bits)
        return -(-bits // 8)

    def values(self, required: Mapping[str, float], seed: int) -> NDArray[Any]:
        """Its values, given what `required_values` says of the model."""
        generator = np.random.default_rng([seed, self.position])
        return make_values(self.tensor.dims, self.tensor.data_type, required.get(self.tensor.name), generator)


def parameters_of(model: ModelProto) -> list[Parameter]:
    """The initializers without data, in the main graph and in bodies, in file order."""
    tensors = (t for graph in graphs_of(model.graph) for t in graph.initializer if not has_data(t))
    return [Parameter(tensor, position) for position, tensor in enumerate(tensors)]


def required_values(model: ModelProto) -> dict[str, float]:
    """What values must hold so that the operators which read them work, by the name of the value.

    One pass from the outputs to the inputs: an operator's own demand on an input slot, and what is demanded of its
    output where it passes values on. A value on which two demands are made gets the greater one.

    Args:
        model: a skeleton: value names are unique in it, and nodes stand in topological order.
    """
    required = _Requirements(model)
    required.find_sizes(model.graph)
    required.read(model.graph)
    return required.values


class _Requirements:
    def __init__(self, model: ModelProto) -> None:
        self.values: dict[str, float] = {}
        self.functions: dict[tuple[str, str], FunctionProto] = {(f.domain, f.name): f for f in model.functions}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, int] = {}
        self.sizes: set[str] = set()

    def find_sizes(self, graph: GraphProto) -> None:
        """Find the values that are sizes of axes, such as the width of an attention head."""
        for node in graph.node:
            arithmetic = node.op_type in _SIZE_ARITHMETIC and not self.sizes.isdisjoint(node.input[:1])
            if node.op_type in ("Shape", "Size") or arithmetic:
                self.sizes.update(node.output)
            for body in _bodies(node):
                self.find_sizes(body)

    def read(self, graph: GraphProto) -> None:
        for tensor in graph.initializer:
            self.shapes[tensor.name] = tuple(tensor.dims)
            self.dtypes[tensor.name] = tensor.data_type
        for node in reversed(graph.node):
            for body in _bodies(node):
                self._read_body(node, body)
            self._read_node(node)

    def _require(self, name: str, value: float) -> None:
        if name:
            self.values[name] = max(value, self.values.get(name, value))

    def _read_body(self, owner: NodeProto, body: GraphProto) -> None:
        """Read a body between what its owner's outputs demand and what the owner's inputs feed."""
        looping = owner.op_type == "Loop"
        for formal, name in zip(body.output[1:] if looping else body.output, owner.output, strict=False):
            if name in self.values:
                self._require(formal.name, self.values[name])
        if looping and any(owner.input[:1]):  # a trip count ends the loop
            self._require(body.output[0].name, 1.0)
        self.read(body)
        fed = owner.input[2:] if looping else owner.input
        for formal, name in zip(body.input[2:] if looping else body.input, fed, strict=False):
            if formal.name in self.values:
                self._require(name, self.values[formal.name])

    def _read_node(self, node: NodeProto) -> None:
        function = self.functions.get((node.domain, node.op_type))
        if function is not None and len(function.node) == 1:  # what the skeleton wraps to keep its opset
            wrapped = NodeProto(input=node.input, output=node.output)
            wrapped.op_type = function.node[0].op_type
            wrapped.attribute.extend(function.node[0].attribute)
            node = wrapped
        op_type = node.op_type
        inputs = dict(enumerate(node.input))
        for slot, value in _SLOTS.get(op_type, {}).items():
            self._require(inputs.get(slot, ""), value)
        if op_type == "QLinearConcat":  # output scale and zero point, then (tensor, scale, zero point) each
            for name in (*node.input[:1], *node.input[3::3]):
                self._require(name, _SCALE)
        elif op_type == "Pow" and inputs.get(0) in self.sizes and inputs.get(1):
            self.values[inputs[1]] = 0.0  # the -1/2 that scales attention, not the square of a variance
        elif op_type == "Mul":
            for name in node.input:
                if self._is_vector(name):  # the scale of a normalisation that is spelt out
                    self._require(name, 1.0)
        elif op_type in ("Gather", "GatherElements") and not self._has_two_rows(node):
            self._require(inputs.get(1, ""), 0.0)
        demand = max((self.values[name] for name in node.output if name in self.values), default=None)
        if demand is None:
            return
        for slot in _CARRIERS.get(op_type, ()):
            self._require(inputs.get(slot, ""), demand)
        if demand == POSITIVE and not (op_type == "Mul" and inputs.get(0) == inputs.get(1)):  # a square is positive
            for slot in _ARITHMETIC.get(op_type, ()):
                name = inputs.get(slot, "")
                self._require(name, _EPSILON if op_type == "Add" and self._is_real_scalar(name) else demand)

    def _is_vector(self, name: str) -> bool:
        shape = self.shapes.get(name)
        return shape is not None and sum(size != 1 for size in shape) == 1

    def _is_real_scalar(self, name: str) -> bool:
        shape = self.shapes.get(name)
        return shape is not None and math.prod(shape) == 1 and is_real(self.dtypes[name])

    def _has_two_rows(self, gather: NodeProto) -> bool:
        """Whether what is gathered from is a table in which 0 and 1 are both valid positions."""
        shape = self.shapes.get("".join(gather.input[:1]), ())
        axis = next((attribute.i for attribute in gather.attribute if attribute.name == "axis"), 0)
        return -len(shape) <= axis < len(shape) and shape[axis] >= 2


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def is_real(data_type: int) -> bool:
    """Whether an ONNX element type is a floating-point type, of any width."""
    name = TensorProto.DataType.Name(data_type)
    return name.startswith("FLOAT") or name in ("DOUBLE", "BFLOAT16")


def is_complex(data_type: int) -> bool:
    """Whether an ONNX element type is a complex type."""
    return data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def make_values(
    shape: Sequence[int], data_type: int, required: float | None, generator: np.random.Generator
) -> NDArray[Any]:
    """Values for a parameter.

    Args:
        shape: its dims; [] for a scalar.
        data_type: an element type of `onnx.TensorProto`.
        required: what `required_values` says of it; None if it is free. Free integers and booleans are 0, strings
            empty, real scalars 1, other reals normal: vectors with a standard deviation of 0.1, weights with
            0.5 / sqrt(fan-in), so that activations neither grow nor vanish, whatever the depth.
        generator: drawn from only where the values are random.

    Returns:
        An array of that shape, of NumPy's type or of ml_dtypes' where NumPy has none (bfloat16, float8, int4 …).
    """
    dtype = helper.tensor_dtype_to_np_dtype(data_type)
    if data_type == TensorProto.STRING:
        return np.full(shape, "", dtype=object)
    if required is not None:
        return np.full(shape, required, dtype=np.float64).astype(dtype)
    if not (is_real(data_type) or is_complex(data_type)):
        return np.zeros(shape, dtype=dtype)
    if math.prod(shape) == 1:
        return np.ones(shape, dtype=dtype)
    scale = _BIAS if sum(size != 1 for size in shape) <= 1 else _GAIN / math.sqrt(_fan_in(shape))
    return normal_values(shape, data_type, scale, generator)


def normal_values(shape: Sequence[int], data_type: int, scale: float, generator: np.random.Generator) -> NDArray[Any]:
    """Normal values of a real or complex type with the standard deviation `scale`; powers of two have no sign."""
    values = generator.standard_normal(shape, dtype=np.float32)
    values *= np.float32(scale)
    if data_type == TensorProto.FLOAT8E8M0:
        np.abs(values, out=values)
    return values.astype(helper.tensor_dtype_to_np_dtype(data_type), copy=False)


def _fan_in(shape: Sequence[int]) -> int:
    """An upper bound, near enough, on how many terms each output of a weight sums up, whichever axis is which."""
    if len(shape) == 2:
        return max(*shape, 1)
    return max(math.prod(shape) // max(shape[0], 1), 1)
