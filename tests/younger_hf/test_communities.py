"""Communities and their boundaries: checked by hand, against networkx, and on real graphs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import operator_graphs

from younger_hf.communities import MOST_NEIGHBOURS, CommunitySubgraphs, cut_subgraphs, find_communities
from younger_hf.extract import extract
from younger_hf.graph import IntArray, Operator, OperatorGraph, make_graph
from younger_hf.identity import canonicalize

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
RELU, ADD = Operator("", "Relu"), Operator("", "Add")
LOOP = Operator("", "Loop", '{"body":"graph"}')

# Two groups of four, all of whose pairs but one are joined; one data flow goes from the first group to the second, and
# one comes back.
FIRST, SECOND = (0, 1, 4, 5), (2, 3, 6, 7)
WITHIN_FIRST = [(0, 1), (0, 4), (1, 4), (0, 5), (4, 5)]
WITHIN_SECOND = [(2, 3), (2, 6), (3, 6), (2, 7), (6, 7)]
THERE, BACK = (1, 2), (3, 4)


def from_pairs(pairs: list[tuple[int, int]], nodes: int) -> OperatorGraph:
    """A graph in which the n-th edge into a node feeds slot n."""
    slots: Counter[int] = Counter()
    edges = []
    for producer, consumer in pairs:
        edges.append((producer, consumer, 0, slots[consumer]))
        slots[consumer] += 1
    return make_graph([RELU] * nodes, edges)


TWO_GROUPS = from_pairs([*WITHIN_FIRST, *WITHIN_SECOND, THERE, BACK], 8)


def parts(subgraphs: CommunitySubgraphs) -> list[tuple[set[int], set[int], Counter[tuple[int, int, int, int]]]]:
    """Of each sample the nodes, the boundary, and the edges with their slots, in positions of the graph."""
    found = []
    batch = subgraphs.batch
    first_node, first_edge = 0, 0
    for end_node, end_edge in zip(batch.node_ends.tolist(), batch.edge_ends.tolist(), strict=True):
        node = subgraphs.node[first_node:end_node]
        assert (np.diff(node) > 0).all()
        edges = zip(
            *node[batch.edge_index[:, first_edge:end_edge]].tolist(),
            *batch.edge_slot[:, first_edge:end_edge].tolist(),
            strict=True,
        )
        boundary = set(node[subgraphs.boundary[first_node:end_node]].tolist())
        found.append((set(node.tolist()), boundary, Counter(edges)))
        first_node, first_edge = end_node, end_edge
    return found


def modularity(graph: OperatorGraph, community: IntArray) -> float:
    sets = [set(np.flatnonzero(community == number).tolist()) for number in range(community.max() + 1)]
    return float(nx.community.modularity(undirected(graph), sets))


def undirected(graph: OperatorGraph) -> nx.Graph:
    result = nx.Graph()
    result.add_nodes_from(range(graph.num_nodes))
    result.add_edges_from(graph.edge_index.T.tolist())
    return result


def test_two_groups_are_found() -> None:
    community = find_communities(TWO_GROUPS)
    assert {frozenset(np.flatnonzero(community == number).tolist()) for number in (0, 1)} == {
        frozenset(FIRST),
        frozenset(SECOND),
    }


def test_the_boundary_is_what_feeds_a_community_and_what_it_feeds() -> None:
    first, second = sorted(
        parts(cut_subgraphs(TWO_GROUPS, find_communities(TWO_GROUPS))), key=lambda part: min(part[0])
    )
    assert first[:2] == ({*FIRST, 2, 3}, {2, 3})
    assert second[:2] == ({*SECOND, 1, 4}, {1, 4})
    # Induced: between the nodes of the boundary, too.
    assert {edge[:2] for edge in first[2]} == {*WITHIN_FIRST, THERE, BACK, (2, 3)}
    assert {edge[:2] for edge in second[2]} == {*WITHIN_SECOND, THERE, BACK, (1, 4)}


def test_a_community_without_a_boundary_gives_no_sample() -> None:
    apart = from_pairs([*WITHIN_FIRST, *WITHIN_SECOND], 8)
    assert len(find_communities(apart)) == 8
    assert parts(cut_subgraphs(apart, find_communities(apart))) == []


def test_every_edge_and_every_slot_between_two_nodes_is_kept() -> None:
    graph = make_graph([RELU, RELU, ADD], [(0, 1, 0, 0), (1, 2, 0, 0), (1, 2, 3, 1)])
    (_, _, left), (_, _, right) = parts(cut_subgraphs(graph, np.array([0, 0, 1])))
    assert left == Counter([(0, 1, 0, 0), (1, 2, 0, 0), (1, 2, 3, 1)])
    assert right == Counter([(1, 2, 0, 0), (1, 2, 3, 1)])


def test_an_owner_outside_of_the_sample_is_no_owner() -> None:
    # A body of three nodes; the loop that owns them is joined to the last of them alone.
    graph = make_graph([RELU, RELU, RELU, LOOP], [(0, 1, 0, 0), (1, 2, 0, 0), (2, 3, 0, 2)], scope=[3, 3, 3, -1])
    subgraphs = cut_subgraphs(graph, np.array([0, 0, 1, 1]))
    first, second = np.split(subgraphs.batch.scope, subgraphs.batch.node_ends[:1])
    assert subgraphs.node.tolist() == [0, 1, 2, 1, 2, 3]
    assert first.tolist() == [-1, -1, -1]
    assert second.tolist() == [2, 2, -1]


@given(operator_graphs(), st.data())
def test_subgraphs_are_what_networkx_cuts_whatever_the_communities(graph: OperatorGraph, data: st.DataObject) -> None:
    numbers = st.integers(0, 3)
    drawn = data.draw(st.lists(numbers, min_size=graph.num_nodes, max_size=graph.num_nodes))
    community = np.unique(drawn, return_inverse=True)[1].astype(np.int64)
    network = undirected(graph)
    every_edge = list(zip(*graph.edge_index.tolist(), *graph.edge_slot.tolist(), strict=True))
    expected = []
    for number in range(community.max(initial=-1) + 1):
        inside = set(np.flatnonzero(community == number).tolist())
        boundary = set(nx.node_boundary(network, inside))
        if boundary:
            nodes = inside | boundary
            expected.append((nodes, boundary, Counter(e for e in every_edge if e[0] in nodes and e[1] in nodes)))
    assert parts(cut_subgraphs(graph, community)) == expected


@pytest.mark.parametrize("file", sorted(LIGHT.glob("*.onnx")), ids=lambda file: file.stem)
def test_modularity_is_that_of_networkx_within_a_hundredth(file: Path) -> None:
    graph = canonicalize(extract(file)).graph
    theirs = nx.community.greedy_modularity_communities(undirected(graph))
    expected = nx.community.modularity(undirected(graph), theirs)
    assert modularity(graph, find_communities(graph)) == pytest.approx(expected, abs=0.01)


def test_a_hub_is_a_community_by_itself_and_costs_no_time() -> None:
    leaves = 20 * MOST_NEIGHBOURS
    graph = from_pairs([(0, 1 + leaf) for leaf in range(leaves)], 1 + leaves)
    community = find_communities(graph)
    assert np.count_nonzero(community == community[0]) == 1
    hub = next(part for part in parts(cut_subgraphs(graph, community)) if len(part[0]) > 2)
    assert hub[1] == set(range(1, 1 + leaves))


def test_a_node_of_many_neighbours_is_treated_like_any_other_up_to_the_limit() -> None:
    graph = from_pairs([(0, 1 + leaf) for leaf in range(MOST_NEIGHBOURS)], 1 + MOST_NEIGHBOURS)
    assert find_communities(graph).max() == 0


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("resnet50", [13, 13, 16, 16, 17, 18, 20, 21, 21, 22, 23, 24, 25, 26, 31, 36, 36, 37]),
        ("shufflenet", [13, 18, 19, 23, 23, 23, 23, 23, 27, 27, 27, 28, 31, 32, 34, 35, 40]),
    ],
)
def test_communities_stay_as_they_were_over_versions_of_igraph(name: str, sizes: list[int]) -> None:
    community = find_communities(canonicalize(extract(LIGHT / f"light_{name}.onnx")).graph)
    assert sorted(np.bincount(community).tolist()) == sizes
