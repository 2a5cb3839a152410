"""Which pairs are predicted: no supervision edge passes messages, and no negative is a true edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from younger_hf import load
from younger_hf.recipes.batches import GraphBatch, GraphTable
from younger_hf.recipes.link_split import Links, negative_pairs, split_links


@pytest.fixture(scope="module")
def batch(release) -> GraphBatch:
    """Real graphs, the last one with every other edge twice, as of an operator that takes one value two times."""
    table = GraphTable(load("graphs", "train", source=release))
    batch = table.batch(np.arange(len(table)))
    of_last = batch.edge_index[0] >= batch.ptr[-2]
    edges, slots = batch.edge_index[:, of_last][:, ::2], batch.edge_attr[of_last][::2]
    return replace(
        batch, edge_index=torch.cat((batch.edge_index, edges), 1), edge_attr=torch.cat((batch.edge_attr, slots + 1))
    )


def edges_of(batch: GraphBatch) -> set[tuple[int, int]]:
    return set(map(tuple, batch.edge_index.t().tolist()))


def generators(batch: GraphBatch, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, graph]) for graph in range(batch.num_graphs)]


def positives(links: Links) -> set[tuple[int, int]]:
    return set(map(tuple, links.pairs[:, links.y == 1].t().tolist()))


def test_no_supervision_edge_is_a_message_passing_edge_when_held_out(batch):
    links = split_links(batch, 0.2, generators(batch))
    messages = set(map(tuple, batch.edge_index[:, links.is_message].t().tolist()))
    assert messages.isdisjoint(positives(links))
    assert messages | positives(links) == edges_of(batch)


def test_the_share_is_held_out_of_each_graph(batch):
    links = split_links(batch, 0.2, generators(batch))
    all_edges, held = edges_of(batch), positives(links)
    for first, last in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
        of_graph = sum(first <= producer < last for producer, _ in all_edges)
        assert sum(first <= producer < last for producer, _ in held) == max(1, round(0.2 * of_graph))


def test_the_papers_protocol_predicts_all_edges_while_all_pass_messages(batch):
    links = split_links(batch, None, generators(batch))
    assert links.is_message.all()
    assert positives(links) == edges_of(batch)


@pytest.mark.parametrize("held_out", [None, 0.2])
def test_negatives_are_as_many_within_a_graph_and_no_edges(batch, held_out):
    links = split_links(batch, held_out, generators(batch))
    negatives = links.pairs[:, links.y == 0]
    pairs = set(map(tuple, negatives.t().tolist()))
    assert len(pairs) == negatives.size(1) == len(positives(links))
    assert pairs.isdisjoint(edges_of(batch))
    assert (negatives[0] != negatives[1]).all()
    graph = batch.batch
    assert (graph[negatives[0]] == graph[negatives[1]]).all()


def test_the_choice_is_a_function_of_each_graphs_generator(batch):
    first, again, other = (split_links(batch, 0.2, generators(batch, seed)) for seed in (0, 0, 1))
    assert first.pairs.equal(again.pairs)
    assert first.is_message.equal(again.is_message)
    assert not first.pairs.equal(other.pairs)


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
