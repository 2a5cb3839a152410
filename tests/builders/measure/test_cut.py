"""Subgraphs: the same key exactly where they are isomorphic, boundary to boundary; each of them kept once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
from hypothesis import given
from support.isomorphism import shuffled
from support.strategies import operator_graphs

from builders.assemble.subgraphs.store import SubgraphStore
from builders.measure.cut import Subgraphs, find_subgraphs
from younger_hf.graph import Operator, OperatorGraph, make_graph
from younger_hf.identity import canonicalize, fingerprint
from younger_hf.work import Work

RELU, ADD = Operator("", "Relu"), Operator("", "Add")


def chain(*operators: Operator) -> OperatorGraph:
    return make_graph(operators, [(node, node + 1, 0, 0) for node in range(len(operators) - 1)])


def as_graph(found: Subgraphs, part: int) -> OperatorGraph:
    nodes = slice(*found.node_starts[part : part + 2])
    edges = slice(*found.edge_starts[part : part + 2])
    operators = tuple(found.operators[number] for number in found.node[nodes])
    return OperatorGraph(operators, found.edge_index[:, edges], found.edge_slot[:, edges], found.scope[nodes])


def marked(found: Subgraphs, part: int) -> OperatorGraph:
    """A subgraph in which every node of the boundary has an attribute that says so."""
    graph = as_graph(found, part)
    boundary = found.boundary[slice(*found.node_starts[part : part + 2])]
    operators = tuple(
        Operator(o.domain, o.op_type, '{"boundary":' + o.attributes + "}") if flag else o
        for o, flag in zip(graph.operator, boundary.tolist(), strict=True)
    )
    return OperatorGraph(operators, graph.edge_index, graph.edge_slot, graph.scope)


@given(operator_graphs(min_nodes=4))
def test_keys_are_equal_exactly_where_subgraphs_and_boundaries_are_isomorphic(graph: OperatorGraph) -> None:
    found = find_subgraphs(canonicalize(graph).graph)
    by_key = {key: fingerprint(marked(found, part)) for part, key in enumerate(found.keys)}
    assert [by_key[key] for key in found.keys] == [fingerprint(marked(found, part)) for part in range(len(found.keys))]
    assert len(set(by_key.values())) == len(by_key)


@given(operator_graphs(min_nodes=4))
def test_subgraphs_do_not_depend_on_the_order_of_nodes(graph: OperatorGraph) -> None:
    once, again = (find_subgraphs(canonicalize(one).graph) for one in (graph, shuffled(graph, 7)))
    assert once.keys == again.keys
    for name in ("node", "boundary", "scope", "edge_index", "edge_slot"):
        assert np.array_equal(getattr(once, name), getattr(again, name))


def test_a_boundary_at_the_other_end_is_another_subgraph() -> None:
    found = find_subgraphs(chain(*[RELU] * 4))
    assert [as_graph(found, part).num_nodes for part in range(2)] == [3, 3]
    assert fingerprint(as_graph(found, 0)) == fingerprint(as_graph(found, 1))
    assert found.keys[0] != found.keys[1]


def test_without_attributes_only_types_tell_subgraphs_apart() -> None:
    graph = chain(*[Operator("", "Elu", f'{{"alpha":{number}.0}}') for number in range(9)])
    with_attributes, without = find_subgraphs(graph), find_subgraphs(graph.without_attributes(), attributes=False)
    assert len(set(with_attributes.keys)) == 3
    assert len(set(without.keys)) == 3
    assert set(without.keys) == set(find_subgraphs(graph, attributes=False).keys)
    assert not set(without.keys) & set(with_attributes.keys)


def test_past_the_budget_which_all_subgraphs_share_a_key_is_the_subgraphs_own() -> None:
    # Two halves, each of two values that are added both ways round, so that there is something to search.
    def crossed(first: int) -> list[tuple[int, int, int, int]]:
        root, one, two, left, right = range(first, first + 5)
        ways = [(one, left, 0, 0), (two, left, 0, 1), (two, right, 0, 0), (one, right, 0, 1)]
        return [(root, one, 0, 0), (root, two, 0, 0), *ways]

    operators = [RELU, RELU, RELU, ADD, ADD]
    halves = make_graph(operators * 2, [*crossed(0), *crossed(5), (0, 5, 0, 0)])
    other = make_graph([*operators, RELU, RELU], [*crossed(0), (0, 5, 0, 0), (5, 6, 0, 0)])
    surely, hardly = find_subgraphs(halves), find_subgraphs(halves, work=Work(0))
    assert surely.exact == [True, True]
    assert hardly.exact == [False, False]
    assert all(len(key) == 32 for key in surely.keys)
    assert all(len(key) > 32 for key in hardly.keys)
    assert hardly.keys == find_subgraphs(halves, work=Work(0)).keys
    assert not set(hardly.keys) & set(find_subgraphs(other, work=Work(0)).keys)
    whole = Work(1 << 20)
    find_subgraphs(halves, work=whole)
    assert find_subgraphs(halves, work=Work(whole.spent)).exact == [True, True]
    assert find_subgraphs(halves, work=Work(whole.spent - 1)).exact == [True, False]


def test_a_store_keeps_each_subgraph_once_and_knows_where_it_occurs(tmp_path: Path) -> None:
    first, second = chain(*[RELU] * 6), chain(*[RELU] * 6, ADD, ADD, ADD)
    with closing(SubgraphStore(tmp_path / "subgraphs")) as store:
        everything = [find_subgraphs(graph) for graph in (first, second, first)]
        for number, found in enumerate(everything):
            ids = np.array([{"Relu": 5, "Add": 7}[operator.op_type] for operator in found.operators], dtype=np.int32)
            store.add(number, found, ids)
        assert store.num_found == sum(len(found.keys) for found in everything)
        keys = list(store.keys())
        assert keys == list(dict.fromkeys(key for found in everything for key in found.keys))
        assert sorted(range(len(keys)), key=store.ranks().tolist().__getitem__) == sorted(
            range(len(keys)), key=keys.__getitem__
        )
        occurrences, kinds = store.occurrences(), [set[int]() for _ in keys]
        for number, key in enumerate(keys):
            graphs = occurrences.things[occurrences.rows == number]
            assert graphs.tolist() == [i for i, found in enumerate(everything) if key in found.keys]
            found = next(found for found in everything if key in found.keys)
            part, kept = found.keys.index(key), store[number]
            graph = as_graph(found, part)
            assert kept.node.tolist() == [{"Relu": 5, "Add": 7}[operator.op_type] for operator in graph.operator]
            assert np.array_equal(kept.edge_index, graph.edge_index)
            assert np.array_equal(kept.edge_slot, graph.edge_slot)
            assert np.array_equal(kept.scope, graph.scope)
            flags = found.boundary[slice(*found.node_starts[part : part + 2])]
            assert kept.boundary.tolist() == np.flatnonzero(flags).tolist()
            kinds[number] = set(kept.node.tolist())
            assert (kept.key, kept.exact) == (key, True)
            assert (store.num_nodes[number], store.num_edges[number]) == (graph.num_nodes, graph.num_edges)
        first_alone = np.arange(len(keys)) == 0
        assert store.operators.lack(first_alone).tolist() == [not own <= kinds[0] for own in kinds]


def test_an_empty_store_has_no_occurrences(tmp_path: Path) -> None:
    with closing(SubgraphStore(tmp_path / "subgraphs")) as store:
        store.add(0, find_subgraphs(chain(RELU, RELU)), np.array([2], dtype=np.int32))
        assert (len(store), len(store.occurrences().rows)) == (0, 0)
