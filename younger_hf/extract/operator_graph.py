"""From a `FlatModel` to an `OperatorGraph`, and to the annotated graph that a skeleton's identity is read off.

DESIGN section 3, rule 2, says what an edge is: from the node that makes a value to each input slot that uses it,
through the formal inputs of bodies; and from a body's results to its owner, at slots after the owner's own inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from onnx import TensorProto

from younger_hf.extract.attribute_values import Json, canonical_json, element_name
from younger_hf.extract.constants import TensorRoles, constant_value, tensor_roles
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import EMPTY, FlatModel, FlatNode
from younger_hf.graph import GraphMetadata, IntArray, Operator, OperatorGraph, Unfed

_MAX_PARAMETERS = 2**63 - 1


def operator_graph(flat: FlatModel) -> OperatorGraph:
    """The model's operators and data flows, nodes in topological order.

    Raises:
        InvalidModelError: a parameter's shape is absurd.
    """
    return _graph(flat, tuple(node.operator for node in flat.nodes), tensor_roles(flat))


def annotated_graph(flat: FlatModel) -> OperatorGraph:
    """The same graph, each operator's attributes followed by what feeds the input slots that no node feeds.

    Such a slot is fed by a graph input, a parameter (element type and shape) or a kept constant (with values). The
    fingerprint of this graph is the skeleton's.
    """
    roles = tensor_roles(flat)
    operators = []
    for node in flat.nodes:
        unfed = [
            [slot, _describe(flat, value, roles, (node.index, slot) in roles.structural_uses)]
            for slot, value in _unfed(flat, node)
        ]
        operator = node.operator
        attributes = operator.attributes + (canonical_json(unfed) if unfed else "")
        operators.append(Operator(operator.domain, operator.op_type, attributes))
    return _graph(flat, tuple(operators), roles)


def unfed_slots(flat: FlatModel) -> Iterator[tuple[FlatNode, int, int]]:
    """The input slots that no node feeds: the node, the slot, and the value behind it, EMPTY where there is none."""
    for node in flat.nodes:
        for slot, value in enumerate(node.inputs):
            if value == EMPTY:
                yield node, slot, EMPTY
        for slot, value in _unfed(flat, node):
            yield node, slot, value


def unfed_kinds(flat: FlatModel) -> IntArray:
    """What is in the input slots that no node feeds.

    Returns:
        int64 [3, U]: node, input slot and `Unfed`, by node, then by slot.
    """
    table = [(node.index, slot, _kind(flat, value)) for node, slot, value in unfed_slots(flat)]
    slots: IntArray = np.array(sorted(table), dtype=np.int64).reshape(-1, 3).T
    return slots


def _kind(flat: FlatModel, value: int) -> Unfed:
    if value == EMPTY:
        return Unfed.ABSENT
    return Unfed.PARAMETER if value in flat.tensor else Unfed.INPUT


def _unfed(flat: FlatModel, node: FlatNode) -> Iterator[tuple[int, int]]:
    """The slots of a node that are fed, and not by a node."""
    for slot, value in _slots(flat, node):
        if value == EMPTY or flat.producer[value] is None:
            yield slot, value


def open_slots(flat: FlatModel) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Where a model is open: the input slots that graph inputs feed, and the output slots that are graph outputs.

    Returns:
        (node, input slot, graph input) of each slot that one feeds, graph inputs numbered in any way; and (node, output
        slot) of each graph output.
    """
    fed = [
        (node.index, slot, value)
        for node in flat.nodes
        for slot, value in _slots(flat, node)
        if value != EMPTY and flat.producer[value] is None and value not in flat.tensor
    ]
    outputs = dict.fromkeys(value for value in flat.main.outputs if value != EMPTY)
    given = [(node.index, flat.slot[value]) for value in outputs if (node := flat.producer[value]) is not None]
    return fed, given


def _graph(flat: FlatModel, operators: tuple[Operator, ...], roles: TensorRoles) -> OperatorGraph:
    edges: list[int] = []
    scope = np.full(len(operators), -1, dtype=np.int64)
    producer, output_slot = flat.producer, flat.slot
    for index, node in enumerate(flat.nodes):
        for slot, value in _slots(flat, node) if node.bodies or flat.source else enumerate(node.inputs):
            if value != EMPTY and (made_by := producer[value]) is not None:
                edges += (made_by.index, index, output_slot[value], slot)
        for body in node.bodies:
            for inner in body.nodes:
                scope[inner.index] = index
    table = np.array(edges, dtype=np.int64).reshape(-1, 4).T
    return OperatorGraph(operators, table[:2], table[2:], scope, _metadata(flat, roles))


def _slots(flat: FlatModel, node: FlatNode) -> Iterator[tuple[int, int]]:
    """Each input slot that is not left out, with the value behind it: own inputs, then the bodies' outputs.

    A formal input stands for what its owner hands in, EMPTY if that is nothing. A body's output that is itself a
    formal input has no producer: it takes up its slot.
    """
    slot = 0
    for value in node.inputs:
        if value != EMPTY:
            yield slot, flat.fed_value(value)
        slot += 1
    for body in node.bodies:
        for value in body.outputs:
            yield slot, EMPTY if flat.is_formal(value) else value
            slot += 1


def _describe(flat: FlatModel, value: int, roles: TensorRoles, structural: bool) -> Json:
    tensor = flat.tensor.get(value)
    if tensor is None:
        return "input"
    description: list[Json] = [element_name(tensor.data_type), list(tensor.dims)]
    constant = constant_value(flat, value, roles) if structural else None
    return description if constant is None else [*description, constant.raw_data.hex()]


def _metadata(flat: FlatModel, roles: TensorRoles) -> GraphMetadata:
    parameters = sum(_elements(flat, flat.tensor[value]) for value in roles.parameters)
    if parameters > _MAX_PARAMETERS:
        raise InvalidModelError(flat.name, None, f"it has {parameters} parameters, more than an int64 can count")
    return GraphMetadata(
        opset_imports=tuple(sorted(flat.opsets.items())),
        ir_version=flat.ir_version,
        num_inputs=len(flat.main.inputs),
        num_outputs=len(set(flat.main.outputs)),
        num_parameters=parameters,
    )


def _elements(flat: FlatModel, tensor: TensorProto) -> int:
    dims = tensor.dims[:]
    if dims and min(dims) < 0:
        raise InvalidModelError(flat.name, None, "a parameter has a negative dimension")
    return prod(dims)
