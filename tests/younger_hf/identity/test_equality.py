from __future__ import annotations

from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.isomorphism import isomorphic, shuffled
from support.strategies import OPERATORS, operator_graphs

from younger_hf.compiled import INTERPRETED, runs_compiled
from younger_hf.graph import InvalidGraphError, Operator, OperatorGraph, make_graph
from younger_hf.identity import canonicalize, fingerprint, is_isomorphic
from younger_hf.identity.batch import Batch
from younger_hf.identity.canonical import canonical_forms
from younger_hf.identity.search import order_batch
from younger_hf.work import Work

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


def branches(number: int) -> OperatorGraph:
    """A trunk with many equal branches of two nodes, which has number! automorphisms."""
    operators = [RELU] + [ADD, SUB] * number
    edges = [edge for at in range(number) for edge in ((0, 1 + 2 * at, 0, 0), (1 + 2 * at, 2 + 2 * at, 0, 1))]
    return make_graph(operators, edges)


@pytest.mark.parametrize("number", [2, 40, 2000])
def test_equal_branches_are_known_without_a_search(number: int) -> None:
    form = canonicalize(branches(number))
    assert form.exact
    assert form.num_searched == 0
    assert canonicalize(shuffled(branches(number), 1)).fingerprint == form.fingerprint


@pytest.mark.parametrize("edges", [[], [(0, 1 + leaf, 0, 0) for leaf in range(99_999)]])
def test_a_hundred_thousand_nodes_alone_or_side_by_side_are_known_without_a_search(
    edges: list[tuple[int, ...]],
) -> None:
    form = canonicalize(make_graph([RELU] + [SUB] * 99_999, edges))
    assert form.exact
    assert form.num_searched == 0


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


def joined(graph: nx.Graph) -> OperatorGraph:
    return strongly_regular_like([(int(a), int(b)) for a, b in graph.edges()], len(graph))


def test_one_of_many_equal_parts_is_searched() -> None:
    petersen = nx.petersen_graph()
    alone = canonicalize(joined(petersen))
    many = canonicalize(joined(nx.disjoint_union_all([petersen] * 50)))
    assert alone.exact
    assert many.exact
    assert 0 < many.num_searched == alone.num_searched


def test_a_random_regular_graph_on_200_nodes_is_exact() -> None:
    graph = joined(nx.random_regular_graph(3, 200, seed=7))
    form = canonicalize(graph)
    assert form.exact
    assert canonicalize(shuffled(graph, 1)).fingerprint == form.fingerprint


@pytest.mark.parametrize("graph", [nx.complete_graph(12), nx.hypercube_graph(5), nx.cycle_graph(60)])
def test_of_what_is_symmetric_little_is_searched(graph: nx.Graph) -> None:
    graph = joined(nx.convert_node_labels_to_integers(graph))
    form = canonicalize(graph)
    assert form.exact
    assert form.num_searched <= 12 * 12
    assert canonicalize(shuffled(graph, 1)).fingerprint == form.fingerprint


def cai_furer_immerman(vertices: int, *, twisted: bool) -> OperatorGraph:
    """Of a random cubic graph, with or without a twist, which no refinement of colours sees.

    Cai, Fürer and Immerman, "An optimal lower bound on the number of variables for graph identification",
    Combinatorica 12, 1992, section 6: an edge is two pairs of nodes; a vertex is four nodes, each joined to one node of
    the pair at every edge, an even number of times to the second, or odd for the vertex with the twist.
    """
    base = nx.random_regular_graph(3, vertices, seed=3)
    gadget = nx.Graph()
    for vertex in base:
        ends = sorted(tuple(sorted(edge)) for edge in base.edges(vertex))
        for bits in product((0, 1), repeat=3):
            if sum(bits) % 2 == (twisted and vertex == 0):
                gadget.add_edges_from(((vertex, bits), (vertex, end, bit)) for end, bit in zip(ends, bits, strict=True))
    for a, b in base.edges():
        end = tuple(sorted((a, b)))
        gadget.add_edges_from(((a, end, bit), (b, end, bit)) for bit in (0, 1))
    return joined(nx.convert_node_labels_to_integers(gadget))


def test_graphs_that_are_made_to_be_hard_are_told_apart() -> None:
    plain, twisted = (cai_furer_immerman(10, twisted=twist) for twist in (False, True))
    assert canonicalize(plain, budget=0).fingerprint == canonicalize(twisted, budget=0).fingerprint
    assert is_isomorphic(plain, twisted) is False
    assert is_isomorphic(plain, shuffled(plain, 1)) is True


@pytest.mark.parametrize("vertices", [20, 40])
def test_what_is_too_hard_ends_with_its_budget_and_is_not_exact(vertices: int) -> None:
    work = Work(1 << 22)
    assert not canonicalize(cai_furer_immerman(vertices, twisted=True), budget=work).exact
    assert work.left == 0


def test_colours_that_take_too_many_rounds_end_with_the_budget() -> None:
    path = joined(nx.path_graph(300))
    work = Work(20 * (path.num_nodes + path.num_edges))
    form = canonicalize(path, budget=work)
    assert not form.exact
    assert work.left == 0
    assert canonicalize(shuffled(path, 1), budget=Work(work.limit)).fingerprint == form.fingerprint
    assert canonicalize(path).exact


def test_the_graphs_of_a_batch_share_what_work_there_is() -> None:
    assert runs_compiled(INTERPRETED + 1)
    graph = joined(nx.path_graph(60))
    batch, size = Batch.of([graph] * 50), graph.num_nodes + graph.num_edges
    arrays = batch.digests, batch.scope, batch.edge_index, batch.edge_slot, batch.node_ends, batch.edge_ends
    alone = order_batch(*arrays, 8 * size, False)[3]
    assert alone.min() == alone.max() >= 2 * size
    assert order_batch(*arrays, 8 * size, True)[3].sum() <= (8 + 2 * 50) * size < alone.sum() / 2
    work = Work(8 * size)
    assert not all(canonical_forms(batch, work).exact)
    assert work.left == 0


def test_what_a_body_holds_tells_its_owners_apart() -> None:
    """The owners of nodes that feed nothing are as different as these nodes."""
    loop = Operator("", "Loop", '{"body":"graph"}')
    operators = [RELU, SUB, RELU, SUB, loop, loop]
    one = make_graph(operators, [], scope=[4, 4, 5, 5, -1, -1])
    other = make_graph([RELU, RELU, SUB, SUB, loop, loop], [], scope=[4, 4, 5, 5, -1, -1])
    assert fingerprint(one) != fingerprint(other)
    assert canonicalize(other).num_searched == 0


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
