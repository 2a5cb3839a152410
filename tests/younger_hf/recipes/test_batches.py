"""Batches from Arrow memory are what PyTorch Geometric collates from one `Data` after the other."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from younger_hf import YoungerError, load, to_pyg
from younger_hf.recipes.batches import GraphBatch, ShuffledRows
from younger_hf.tasks.graph_table import GraphTable


@pytest.fixture(scope="module", params=["subgraphs", "subgraphs-no-attributes", "graphs", "graphs-no-attributes"])
def rows(request, release) -> datasets.Dataset:
    """All rows of a config, in several pieces of memory."""
    return datasets.concatenate_datasets(list(load(request.param, source=release).values()))


def vocabulary_of(rows: datasets.Dataset) -> str:
    return "variant" if "node_variant" in rows.column_names else "operator"


def same(ours: GraphBatch, theirs: Batch) -> bool:
    boundary = theirs.boundary_mask.nonzero().flatten() if "boundary_mask" in theirs else torch.empty(0).long()
    return (
        all(torch.equal(getattr(ours, name), theirs[name]) for name in ("x", "edge_index", "edge_attr", "ptr", "batch"))
        and torch.equal(ours.boundary.sort().values, boundary)
        and (ours.num_nodes, ours.num_graphs) == (theirs.num_nodes, theirs.num_graphs)
    )


def collate(table: GraphTable, rows: np.ndarray) -> GraphBatch:
    return GraphBatch.of(table.union(rows))


def test_any_rows_in_any_order_are_collated_as_pytorch_geometric_does(rows):
    table, singly = GraphTable(rows, vocabulary_of(rows)), to_pyg(rows, vocabulary_of(rows))
    for chosen in ([0], [len(rows) - 1, 0, 3, 3], np.random.default_rng(0).permutation(len(rows))):
        batch = collate(table, np.asarray(chosen))
        assert same(batch, Batch.from_data_list([singly[int(row)] for row in chosen]))


def test_shuffled_and_selected_rows_are_followed(rows):
    rows = rows.shuffle(seed=1).select(range(2, 7))
    table, singly = GraphTable(rows), to_pyg(rows)
    assert list(table.fingerprints.to_pylist()) == [data.fingerprint for data in singly]
    assert same(collate(table, np.arange(5)), Batch.from_data_list(list(singly)))


def test_batches_go_through_all_rows_in_order(rows):
    table = GraphTable(rows)
    batches = [collate(table, rows) for rows in table.parts(4)]
    assert sum(batch.num_graphs for batch in batches) == len(table) == len(rows)
    assert torch.equal(torch.cat([batch.x for batch in batches]), collate(table, np.arange(len(rows))).x)
    assert [batch.num_graphs for batch in batches[:-1]] == [4] * (len(batches) - 1)
    assert table.num_edges.sum() == sum(batch.edge_index.size(1) for batch in batches)


def test_a_batch_may_be_written_into_and_leaves_the_table_as_it_is(rows):
    table = GraphTable(rows)
    first = collate(table, np.array([1]))
    before = first.x.clone()
    first.x.zero_()
    assert torch.equal(collate(table, np.array([1])).x, before)


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own():
    order = ShuffledRows(10, 4, seed=0)
    assert order.steps_per_epoch == 3
    epochs = [np.concatenate([order[3 * epoch + step] for step in range(3)]) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(order[1], ShuffledRows(10, 4, seed=0)[1])
    assert not np.array_equal(order[1], ShuffledRows(10, 4, seed=1)[1])


def test_rows_without_what_makes_a_graph_are_refused_by_name(release):
    with pytest.raises(YoungerError, match="no column 'node_variant'"):
        GraphTable(load("graphs-no-attributes", "train", source=release), "variant")
    with pytest.raises(YoungerError, match="no column 'node_operator'"):
        GraphTable(load("operators", "train", source=release))
