"""Whether a generated architecture is sound: V1, its slots; V2, what fills them, and the element types along its edges.

In go a `SlottedGraph` and the rules of its operators; out comes None, or what is wrong, in words.
"""

from __future__ import annotations

from collections.abc import Sequence

from younger_hf.tasks.generation.operator_rules import OperatorRules
from younger_hf.tasks.generation.slotted import ABSENT, UNKNOWN, SlottedGraph


def fault_of_slots(graph: SlottedGraph, rules: Sequence[OperatorRules]) -> str | None:
    """V1: acyclic, slots within the schema, one producer a slot, one connected component; None where that holds.

    A `SlottedGraph` can say nothing else than one producer a slot. Of what feeds slots by control flow there is nothing
    to check, since a body's results are slots that no schema knows.

    Args:
        graph: what is judged.
        rules: of the operators, by vocabulary id.
    """
    first, source, output = graph.first.tolist(), graph.source.tolist(), graph.output.tolist()
    operator = graph.operator.tolist()
    leader = list(range(graph.num_nodes))
    for node, kind in enumerate(operator):
        of_node = rules[kind]
        if first[node + 1] - first[node] > of_node.most_inputs:
            return f"node {node} has {first[node + 1] - first[node]} inputs, and its operator {of_node.most_inputs}"
        for at in range(first[node], first[node + 1]):
            if source[at] >= node:
                return f"node {node} is fed by node {source[at]}, which does not stand before it"
            if source[at] >= 0:
                most = rules[operator[source[at]]].most_outputs
                if output[at] >= most:
                    return f"output {output[at]} of node {source[at]} is used, and its operator has {most}"
                _join(leader, node, source[at])
    if len({_find(leader, node) for node in range(graph.num_nodes)}) > 1:
        return "it is in more than one piece"
    return None


def fault_of_types(graph: SlottedGraph, rules: Sequence[OperatorRules]) -> str | None:
    """V2: required inputs are filled, and element types unify; None where that holds.

    Every type variable of every node stands for a set of element types, and an edge makes one of two. Parameters and
    graph inputs take whatever type is asked for.

    Args:
        graph: one that passes V1.
        rules: of the operators, by vocabulary id.
    """
    first, source, output = graph.first.tolist(), graph.source.tolist(), graph.output.tolist()
    operator = graph.operator.tolist()
    names: dict[tuple[int, str], int] = {}
    leader: list[int] = []
    allowed: list[frozenset[str]] = []

    def variable(node: int, name: str) -> int:
        number = names.setdefault((node, name), len(leader))
        if number == len(leader):
            leader.append(number)
            allowed.append(rules[operator[node]].types[name])
        return number

    for node, kind in enumerate(operator):
        of_node = rules[kind]
        slots = range(first[node], first[node + 1])
        if len(slots) < of_node.least_inputs:
            return f"node {node} has {len(slots)} inputs, and its operator needs {of_node.least_inputs}"
        for slot, at in enumerate(slots):
            if source[at] == ABSENT and of_node.is_required(slot):
                return f"input {slot} of node {node} is required, and empty"
            if source[at] < 0:
                continue
            name = of_node.input_type(slot)
            made = rules[operator[source[at]]].output_type(output[at])
            if name is None or made is None:
                continue
            one, other = (_find(leader, each) for each in (variable(node, name), variable(source[at], made)))
            common = allowed[one] & allowed[other]
            if not common:
                return f"input {slot} of node {node} cannot have the element type that node {source[at]} makes"
            leader[one] = other
            allowed[other] = common
    return None


def knows_slots(graph: SlottedGraph) -> bool:
    """Whether it says of every slot what is in it; a release without the columns for that does not."""
    return not (graph.source == UNKNOWN).any()


def _find(leader: list[int], number: int) -> int:
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number


def _join(leader: list[int], one: int, other: int) -> None:
    leader[_find(leader, one)] = _find(leader, other)
