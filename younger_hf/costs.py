"""What a network costs to run: multiply-accumulates and activations, from shapes alone.

In goes a model or a skeleton; out come its `Costs` at the sizes that `younger_hf.example_inputs` gives to its inputs,
or None where a shape that they depend on is not known.

Both are counted over the operators that multiply with weights or with one another: Conv, ConvTranspose, DeformConv,
Gemm, MatMul, the quantised Conv and MatMul, Einsum of two operands, Attention as the two products that it consists of,
and RNN, GRU and LSTM. A bias, a normalisation, an activation function and whatever else is elementwise count nothing.
This is also what torch.utils.flop_counter counts, at two floating-point operations for one multiply-accumulate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from onnx import ModelProto

from younger_hf.extract.operators import operator_schema
from younger_hf.interop.inputs import at_example_sizes
from younger_hf.recognise.network import Network, Node
from younger_hf.recognise.normal import raised_network

Dims = tuple[int, ...]

_LARGEST: Final = 2**63 - 1  # what a column holds


@dataclass(frozen=True)
class Costs:
    """What one forward pass costs.

    Attributes:
        macs: multiply-accumulates; an operation that multiplies and adds counts one.
        activations: elements of the outputs of the operators that `macs` counts. "Designing Network Design Spaces"
            (Radosavovic et al. 2020, section 3.1) counts the outputs of convolutions alone.
    """

    macs: int
    activations: int


def count_costs(model: ModelProto) -> Costs | None:
    """The costs of a model at example sizes: batches of 1, images of 224 by 224, 8 tokens, where it does not say.

    Args:
        model: a model, or a skeleton; not changed.

    Returns:
        None where the shape of something that is multiplied cannot be inferred, where a body of control flow
        multiplies, and where an operator is not one of ONNX's: nobody knows what it costs.

    Raises:
        InvalidModelError: the model is not structurally sound.
    """
    return costs_of(raised_network(at_example_sizes(model)))


def costs_of(network: Network) -> Costs | None:
    """The costs of a network by the shapes that it knows; see `count_costs`."""
    macs = activations = 0
    for node in network.nodes():
        if operator_schema(node.operator.domain, node.operator.op_type, node.opset) is None:
            return None
        count = _COUNTS.get(node.operator.op_type)
        if count is None or node.operator.domain:
            continue
        found = None if node.home.attribute else count(node)
        if found is None:
            return None
        macs, activations = macs + found[0], activations + found[1]
    return Costs(macs, activations) if max(macs, activations) <= _LARGEST else None


def _input(node: Node, slot: int) -> Dims | None:
    value = node.input(slot)
    return _known(None if value is None else value.static_shape)


def _output(node: Node) -> Dims | None:
    return _known(node.outputs[0].static_shape if node.outputs and node.outputs[0] is not None else None)


def _known(dims: Dims | None) -> Dims | None:
    return dims if dims is not None and all(dim >= 0 for dim in dims) else None


_Found = tuple[int, int] | None
"""Multiply-accumulates and elements of the output."""


def _convolution(weight_slot: int) -> Callable[[Node], _Found]:
    """Every element of the output is a product with one kernel, over the channels of its group."""

    def count(node: Node) -> _Found:
        weight, output = _input(node, weight_slot), _output(node)
        return None if weight is None or output is None else (prod(output) * prod(weight[1:]), prod(output))

    return count


def _transposed_convolution(node: Node) -> _Found:
    """Every element of the input is multiplied by one kernel."""
    data, weight, output = _input(node, 0), _input(node, 1), _output(node)
    if data is None or weight is None or output is None:
        return None
    return prod(data) * prod(weight[1:]), prod(output)


def _gemm(node: Node) -> _Found:
    a, output = _input(node, 0), _output(node)
    if a is None or output is None or len(a) != 2:
        return None
    return prod(output) * a[0 if node.attributes.get("transA") else 1], prod(output)


def _matmul(node: Node) -> _Found:
    a, output = _input(node, 0), _output(node)
    return None if not a or output is None else (prod(output) * a[-1], prod(output))


def _einsum(node: Node) -> _Found:
    """One operand is only summed or moved; for two, every combination of indices is one multiplication."""
    if len(node.inputs) == 1:
        return 0, 0
    terms = "".join(str(node.attributes.get("equation", "")).split()).partition("->")[0].split(",")
    output = _output(node)
    if len(terms) != 2 or output is None:
        return None
    sizes: dict[str, int] = {}
    for slot, term in enumerate(terms):
        dims = _input(node, slot)
        if dims is None or len(dims) != len(term) or not term.isalpha():
            return None
        for letter, size in zip(term, dims, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 0))  # 1 is repeated
    return prod(sizes.values()), prod(output)


def _attention(node: Node) -> _Found:
    """Scores of queries and keys, and sums of values by them: [batch, heads, length, size] or [batch, length, both]."""
    query, key, value = (_input(node, slot) for slot in range(3))
    if query is None or key is None or value is None:
        return None
    queries = _heads(query, node.attributes.get("q_num_heads"))
    keys = _heads(key, node.attributes.get("kv_num_heads"))
    values = _heads(value, node.attributes.get("kv_num_heads"))
    if queries is None or keys is None or values is None:
        return None
    num_keys, value_size = keys[1], values[2]
    if node.input(4) is not None:
        past = _input(node, 4)
        if past is None or len(past) != 4:
            return None
        num_keys += past[2]
    rows = query[0] * queries[0] * queries[1]
    return rows * num_keys * (queries[2] + value_size), rows * (num_keys + value_size)


def _heads(dims: Dims, heads: int | None) -> tuple[int, int, int] | None:
    """Heads, length and size of each head, if they can be told apart."""
    if len(dims) == 4:
        return dims[1], dims[2], dims[3]
    if len(dims) == 3 and heads:
        return heads, dims[1], dims[2] // heads
    return None


def _recurrent(node: Node) -> _Found:
    """Every step multiplies the input and the last state by a matrix for each gate."""
    data, weight, recurrence = (_input(node, slot) for slot in range(3))
    if data is None or weight is None or recurrence is None or len(data) != 3 or len(weight) != 3:
        return None
    steps = data[0] * data[1]
    directions, hidden = weight[0], recurrence[-1]
    return steps * (prod(weight) + prod(recurrence)), steps * directions * hidden


_COUNTS: Final[Mapping[str, Callable[[Node], _Found]]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "DeformConv": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _matmul,
    "Einsum": _einsum,
    "Attention": _attention,
    "RNN": _recurrent,
    "GRU": _recurrent,
    "LSTM": _recurrent,
}
