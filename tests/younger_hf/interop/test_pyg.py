"""PyTorch Geometric: rows and datasets as `ArchitectureData`, in batches and back."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets.packaged_modules.parquet.parquet import Parquet
from hypothesis import given
from support.strategies import CONTROL_FLOW, OPERATORS, operator_graphs
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv

from younger_hf import OperatorGraph, Vocabulary, YoungerError, from_pyg, load, to_pyg
from younger_hf.dataset import to_columns
from younger_hf.errors import UsageError
from younger_hf.graph import InvalidGraphError

EVERY_OPERATOR = (*OPERATORS, *CONTROL_FLOW)
TYPES = sorted({operator.type_label for operator in EVERY_OPERATOR})
LABELS = sorted(operator.label for operator in EVERY_OPERATOR)
STRATEGY_VOCABULARY = Vocabulary(
    ("__UNK__", "__MASK__", *TYPES),
    ("__UNK__", "__MASK__", *LABELS),
    np.array([0, 1, *(2 + TYPES.index(label.partition("{")[0]) for label in LABELS)]),
)


@pytest.fixture(scope="module")
def dataset(release: Path) -> datasets.Dataset:
    """All the rows, in four pieces of memory, as concatenated datasets are."""
    return datasets.concatenate_datasets(list(load("graphs", source=release).values()))


def same(left: Data, right: Data) -> bool:
    ours, theirs = left.to_dict(), right.to_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(value, theirs[key]) if isinstance(value, torch.Tensor) else value == theirs[key]
        for key, value in ours.items()
    )


def all_same(left: Any, right: Any) -> bool:
    return all(same(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("ids", ["operator", "variant"])
def test_a_dataset_and_its_rows_give_the_same_data(dataset, ids):
    assert all_same(to_pyg(dataset, ids), [to_pyg(row, ids) for row in dataset])


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_formatted_row_gives_the_same_data(dataset, kind):
    assert all_same([to_pyg(row) for row in dataset.with_format(kind)], to_pyg(dataset))


def test_the_data_is_the_graph(dataset, graphs, vocabulary):
    for data, name in zip(to_pyg(dataset, "variant"), dataset["name"], strict=True):
        graph = graphs[name]
        assert data.x.tolist() == [vocabulary.variant_id(operator.label) for operator in graph.operator]
        assert np.array_equal(data.edge_index, graph.edge_index)
        assert np.array_equal(data.edge_attr, graph.edge_slot.T)
        assert np.array_equal(data.scope, graph.scope)
        assert data.num_nodes == graph.num_nodes
        assert {data.x.dtype, data.edge_index.dtype, data.edge_attr.dtype, data.scope.dtype} == {torch.int64}


def test_without_attributes_the_key_is_the_type_fingerprint(release):
    rows = load("graphs-no-attributes", "train", release)
    assert [data.fingerprint for data in to_pyg(rows)] == rows["type_fingerprint"][:]
    with pytest.raises(UsageError, match="no column 'node_variant': did you mean node_operator"):
        to_pyg(rows, "variant")


def test_the_dataset_holds_no_copy_and_its_items_may_be_written_into(dataset):
    pyg = to_pyg(dataset)
    before = pa.total_allocated_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in pyg:
            for tensor in (data.x, data.edge_index, data.edge_attr):
                tensor[:] = 1
    assert pa.total_allocated_bytes() == before
    assert all(same(data, to_pyg(row)) for data, row in zip(pyg, dataset, strict=True))
    assert any((data.x != 1).any() for data in pyg)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.shuffle(seed=1),
        lambda rows: rows.filter(lambda nodes: nodes > 100, input_columns="num_nodes"),
        lambda rows: rows.select([7, 0, 7, 3]),
        lambda rows: rows.select(range(2, 8)),
        lambda rows: rows.select(range(8, 10)).shuffle(seed=0).select([1]),
        lambda rows: rows.select([]),
        lambda rows: rows.sort("num_edges").flatten_indices(),
        lambda rows: datasets.concatenate_datasets([rows.select(range(5, 9)), rows.select([2, 1])]),
    ],
)
def test_what_datasets_did_to_the_rows_is_respected(dataset, change):
    changed = change(dataset)
    assert all_same(to_pyg(changed, "variant"), [to_pyg(row, "variant") for row in changed])


@pytest.mark.parametrize("wide", [pa.large_list(pa.int64()), pa.list_(pa.int32())])
def test_other_arrow_lists_give_the_same_data(dataset, wide):
    dataset = dataset.select_columns(["fingerprint", "node_operator", "node_scope", "edge_index", "edge_slot"])
    table = dataset.data.table.select(dataset.column_names)
    for name in ("node_operator", "node_scope"):
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(wide))
    for name in ("edge_index", "edge_slot"):
        pairs = [pa.array(chunk.to_pylist(), pa.large_list(wide)) for chunk in table.column(name).chunks]
        table = table.set_column(table.schema.get_field_index(name), name, pa.chunked_array(pairs))
    other = datasets.Dataset(datasets.table.InMemoryTable(table.slice(1)))
    assert all_same(to_pyg(other), list(to_pyg(dataset))[1:])


def test_pyg_selects_and_shuffles_by_itself(dataset):
    pyg = to_pyg(dataset)
    assert all_same(pyg[[3, 1]], [pyg[3], pyg[1]])
    assert all_same(pyg[-2:], [pyg[8], pyg[9]])
    assert {data.fingerprint for data in pyg.shuffle()} == set(dataset["fingerprint"])
    with pytest.raises(IndexError):
        pyg[10]


def test_a_batch_points_to_its_own_nodes_and_owners(dataset):
    # The graph with bodies stands between two that have none.
    rows = dataset.select([0, dataset["name"].index("nested_bodies"), 1])
    items = list(to_pyg(rows))
    batch = Batch.from_data_list(items)
    start = items[0].num_nodes
    owners = torch.where(items[1].scope >= 0, items[1].scope + start, -1)
    assert (owners >= 0).any()
    assert torch.equal(batch.scope, torch.cat((items[0].scope, owners, items[2].scope)))
    assert torch.equal(batch.x, torch.cat([data.x for data in items]))
    assert torch.equal(batch.edge_attr, torch.cat([data.edge_attr for data in items]))
    edges = [data.edge_index + offset for data, offset in zip(items, batch.ptr.tolist(), strict=False)]
    assert torch.equal(batch.edge_index, torch.cat(edges, dim=1))
    assert all_same(batch.to_data_list(), items)


def test_scope_can_be_set_as_a_whole(dataset):
    data = to_pyg(dataset[dataset["name"].index("nested_bodies")])
    scope = data.scope
    data.scope = torch.full_like(scope, -1)
    assert data.scope_index.shape == (2, 0)
    data.scope = scope
    assert torch.equal(data.scope, scope)


@pytest.mark.parametrize(("workers", "start"), [(4, "fork"), (1, "spawn")])
def test_workers_give_the_batches_that_one_process_gives(dataset, workers, start):
    pyg = to_pyg(dataset.shuffle(seed=3), "variant", target="num_parameters")
    alone = list(DataLoader(pyg, batch_size=3))
    shared = DataLoader(pyg, batch_size=3, num_workers=workers, multiprocessing_context=start)
    assert all_same(shared, alone)


def test_workers_can_hand_over_single_graphs(dataset):
    pyg = to_pyg(dataset)
    loader = torch.utils.data.DataLoader(pyg, batch_size=None, num_workers=1, multiprocessing_context="fork")
    assert all_same(loader, pyg)


def test_a_transform_may_write_into_its_tensors(dataset):
    def mask(data: Data) -> Data:
        data.x[:] = 1
        data.edge_index[:] = 0
        data.edge_attr[:] = 0
        data.y[:] = 0
        return data

    pyg = to_pyg(dataset, transform=mask, target="num_nodes")
    assert all((data.x == 1).all() and (data.y == 0).all() for data in pyg)
    assert all((data.x != 1).any() and (data.y != 0).all() for data in to_pyg(dataset, target="num_nodes"))
    assert (to_pyg(dataset[0], transform=mask, target="num_nodes").x == 1).all()


def test_pickles_and_deep_copies_hold_one_graph(dataset):
    pyg = to_pyg(dataset)
    largest = max(data.num_nodes for data in pyg)
    smallest = min(pyg, key=lambda data: data.num_nodes)
    assert len(pickle.dumps(smallest)) < largest * 8
    assert same(pickle.loads(pickle.dumps(smallest)), smallest)
    twin = copy.deepcopy(smallest)
    assert twin.x.untyped_storage().nbytes() == smallest.num_nodes * 8
    assert same(twin, smallest)
    assert len(pickle.dumps(pyg)) < len(pickle.dumps(dataset)) + 1_000


@pytest.mark.parametrize("column", ["num_parameters", "has_control_flow"])
def test_a_target_becomes_y(dataset, column):
    for data, value in zip(to_pyg(dataset, target=column), dataset[column], strict=True):
        assert torch.equal(data.y, torch.tensor([int(value)]))
    assert to_pyg(dataset[3], target=column).y.tolist() == [int(dataset[3][column])]


def test_a_target_of_decimals_is_float32(dataset):
    scored = dataset.add_column("score", [number / 8 for number in range(len(dataset))])
    batch = next(iter(DataLoader(to_pyg(scored, target="score"), batch_size=10)))
    assert torch.equal(batch.y, torch.arange(10) / 8)


def test_a_row_without_its_target_is_refused(dataset):
    with pytest.raises(YoungerError, match="1 of 10 rows have no downloads"):
        to_pyg(dataset, target="downloads")
    with pytest.raises(YoungerError, match="has no downloads"):
        to_pyg(dataset[dataset["downloads"].index(None)], target="downloads")
    assert len(list(to_pyg(dataset.filter(lambda row: row["downloads"] is not None), target="downloads"))) == 9


def test_a_stream_gives_what_the_dataset_gives(release):
    stream = to_pyg(load("graphs", "train", release, streaming=True), "variant", target="num_nodes")
    assert isinstance(stream, torch.utils.data.IterableDataset)
    assert all_same(stream, to_pyg(load("graphs", "train", release), "variant", target="num_nodes"))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_share_a_stream_among_them(release, workers):
    rows = load("graphs", "train", release, streaming=True)
    loader = DataLoader(to_pyg(rows), batch_size=2, num_workers=workers, multiprocessing_context="fork")
    met = [fingerprint for batch in loader for fingerprint in batch.fingerprint]
    assert sorted(met) == sorted(load("graphs", "train", release)["fingerprint"])


def test_a_shuffled_filtered_stream_is_respected(release, monkeypatch):
    # `datasets` waits for five seconds after each pass over a shuffled stream, for a fault of older pyarrow.
    monkeypatch.setattr(Parquet, "SLEEP_ON_THREADS_SHUTDOWNS", False, raising=False)
    rows = load("graphs", "train", release, streaming=True)
    rows = rows.filter(lambda nodes: nodes > 100, input_columns="num_nodes").shuffle(seed=5, buffer_size=10)
    expected = [row["num_nodes"] for row in rows]
    stream = to_pyg(rows, transform=lambda data: data.num_nodes)
    assert list(stream) == expected
    stream.set_epoch(1)
    again = list(stream)
    assert again != expected
    assert sorted(again) == sorted(expected)


def subgraphs() -> Iterator[dict[str, Any]]:
    yield {"fingerprint": "a", "node_operator": [2, 3, 4], "boundary": [0, 2], "edges": [[0, 1], [1, 2]]}
    yield {"fingerprint": "b", "node_operator": [5, 2], "boundary": [1], "edges": [[0], [1]]}


def test_a_subgraph_says_which_nodes_are_its_boundary():
    rows = [{**row, "edge_index": row["edges"], "edge_slot": row["edges"]} for row in subgraphs()]
    pyg = to_pyg(datasets.Dataset.from_list(rows))
    batch = Batch.from_data_list(list(pyg))
    assert batch.boundary_mask.tolist() == [True, False, True, False, True]
    assert batch.scope.tolist() == [-1] * 5
    assert all_same(pyg, [to_pyg(row) for row in rows])


def test_a_graph_network_runs_on_a_batch(dataset, vocabulary):
    batch = next(iter(DataLoader(to_pyg(dataset), batch_size=10)))
    embedding = torch.nn.Embedding(len(vocabulary.operators), 8)
    out = GCNConv(8, 4)(embedding(batch.x), batch.edge_index)
    assert out.shape == (batch.num_nodes, 4)
    assert out.isfinite().all()


@given(operator_graphs())
def test_there_and_back_is_the_same_graph(graph: OperatorGraph):
    row = to_columns(graph, STRATEGY_VOCABULARY)
    assert from_pyg(to_pyg(row, "variant"), STRATEGY_VOCABULARY) == graph
    assert from_pyg(to_pyg(row, "operator"), STRATEGY_VOCABULARY) == graph.without_attributes()


def test_every_row_comes_back_from_its_batch(dataset, graphs, vocabulary):
    batch = Batch.from_data_list(list(to_pyg(dataset, "variant")))
    for number, name in enumerate(dataset["name"]):
        assert from_pyg(batch[number], vocabulary) == graphs[name]


def test_a_plain_data_comes_back_as_variants(vocabulary):
    slots = torch.tensor([[0, 1]])
    data = Data(x=torch.tensor([3, 2]), edge_index=torch.tensor([[0], [1]]), edge_attr=slots)
    graph = from_pyg(data, vocabulary)
    assert [operator.label for operator in graph.operator] == [vocabulary.variants[3], vocabulary.variants[2]]
    assert graph.edge_slot.tolist() == [[0], [1]]
    data.edge_index = torch.tensor([[1], [0]])
    with pytest.raises(InvalidGraphError, match="later node"):
        from_pyg(data, vocabulary)


def test_a_batch_is_not_one_graph(dataset, vocabulary):
    with pytest.raises(UsageError, match="one graph at a time"):
        from_pyg(Batch.from_data_list([to_pyg(dataset[0])]), vocabulary)


def test_what_is_no_data_is_named(dataset, vocabulary):
    with pytest.raises(UsageError, match="from_pyg takes a Data of torch-geometric, not dict"):
        from_pyg(dataset[0], vocabulary)


def test_what_to_pyg_cannot_take_is_said(release, dataset):
    with pytest.raises(UsageError, match="one split at a time"):
        to_pyg(load("graphs", source=release))
    with pytest.raises(UsageError, match="not list"):
        to_pyg([dataset[0]])
    with pytest.raises(UsageError, match="no vocabulary 'variants': did you mean variant"):
        to_pyg(dataset, "variants")
    with pytest.raises(UsageError, match="no column 'edge_slot'"):
        to_pyg(dataset.remove_columns("edge_slot"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("edge_index", [[0], [2]], "edge_index has a row that points"),
        ("edge_index", [[-1], [1]], "edge_index has a row that points"),
        ("node_scope", [2, -1], "node_scope has a row that points"),
        ("boundary", [2], "boundary has a row that points"),
        ("boundary", [-1], "boundary has a row that points"),
        ("edge_index", [[0, 1], [1]], "edge_index"),
        ("edge_slot", [[0, 1], [0, 1]], "differ in length"),
        ("node_operator", [[2], [3, 4]], "node_operator"),
        ("boundary", ["a"], "boundary"),
    ],
)
def test_what_a_row_points_to_is_there(column, value, message):
    row = {
        "node_operator": [2, 3],
        "node_scope": [-1, -1],
        "edge_index": [[0], [1]],
        "edge_slot": [[0], [0]],
        "boundary": [1],
    }
    assert to_pyg(row).num_nodes == 2
    with pytest.raises(YoungerError, match=message):
        to_pyg({**row, column: value})


def test_one_wrong_row_of_a_dataset_is_found_among_others(dataset):
    wrong = [dict(row) for row in dataset.select(range(3))]
    wrong[1]["edge_index"] = [[*wrong[1]["edge_index"][0][:-1], 0], [*wrong[1]["edge_index"][1][:-1], 10**6]]
    made = datasets.Dataset.from_list(wrong, features=dataset.features)
    with pytest.raises(YoungerError, match="edge_index has a row that points"):
        to_pyg(made)[1]
