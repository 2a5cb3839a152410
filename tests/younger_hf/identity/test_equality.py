from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.isomorphism import isomorphic, shuffled
from support.strategies import OPERATORS, operator_graphs

from younger_hf.graph import InvalidGraphError, Operator, OperatorGraph, make_graph
from younger_hf.identity import canonicalize, fingerprint, is_isomorphic

RELU, ADD, SUB, MUL, SPLIT = (Operator("", name) for name in ("Relu", "Add", "Sub", "Mul", "Split"))
FRESH = Operator("", "Identity")


def rewired(graph: OperatorGraph, edge_index: np.ndarray, edge_slot: np.ndarray) -> OperatorGraph:
    return OperatorGraph(graph.operator, edge_index, edge_slot, graph.scope)


@given(operator_graphs(), st.integers(0, 2**32))
def test_the_order_of_nodes_never_changes_the_fingerprint(graph: OperatorGraph, seed: int) -> None:
    other = shuffled(graph, seed)
    for attributes in (True, False):
        assert fingerprint(other, attributes) == fingerprint(graph, attributes)
        assert canonicalize(other, attributes).exact
    assert canonicalize(other).graph == canonicalize(graph).graph
    assert is_isomorphic(graph, other)


@given(operator_graphs(min_nodes=1), st.data())
def test_changing_one_operator_always_changes_the_fingerprint(graph: OperatorGraph, data: st.DataObject) -> None:
    node = data.draw(st.integers(0, graph.num_nodes - 1))
    operators = [*graph.operator[:node], FRESH, *graph.operator[node + 1 :]]
    changed = OperatorGraph(tuple(operators), graph.edge_index, graph.edge_slot, graph.scope)
    assert fingerprint(changed) != fingerprint(graph)
    assert fingerprint(changed, attributes=False) != fingerprint(graph, attributes=False)


@given(operator_graphs(min_nodes=1), st.data())
def test_changing_one_attribute_changes_the_fingerprint_and_not_the_type_fingerprint(
    graph: OperatorGraph, data: st.DataObject
) -> None:
    node = data.draw(st.integers(0, graph.num_nodes - 1))
    old = graph.operator[node]
    new = Operator(old.domain, old.op_type, '{"changed":1}')
    changed = OperatorGraph(
        (*graph.operator[:node], new, *graph.operator[node + 1 :]), graph.edge_index, graph.edge_slot, graph.scope
    )
    assert fingerprint(changed) != fingerprint(graph)
    assert fingerprint(changed, attributes=False) == fingerprint(graph, attributes=False)


@given(operator_graphs(min_nodes=2).filter(lambda graph: graph.num_edges), st.data())
def test_changing_one_slot_or_dropping_one_edge_always_changes_the_fingerprint(
    graph: OperatorGraph, data: st.DataObject
) -> None:
    edge = data.draw(st.integers(0, graph.num_edges - 1))
    for row in (0, 1):
        slots = graph.edge_slot.copy()
        slots[row, edge] = 9
        assert fingerprint(rewired(graph, graph.edge_index, slots)) != fingerprint(graph)
    kept = np.arange(graph.num_edges) != edge
    assert fingerprint(rewired(graph, graph.edge_index[:, kept], graph.edge_slot[:, kept])) != fingerprint(graph)


@given(operator_graphs(min_nodes=3).filter(lambda graph: graph.num_edges), st.data())
def test_moving_one_edge_changes_the_fingerprint_unless_the_graphs_are_isomorphic(
    graph: OperatorGraph, data: st.DataObject
) -> None:
    edge = data.draw(st.integers(0, graph.num_edges - 1))
    ends = graph.edge_index.copy()
    ends[0, edge] = data.draw(st.integers(0, int(ends[1, edge]) - 1))
    moved = rewired(graph, ends, graph.edge_slot)
    assert (fingerprint(moved) == fingerprint(graph)) == isomorphic(moved, graph)


@st.composite
def symmetric_graphs(draw: st.DrawFn) -> OperatorGraph:
    """Small graphs of one or two operators, in which many nodes look alike."""
    nodes = draw(st.integers(4, 8))
    operators = draw(st.lists(st.sampled_from(OPERATORS[:2]), min_size=nodes, max_size=nodes))
    half = nodes // 2
    edges = []
    for consumer in range(half, nodes):
        slots = range(draw(st.integers(0, 2)))
        edges += [(draw(st.integers(0, half - 1)), consumer, 0, slot) for slot in slots]
    return make_graph(operators, edges)


@settings(max_examples=400)
@given(symmetric_graphs(), symmetric_graphs())
def test_fingerprints_are_equal_exactly_when_networkx_finds_an_isomorphism(a: OperatorGraph, b: OperatorGraph) -> None:
    assert (fingerprint(a) == fingerprint(b)) == isomorphic(a, b)
    assert is_isomorphic(a, b) == isomorphic(a, b)


