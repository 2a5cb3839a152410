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

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from math import prod
from typing import Final, NamedTuple, Protocol

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
_RESULTS: Final = -1
# What `Reading.sizes` says.
_MAKES: Final = 1
_HANDS_ON: Final = 2
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


class ValuesOfNodes(Protocol):
    """The values that are fed to each node, or that it makes, by its position."""

    def __getitem__(self, node: int, /) -> Sequence[int]: ...


class Reading(NamedTuple):
    """How an operator reads its inputs.

    Attributes:
        slots: those that take shapes, axes, counts or positions.
        result: what a value reaches that is fed to any other; `_RESULTS` where that is what the results reach.
        sizes: whether it makes shapes of data, or hands on what its first input holds.
        is_gather: which axis of a shape is meant is structure, whatever its length is used for.
    """

    slots: frozenset[int]
    result: int
    sizes: int
    is_gather: bool


_AS_DATA: Final = Reading(_NO_SLOTS, _DATA, 0, False)


@lru_cache(1 << 12)
def reading(domain: str, op_type: str, opset: int) -> Reading:
    """How an operator reads its inputs."""
    if domain != DEFAULT_DOMAIN:
        return _AS_DATA
    result = 0 if op_type in SHAPE_SOURCES else _RESULTS if op_type in SHAPE_ARITHMETIC else _DATA
    sizes = _MAKES if op_type == "Shape" else _HANDS_ON if op_type in SHAPE_PRESERVING else 0
    return Reading(shape_inputs(op_type, opset), result, sizes, op_type == "Gather")


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
    nodes, tensors = flat.nodes, flat.tensor
    given = [value for body in (flat.main, *(body for node in nodes for body in node.bodies)) for value in body.outputs]
    constants, parameters, structural_uses = read_uses(
        [reading(node.domain, node.op_type, node.opset) for node in nodes],
        [node.inputs for node in nodes],
        [node.outputs for node in nodes],
        given,
        len(flat.kind),
        tensors,
        lambda value: _is_small(tensors[value]),
        lambda value: tensors[value].data_type in INTEGERS,
    )
    withheld = _withheld(flat, constants, parameters)
    return TensorRoles(frozenset(constants), withheld, frozenset(parameters), frozenset(structural_uses))


def read_uses(
    readings: Sequence[Reading],
    inputs: ValuesOfNodes,
    outputs: ValuesOfNodes,
    given: Iterable[int],
    num_values: int,
    tensors: Container[int],
    is_small: Callable[[int], bool],
    is_integer: Callable[[int], bool],
) -> tuple[set[int], set[int], set[tuple[int, int]]]:
    """What tensors are used as.

    Args:
        readings: of each node, in topological order.
        inputs: the values that are fed to each; EMPTY for none.
        outputs: the values that each makes; EMPTY for none.
        given: the values that graphs and bodies give.
        num_values: values are numbers below it.
        tensors: the values that are tensors.
        is_small: whether one of these has at most one axis and 64 elements.
        is_integer: whether its elements are integers.

    Returns:
        Constants, parameters and structural uses, as in `TensorRoles`.
    """
    reaches = bytearray(num_values + 1)  # the last is that of EMPTY, which nothing reads
    parameters: set[int] = set()
    constants: set[int] = set()
    structural_uses: set[tuple[int, int]] = set()
    for value in given:
        reaches[value] |= _DATA
        if value in tensors:
            parameters.add(value)
    sizes = _sizes(readings, inputs, outputs)
    for index in range(len(readings) - 1, -1, -1):
        slots, result, _, is_gather = readings[index]
        if is_gather and sizes.intersection(inputs[index][:1]):
            slots = _INDEX_SLOT
        if result == _RESULTS:
            result = 0
            for value in outputs[index]:
                if value != EMPTY:
                    result |= reaches[value]
        if not slots and result == _DATA:  # as most nodes are
            for value in inputs[index]:
                reaches[value] |= _DATA
                if value in tensors:
                    parameters.add(value)
            continue
        for slot, value in enumerate(inputs[index]):
            if value == EMPTY:
                continue
            use = _SHAPES if slot in slots else result
            reaches[value] |= use
            if value not in tensors:
                continue
            if (use == _SHAPES or (use & _SHAPES and is_integer(value))) and is_small(value):
                constants.add(value)
                structural_uses.add((index, slot))
            else:
                parameters.add(value)
    return constants, parameters, structural_uses


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


def _sizes(readings: Sequence[Reading], inputs: ValuesOfNodes, outputs: ValuesOfNodes) -> set[int]:
    """The values that are shapes: what Shape gives, and slices, casts and joins of it."""
    found: set[int] = set()
    for index, how in enumerate(readings):
        if how.sizes and (how.sizes == _MAKES or found.intersection(inputs[index][:1])):
            found.update(value for value in outputs[index] if value != EMPTY)
    return found


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
