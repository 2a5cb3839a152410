"""The operator of every node of a `FlatModel`: attributes bound, and completed by the shapes of weights.

In goes a flat model whose values are settled; `read_operators` tells each of its nodes what it computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Final

from onnx import AttributeProto, NodeProto, ValueInfoProto

from younger_hf.extract.flat_model import EMPTY, FlatModel, FlatNode, Frame, ValueKind
from younger_hf.extract.operator_rules import SHAPE_PRESERVING, WEIGHT_INPUT
from younger_hf.extract.operators import DEFAULT_DOMAIN, canonical_operator
from younger_hf.graph import Operator

_LONGEST_KNOWN: Final = 1 << 10  # bytes of attributes, so that what is kept of models is bounded


def read_operators(flat: FlatModel) -> None:
    """Read the operator of each node."""
    shapes: _WeightShapes | None = None
    for node in flat.nodes:
        attributes = bound_attributes(node.proto, node.frame)
        described_by = WEIGHT_INPUT.get(node.op_type) if node.domain == DEFAULT_DOMAIN else None
        if described_by and all(attribute.name != described_by[0] for attribute in attributes):
            if shapes is None:
                shapes = _WeightShapes(flat)
            shape = partial(shapes.of_input, node)
            node.operator = canonical_operator(node.domain, node.op_type, node.opset, attributes, shape)
            continue
        content = [] if node.bodies else [attribute.SerializeToString() for attribute in attributes]
        if node.bodies or sum(map(len, content)) > _LONGEST_KNOWN:
            node.operator = canonical_operator(node.domain, node.op_type, node.opset, attributes, _no_shape)
        else:
            node.operator = _known_operator(node.domain, node.op_type, node.opset, *content)


def bound_attributes(node: NodeProto, frame: Frame) -> Sequence[AttributeProto]:
    """A node's attributes, references to those of the function call replaced; a reference to nothing is left out."""
    bound = frame.bound
    if bound is None:
        return node.attribute
    result = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            result.append(attribute)
        elif attribute.ref_attr_name in bound:
            copy = AttributeProto()
            copy.CopyFrom(bound[attribute.ref_attr_name])
            copy.name = attribute.name
            result.append(copy)
    return result


# Most nodes are like one that was seen before, in this model or in another.
@lru_cache(1 << 14)
def _known_operator(domain: str, op_type: str, opset: int, *attributes: bytes) -> Operator:
    return canonical_operator(domain, op_type, opset, map(AttributeProto.FromString, attributes), _no_shape)


def _no_shape(_: int) -> None:
    return None


class _WeightShapes:
    """The shapes of the parameters behind values, through operators that leave shapes alone."""

    def __init__(self, flat: FlatModel) -> None:
        self.flat = flat
        self.inputs = _static_shapes(flat)
        self.known: dict[int, Sequence[int] | None] = {EMPTY: None}

    def of_input(self, node: FlatNode, slot: int) -> Sequence[int] | None:
        """The shape behind an input slot, None if it is not known."""
        flat = self.flat
        value = node.inputs[slot] if slot < len(node.inputs) else EMPTY
        passed: list[int] = []
        while value not in self.known and len(passed) <= len(flat.kind):
            passed.append(value)
            maker = flat.producer[value]
            if value in flat.source:
                value = flat.source[value]
            elif maker is not None and maker.op_type in SHAPE_PRESERVING and maker.inputs:
                value = maker.inputs[0]
            elif value in flat.tensor:
                self.known[value] = list(flat.tensor[value].dims)
            else:
                self.known[value] = None if flat.kind[value] == ValueKind.FORMAL else self.inputs.get(value)
        shape = self.known.get(value)
        self.known.update(dict.fromkeys(passed, shape))  # a long way is gone once
        return shape


def _static_shapes(flat: FlatModel) -> Mapping[int, list[int]]:
    """The shapes of the graph's inputs, where every dimension is a number."""
    found = (
        (value, _static_shape(proto)) for value, proto in zip(flat.main.inputs, flat.main.input_protos, strict=True)
    )
    return {value: shape for value, shape in found if shape is not None}


def _static_shape(proto: ValueInfoProto) -> list[int] | None:
    if not proto.type.tensor_type.HasField("shape"):
        return None
    dims = proto.type.tensor_type.shape.dim
    return [dim.dim_value for dim in dims] if all(dim.HasField("dim_value") for dim in dims) else None