def test_the_order_of_operands_counts() -> None:
    forward = make_graph([RELU, SPLIT, SUB], [(0, 2, 0, 0), (1, 2, 0, 1)])
    backward = make_graph([RELU, SPLIT, SUB], [(0, 2, 0, 1), (1, 2, 0, 0)])
    assert fingerprint(forward) != fingerprint(backward)


def test_using_one_value_twice_differs_from_using_it_once() -> None:
    twice = make_graph([RELU, MUL], [(0, 1, 0, 0), (0, 1, 0, 1)])
    once = make_graph([RELU, MUL], [(0, 1, 0, 0)])
    assert twice.num_edges == 2
    assert fingerprint(twice) != fingerprint(once)


def test_two_sums_of_one_value_differ_from_two_sums_of_two() -> None:
    alone = make_graph([RELU, RELU, ADD, ADD], [(0, 2, 0, 0), (0, 2, 0, 1), (1, 3, 0, 0), (1, 3, 0, 1)])
    mixed = make_graph([RELU, RELU, ADD, ADD], [(0, 2, 0, 0), (1, 2, 0, 1), (0, 3, 0, 0), (1, 3, 0, 1)])
    assert fingerprint(alone) != fingerprint(mixed)
    assert is_isomorphic(alone, mixed) is False


@pytest.mark.parametrize("heads", [2, 40, 150])
def test_identical_heads_are_searched_within_the_budget(heads: int) -> None:
    """A trunk with many equal branches has heads! automorphisms; the search must not walk through them."""
    operators = [RELU] + [ADD, SUB] * heads
    edges = [edge for head in range(heads) for edge in ((0, 1 + 2 * head, 0, 0), (1 + 2 * head, 2 + 2 * head, 0, 1))]
    graph = make_graph(operators, edges)
    form = canonicalize(graph)
    assert form.exact
    assert form.num_searched > 0
    assert canonicalize(shuffled(graph, 1)).fingerprint == form.fingerprint
    assert 0 < form.num_searched <= heads * (heads + 1)


def test_a_thousand_equal_outputs_of_one_node_need_one_colouring() -> None:
    graph = make_graph([RELU] + [SUB] * 1000, [(0, 1 + leaf, 0, 0) for leaf in range(1000)])
    form = canonicalize(graph)
    assert form.exact
    assert form.num_searched == 1


def strongly_regular_like(pairs: list[tuple[int, int]], sources: int) -> OperatorGraph:
    """Sources joined two by two by Adds whose operands come from either side, so that colours see no difference."""
    operators = [RELU] * sources + [SPLIT] * (2 * len(pairs))
    edges = []
    for at, (a, b) in enumerate(pairs):
        for turn, (first, second) in enumerate(((a, b), (b, a))):
            node = sources + 2 * at + turn
            edges += [(first, node, 0, 0), (second, node, 0, 1)]
    return make_graph(operators, edges)


TWO_TRIANGLES = strongly_regular_like([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)], 6)
ONE_HEXAGON = strongly_regular_like([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)], 6)


def test_two_triangles_and_a_hexagon_have_equal_colours_and_different_fingerprints() -> None:
    assert fingerprint(TWO_TRIANGLES) != fingerprint(ONE_HEXAGON)
    assert canonicalize(TWO_TRIANGLES, budget=0).fingerprint == canonicalize(ONE_HEXAGON, budget=0).fingerprint


def test_past_the_budget_nothing_is_merged_on_a_guess() -> None:
    other = make_graph([RELU], [])
    assert not canonicalize(TWO_TRIANGLES, budget=0).exact
    assert is_isomorphic(TWO_TRIANGLES, ONE_HEXAGON, budget=0) is None
    assert is_isomorphic(TWO_TRIANGLES, other, budget=0) is False


def test_an_empty_graph_has_a_fingerprint() -> None:
    assert len(fingerprint(make_graph([], []))) == 32


def test_two_data_flows_into_one_slot_are_refused() -> None:
    with pytest.raises(InvalidGraphError, match="two data flows go into one input slot"):
        fingerprint(make_graph([RELU, RELU, ADD], [(0, 2, 0, 0), (1, 2, 0, 0)]))


def test_a_node_in_a_body_differs_from_one_outside() -> None:
    loop = Operator("", "Loop", '{"body":"graph"}')
    inside = make_graph([RELU, loop], [(0, 1, 0, 2)], scope=[1, -1])
    outside = make_graph([RELU, loop], [(0, 1, 0, 2)])
    assert fingerprint(inside) != fingerprint(outside)
