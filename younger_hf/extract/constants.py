"""Which constants are structure: shapes, axes, slice positions. Every other tensor is a parameter.

A use of a value is structural if it is a shape-like input of an operator, or an input of shape arithmetic whose result
is used so (DESIGN section 3, Skeleton). If that result also reaches data, the use stays structural for an integer: it
is a size or a position all the same. A floating-point constant must reach shapes alone.

A constant that has a structural use, at most one axis and 64 elements keeps its values for it. Its other uses, if it
has any, are of a parameter like all others: exporters share one `[1]` among whatever needs one, so the two are told
apart use by use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Final

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from younger_hf.extract.flatten import EMPTY, FlatModel, flatten
from younger_hf.extract.operator_rules import (
    MAX_ELEMENTS,
    SHAPE_ARITHMETIC,
    SHAPE_INPUTS,
    SHAPE_PRESERVING,
    SHAPE_SOURCES,
)
from younger_hf.extract.operators import DEFAULT_DOMAIN, INTEGERS, attribute_type, normal_domain, single_element

# What a value reaches, as bits.
_SHAPES: Final = 1
_DATA: Final = 2
_NO_SLOTS: Final[frozenset[int]] = frozenset()
_INDEX_SLOT: Final = frozenset({1})

_PAYLOAD_FIELDS: Final = (
    "raw_data",
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "external_data",
    "data_location",
)


@cache
def shape_inputs(op_type: str, opset: int) -> frozenset[int]:
    """The input slots of a default-domain operator that take shapes, axes, counts or positions."""
    slots: tuple[int, ...] = ()
    for since, at in SHAPE_INPUTS.get(op_type, ()):
        if since <= opset:
            slots = at
    return frozenset(slots)


@dataclass(frozen=True)
class TensorRoles:
    """What the tensors that something uses are used as. One that is used in both ways is in both sets.

    Attributes:
        constants: values with a structural use, small enough to keep, whether or not the file holds their data.
        parameters: values with any other use.
        structural_uses: (index of the node, input slot) of every structural use of a constant.
    """

    constants: frozenset[int]
    parameters: frozenset[int]
    structural_uses: frozenset[tuple[int, int]]


def tensor_roles(flat: FlatModel) -> TensorRoles:
    """Tell the constants that are structure from the parameters."""
    reaches = bytearray(len(flat.kind))
    small = {
        value
        for value, tensor in flat.tensor.items()
        if len(tensor.dims) <= 1 and 0 <= prod(tensor.dims) <= MAX_ELEMENTS
    }
    parameters: set[int] = set()
    constants: set[int] = set()
    structural_uses: set[tuple[int, int]] = set()
    for body in (flat.main, *(body for node in flat.nodes for body in node.bodies)):
        for value in body.outputs:
            reaches[value] |= _DATA
            if value in flat.tensor:
                parameters.add(value)
    sizes = _sizes(flat)
    for node in reversed(flat.nodes):
        slots, result = _NO_SLOTS, _DATA
        if node.operator.domain == DEFAULT_DOMAIN:
            op_type = node.operator.op_type
            slots = shape_inputs(op_type, node.opset)
            if op_type == "Gather" and sizes.intersection(node.inputs[:1]):
                slots = _INDEX_SLOT  # which axis of a shape is meant is structure, whatever its length is used for
            if op_type in SHAPE_SOURCES:
                result = 0
            elif op_type in SHAPE_ARITHMETIC:
                result = 0
                for value in node.outputs:
                    if value != EMPTY:
                        result |= reaches[value]
        for slot, value in enumerate(node.inputs):
            if value == EMPTY:
                continue
            use = _SHAPES if slot in slots else result
            reaches[value] |= use
            tensor = flat.tensor.get(value)
            if tensor is None:
                continue
            if value in small and (use == _SHAPES or (use & _SHAPES and tensor.data_type in INTEGERS)):
                constants.add(value)
                structural_uses.add((node.index, slot))
            else:
                parameters.add(value)
    return TensorRoles(frozenset(constants), frozenset(parameters), frozenset(structural_uses))


def _sizes(flat: FlatModel) -> set[int]:
    """The values that are shapes: what Shape gives, and slices, casts and joins of it."""
    sizes: set[int] = set()
    for node in flat.nodes:
        operator = node.operator
        if operator.domain == DEFAULT_DOMAIN and (
            operator.op_type == "Shape"
            or (operator.op_type in SHAPE_PRESERVING and sizes.intersection(node.inputs[:1]))
        ):
            sizes.update(value for value in node.outputs if value != EMPTY)
    return sizes


def constant_value(tensor: TensorProto) -> TensorProto | None:
    """The constant with its values in raw_data and nothing else but type and shape; None if the file lacks them."""
    if tensor.data_type == TensorProto.STRING or tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        array = onnx.numpy_helper.to_array(tensor)
        return onnx.numpy_helper.from_array(array)
    except (ValueError, TypeError, KeyError):
        return None


def clear_values(model: ModelProto, name: str = "the model") -> None:
    """Take every tensor's values out of a model, in place, save those that the skeleton keeps.

    Training information, and local functions that nothing calls, are taken out whole.

    Raises:
        InvalidModelError: the model is not sound, see `flatten`.
    """
    del model.training_info[:]
    flat = flatten(model, name)
    kept = tensor_roles(flat).constants
    # A function may be called more than once: its Constant is several values, and stays if one of them is kept.
    kept_nodes = {id(flat.constant_node[value]) for value in kept if value in flat.constant_node}
    for value, tensor in flat.tensor.items():
        node = flat.constant_node.get(value)
        if node is None and value not in kept:
            _clear(tensor)
        elif node is not None and id(node) not in kept_nodes:
            _clear_constant(node, tensor)
    for position in reversed(range(len(model.functions))):
        function = model.functions[position]
        if (normal_domain(function.domain), function.name, function.overload) not in flat.called:
            del model.functions[position]
    _clear_attributes(model.graph.node)
    _clear_sparse(model.graph)
    for function in model.functions:
        _clear_attributes(function.node)


def _clear(tensor: TensorProto) -> None:
    for field in _PAYLOAD_FIELDS:
        tensor.ClearField(field)


def _clear_constant(node: NodeProto, tensor: TensorProto) -> None:
    """Leave a Constant its element type and shape, whatever form its value had."""
    bare = TensorProto(data_type=tensor.data_type, dims=tensor.dims)
    del node.attribute[:]
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=bare))


def _clear_sparse(graph: GraphProto) -> None:
    for sparse in graph.sparse_initializer:
        _clear(sparse.values)
        _clear(sparse.indices)


def _clear_attributes(nodes: Iterable[NodeProto]) -> None:
    """Clear the tensor attributes of every node but Constant, in bodies too."""
    for node in nodes:
        for attribute in node.attribute:
            kind = attribute_type(attribute)
            if kind in ("GRAPH", "GRAPHS"):
                for graph in [attribute.g] if kind == "GRAPH" else attribute.graphs:
                    _clear_attributes(graph.node)
                    _clear_sparse(graph)
            elif node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                continue
            elif kind == "TENSOR" and (node.op_type != "ConstantOfShape" or single_element(attribute.t) is None):
                _clear(attribute.t)
            elif kind == "TENSORS":
                for tensor in attribute.tensors:
                    _clear(tensor)
            elif kind == "SPARSE_TENSOR":
                _clear(attribute.sparse_tensor.values)
                _clear(attribute.sparse_tensor.indices)
