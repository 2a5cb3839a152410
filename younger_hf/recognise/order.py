"""The operands of commutative operators in one order, whatever order a model has them in.

Each node gets a colour from what feeds it and from what it feeds, in which the order of commutative operands does not
show; operands are sorted by it. Those of one colour are exchangeable, or nearly so.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from younger_hf.extract.constants import shape_inputs
from younger_hf.graph import OperatorGraph
from younger_hf.recognise.network import Network, Node, Value

COMMUTATIVE: Final = frozenset("Add And Equal Max Mean Min Mul Or Sum Xor BitwiseAnd BitwiseOr BitwiseXor".split())

_MASK: Final = (1 << 64) - 1
_ROUNDS: Final = 2


def sort_operands(network: Network) -> None:
    """Sort the operands of commutative operators, in place: what nodes make first, then inputs, then tensors."""
    nodes = network.ordered_nodes()
    colour = {node: _start(node) for node in nodes}
    for _ in range(_ROUNDS):
        colour = _round(nodes, colour)
    for node in nodes:
        if _commutes(node):
            node.inputs.sort(key=lambda value: _rank(value, colour))


def exchangeable(graph: OperatorGraph) -> OperatorGraph:
    """The graph with one input slot for all operands of a commutative operator: their order is that of all around."""
    commutes = np.array([operator.type_label in COMMUTATIVE for operator in graph.operator], bool)
    slots = graph.edge_slot.copy()
    slots[1, commutes[graph.edge_index[1]]] = 0
    return OperatorGraph(graph.operator, graph.edge_index, slots, graph.scope, graph.metadata)


def _rank(value: Value | None, colour: dict[Node, int]) -> tuple[int, int, int]:
    if value is None:
        return 3, 0, 0
    if value.producer is not None:
        return 0, colour.get(value.producer, 0), value.slot
    return (2, len(value.shape or ()), 0) if value.is_tensor else (1, 0, 0)


def _commutes(node: Node) -> bool:
    return node.op_type in COMMUTATIVE


def _start(node: Node) -> int:
    return int.from_bytes(node.operator.digest[:8], "little")


def _mix(colour: int, value: int) -> int:
    """Append a value to what a colour stands for (SplitMix64's finaliser)."""
    mixed = (colour * 0x9E3779B97F4A7C15 + value + 0x632BE59BD9B4E019) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def _round(nodes: list[Node], colour: dict[Node, int]) -> dict[Node, int]:
    """One pass down the data flow and one back."""
    up: dict[Node, int] = {}
    flows: dict[Node, list[tuple[int, Node, int]]] = {}
    for node in nodes:
        ignored = shape_inputs(node.operator.op_type, node.opset) if not node.operator.domain else frozenset()
        commutes = _commutes(node)
        parts = []
        for slot, value in enumerate(node.inputs):
            # As for the fingerprint, a slot that no node feeds is none: an optional parameter is no difference.
            if value is None or slot in ignored or value.producer is None:
                continue
            shown = 0 if commutes else slot
            part = _mix(up.get(value.producer, colour.get(value.producer, 0)), value.slot)
            flows.setdefault(value.producer, []).append((value.slot, node, shown))
            parts.append(_mix(part, shown))
        if commutes:
            parts.sort()
        mixed = colour[node]
        for part in parts:
            mixed = _mix(mixed, part)
        up[node] = mixed
    down: dict[Node, int] = {}
    for node in reversed(nodes):
        total = 0
        for output, user, slot in flows.get(node, ()):
            total += _mix(_mix(_mix(down.get(user, colour[user]), slot), output), 7)
        down[node] = _mix(colour[node], total & _MASK)
    return {node: _mix(up[node], down[node]) for node in nodes}
