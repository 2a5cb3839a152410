"""Which constants are structure: shapes, axes, slice positions. Every other tensor is a parameter.

A use of a value is structural if it is a shape-like input of an operator, or an input of shape arithmetic whose result
is used so (DESIGN section 3, Skeleton). If that result also reaches data, the use stays structural for an integer: it
is a size or a position all the same. A floating-point constant must reach shapes alone.

A constant that has a structural use, at most one axis and 64 elements keeps its values for it. Its other uses, if it
has any, are of a parameter like all others: exporters share one `[1]` among whatever needs one, so the two are told
apart use by use. Integers keep their values even then. Floating-point values that are a parameter anywhere are kept
nowhere: their structural use has element type and shape alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Final

import onnx
from onnx import TensorProto

from younger_hf.extract.attribute_values import INTEGERS
from younger_hf.extract.flat_model import EMPTY, FlatModel
from younger_hf.extract.operator_rules import (
    MAX_ELEMENTS,
    SHAPE_ARITHMETIC,
    SHAPE_INPUTS,
    SHAPE_PRESERVING,
    SHAPE_SOURCES,
)
from younger_hf.extract.operators import DEFAULT_DOMAIN

# What a value reaches, as bits.
_SHAPES: Final = 1
_DATA: Final = 2
_NO_SLOTS: Final[frozenset[int]] = frozenset()
_INDEX_SLOT: Final = frozenset({1})


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
        withheld: those of them whose data are a parameter's too, and stay out of everything.
        parameters: values with any other use.
        structural_uses: (index of the node, input slot) of every structural use of a constant.
    """

    constants: frozenset[int]
    withheld: frozenset[int]
    parameters: frozenset[int]
    structural_uses: frozenset[tuple[int, int]]


def tensor_roles(flat: FlatModel) -> TensorRoles:
    """Tell the constants that are structure from the parameters."""
    reaches = bytearray(len(flat.kind) + 1)  # the last is that of EMPTY, which nothing reads
    parameters: set[int] = set()
    constants: set[int] = set()
    structural_uses: set[tuple[int, int]] = set()
    for body in (flat.main, *(body for node in flat.nodes for body in node.bodies)):
        for value in body.outputs:
            reaches[value] |= _DATA
            if value in flat.tensor:
                parameters.add(value)
    sizes = _sizes(flat)
    tensors = flat.tensor
    for node in reversed(flat.nodes):
        slots, result = _NO_SLOTS, _DATA
        if node.domain == DEFAULT_DOMAIN:
            op_type = node.op_type
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
        if not slots and result == _DATA:  # as most nodes are
            for value in node.inputs:
                reaches[value] |= _DATA
                if value in tensors:
                    parameters.add(value)
            continue
        for slot, value in enumerate(node.inputs):
            if value == EMPTY:
                continue
            use = _SHAPES if slot in slots else result
            reaches[value] |= use
            tensor = tensors.get(value)
            if tensor is None:
                continue
            is_structural = use == _SHAPES or (use & _SHAPES and tensor.data_type in INTEGERS)
            if is_structural and _is_small(tensor):
                constants.add(value)
                structural_uses.add((node.index, slot))
            else:
                parameters.add(value)
    withheld = _withheld(flat, constants, parameters)
    return TensorRoles(frozenset(constants), withheld, frozenset(parameters), frozenset(structural_uses))


def _withheld(flat: FlatModel, constants: set[int], parameters: set[int]) -> frozenset[int]:
    """The floating-point constants whose data are those of a parameter too."""
    floats = [value for value in constants if flat.tensor[value].data_type not in INTEGERS]
    if not floats:
        return frozenset()
    private = {_origin(flat, value) for value in parameters}
    return frozenset(value for value in floats if _origin(flat, value) in private)


def _origin(flat: FlatModel, value: int) -> int | bytes:
    """What tells where a tensor's data stand in the file: a Constant of a function is a value at each of its calls."""
    node = flat.constant_node.get(value)
    if node is None:
        return id(flat.tensor[value])
    if any(attribute.ref_attr_name for attribute in node.attribute):  # the data stand at the call, for any number
        return flat.tensor[value].SerializeToString()
    return id(node)


def _is_small(tensor: TensorProto) -> bool:
    dims = tensor.dims
    return len(dims) <= 1 and 0 <= prod(dims) <= MAX_ELEMENTS


def _sizes(flat: FlatModel) -> set[int]:
    """The values that are shapes: what Shape gives, and slices, casts and joins of it."""
    sizes: set[int] = set()
    for node in flat.nodes:
        if node.domain == DEFAULT_DOMAIN and (
            node.op_type == "Shape" or (node.op_type in SHAPE_PRESERVING and sizes.intersection(node.inputs[:1]))
        ):
            sizes.update(value for value in node.outputs if value != EMPTY)
    return sizes


def constant_value(flat: FlatModel, value: int, roles: TensorRoles) -> TensorProto | None:
    """A constant with its values in raw_data and nothing else but type and shape; None if they are not to be had."""
    tensor = flat.tensor[value]
    if (
        value in roles.withheld
        or tensor.data_type == TensorProto.STRING
        or tensor.data_location == TensorProto.EXTERNAL
    ):
        return None
    try:
        array = onnx.numpy_helper.to_array(tensor)
        return onnx.numpy_helper.from_array(array)
    except (ValueError, TypeError, KeyError):
        return None
