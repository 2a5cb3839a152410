"""Which pairs are predicted: no supervision edge passes messages, and no negative is a true edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from younger_hf import load
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.links import Links, evaluation_links, negative_pairs, split_links


@pytest.fixture(scope="module")
def graphs(zoo) -> GraphUnion:
    """Real graphs, the last one with every other edge twice, as of an operator that takes one value two times."""
    table = GraphTable(load("graphs", "train", source=zoo / "younger"))
    graphs = table.union(np.arange(len(table)))
    of_last = graphs.edge_index[0] >= graphs.ptr[-2]
    edges, slots = graphs.edge_index[:, of_last][:, ::2], graphs.edge_slot[:, of_last][:, ::2]
    return replace(
        graphs,
        edge_index=np.concatenate((graphs.edge_index, edges), axis=1),
        edge_slot=np.concatenate((graphs.edge_slot, slots + 1), axis=1),
    )


def edges_of(graphs: GraphUnion) -> set[tuple[int, int]]:
    return set(map(tuple, graphs.edge_index.T.tolist()))


def generators(graphs: GraphUnion, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, graph]) for graph in range(graphs.num_graphs)]


def positives(links: Links) -> set[tuple[int, int]]:
    return set(map(tuple, links.pairs[:, links.y].T.tolist()))


def test_no_supervision_edge_is_a_message_passing_edge_when_held_out(graphs):
    links = split_links(graphs, 0.2, generators(graphs))
    messages = set(map(tuple, graphs.edge_index[:, links.is_message].T.tolist()))
    assert messages.isdisjoint(positives(links))
    assert messages | positives(links) == edges_of(graphs)


def test_the_share_is_held_out_of_each_graph(graphs):
    links = split_links(graphs, 0.2, generators(graphs))
    all_edges, held = edges_of(graphs), positives(links)
    for first, last in zip(graphs.ptr[:-1].tolist(), graphs.ptr[1:].tolist(), strict=True):
        of_graph = sum(first <= producer < last for producer, _ in all_edges)
        assert sum(first <= producer < last for producer, _ in held) == max(1, round(0.2 * of_graph))


def test_the_papers_protocol_predicts_all_edges_while_all_pass_messages(graphs):
    links = split_links(graphs, None, generators(graphs))
    assert links.is_message.all()
    assert positives(links) == edges_of(graphs)


@pytest.mark.parametrize("held_out", [None, 0.2])
def test_negatives_are_as_many_within_a_graph_and_no_edges(graphs, held_out):
    links = split_links(graphs, held_out, generators(graphs))
    negatives = links.pairs[:, ~links.y]
    pairs = set(map(tuple, negatives.T.tolist()))
    assert len(pairs) == negatives.shape[1] == len(positives(links))
    assert pairs.isdisjoint(edges_of(graphs))
    assert (negatives[0] != negatives[1]).all()
    first, second = (np.searchsorted(graphs.ptr, ends, side="right") for ends in negatives)
    assert np.array_equal(first, second)


def test_the_choice_is_a_function_of_each_graphs_generator(graphs):
    first, again, other = (split_links(graphs, 0.2, generators(graphs, seed)) for seed in (0, 0, 1))
    assert np.array_equal(first.pairs, again.pairs)
    assert np.array_equal(first.is_message, again.is_message)
    assert not np.array_equal(first.pairs, other.pairs)


@given(st.integers(2, 12), st.data())
def test_negative_pairs_are_drawn_from_all_that_are_absent(num_nodes, data):
    every = [(a, b) for a in range(num_nodes) for b in range(num_nodes) if a != b]
    edges = data.draw(st.lists(st.sampled_from(every), unique=True, max_size=len(every) - 1))
    edge_index = np.array(edges, np.int64).reshape(-1, 2).T
    absent = set(every) - set(edges)
    drawn = negative_pairs(edge_index, num_nodes, len(absent), np.random.default_rng(0))
    assert sorted(map(tuple, drawn.T.tolist())) == sorted(absent)


def test_negative_pairs_are_uniform():
    edge_index = np.array([[0, 0, 1], [1, 3, 2]])
    generator = np.random.default_rng(0)
    drawn = np.concatenate([negative_pairs(edge_index, 4, 1, generator) for _ in range(9000)], axis=1)
    _, counts = np.unique(drawn, axis=1, return_counts=True)
    assert len(counts) == 9
    assert abs(counts - 1000).max() < 150


GOLDEN = {
    0.4: ([0, 5, 6], [[0, 3, 4], [1, 5, 5]], [[2, 1, 6], [0, 2, 0]]),
    None: (
        [],
        [[0, 0, 1, 2, 2, 3, 4, 5], [1, 2, 3, 3, 4, 5, 5, 6]],
        [[4, 5, 5, 3, 4, 6, 2, 2], [2, 2, 3, 2, 6, 0, 0, 1]],
    ),
}


@pytest.mark.parametrize("held_out", GOLDEN)
def test_the_pairs_of_a_seed_are_always_the_same(held_out):
    """Or predictions files that were written before would be about other pairs."""
    edges = np.array([[0, 0, 1, 2, 2, 3, 4, 5, 5], [1, 2, 3, 3, 4, 5, 5, 6, 6]])
    graph = GraphUnion(np.zeros(7, np.int64), edges, np.zeros_like(edges), np.array([0, 7]), np.empty(0, np.int64))
    links = evaluation_links(graph, "3f" * 16, held_out, 12345)
    hidden, positives, negatives = GOLDEN[held_out]
    assert np.flatnonzero(~links.is_message).tolist() == hidden
    assert links.pairs[:, links.y].tolist() == positives
    assert links.pairs[:, ~links.y].tolist() == negatives
