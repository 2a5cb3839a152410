"""What is to be learned: numbers as they are, texts by the one class list of the release, and nothing by guess."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
import torch
from torch_geometric.loader import DataLoader

from younger_hf import class_names, from_onnx, load, to_graph, to_pyg
from younger_hf.errors import UsageError, YoungerError
from younger_hf.identity import fingerprint


@pytest.fixture
def labelled(large_release: Path) -> datasets.DatasetDict:
    """All splits, rows that have a task."""
    rows = load("graphs", source=large_release)
    return rows.filter(lambda task: task is not None, input_columns="task")


def test_a_class_has_one_number_in_all_splits(labelled, large_release):
    classes = class_names("task", large_release)
    for split, rows in labelled.items():
        graphs = to_pyg(rows, target="task", source=large_release)
        assert (graphs.num_classes, graphs.classes) == (2, classes), split
        assert [classes[data.y] for data in graphs] == rows["task"][:]
        assert graphs[0].y.dtype == torch.int64
        assert to_pyg(rows[0], target="task", source=large_release).y.equal(graphs[0].y)


def test_streams_number_classes_alike(labelled, large_release):
    rows = load("graphs", "test", large_release, task=list(class_names("task", large_release)), streaming=True)
    stream = to_pyg(rows, target="task", source=large_release)
    assert stream.num_classes == 2
    expected = to_pyg(labelled["test"], target="task", source=large_release)
    assert [data.y.item() for data in stream] == [data.y.item() for data in expected]


def test_several_targets_are_there_by_name(labelled, large_release):
    rows = labelled["train"]
    graphs = to_pyg(rows, target=["task", "num_nodes", "has_control_flow"], source=large_release)
    assert graphs.num_classes == {"task": 2, "has_control_flow": 2}
    assert graphs.classes["num_nodes"] is None
    assert graphs.classes["has_control_flow"] == ("False", "True")
    batch = next(iter(DataLoader(graphs, batch_size=len(rows))))
    assert batch.y["num_nodes"].tolist() == rows["num_nodes"][:]
    assert batch.y["task"].tolist() == [graphs.classes["task"].index(task) for task in rows["task"]]
    assert to_pyg(rows, target=["task"], source=large_release)[0].y.keys() == {"task"}


def test_numbers_have_no_classes(labelled):
    graphs = to_pyg(labelled["train"], target="num_nodes")
    assert graphs.classes is None
    with pytest.raises(UsageError, match="num_nodes is a number and has no classes"):
        graphs.num_classes  # noqa: B018
    assert to_pyg(labelled["train"]).num_classes == 0


def test_classes_that_were_numbered_by_split_are_refused(labelled, large_release):
    rows = labelled["train"].select(range(1)).class_encode_column("task")
    with pytest.raises(UsageError, match="a ClassLabel whose names are not those of"):
        to_pyg(rows, target="task", source=large_release)
    with pytest.raises(UsageError, match="column task holds int64 and not the names"):
        to_pyg(rows[0], target="task", source=large_release)


def test_a_class_label_of_the_release_and_one_of_ones_own_are_taken(labelled, large_release):
    rows = labelled["test"]
    encoded = rows.cast_column("task", datasets.ClassLabel(names=list(class_names("task", large_release))))
    expected = [data.y for data in to_pyg(rows, target="task", source=large_release)]
    assert [data.y for data in to_pyg(encoded, target="task", source=large_release)] == expected
    size = datasets.ClassLabel(names=["small", "large"])
    sized = rows.map(lambda row: {"size": int(row["num_nodes"] > 100)}).cast_column("size", size)
    graphs = to_pyg(sized, target="size")
    assert graphs.classes == ("small", "large")
    assert [graphs.classes[data.y] == "large" for data in graphs] == [nodes > 100 for nodes in rows["num_nodes"]]


def test_rows_of_another_release_are_refused(labelled, large_release, release):
    with pytest.raises(UsageError, match="has no task 'image-classification': give the release of the rows as source="):
        to_pyg(labelled["train"], target="task", source=release)[0]


def test_families_are_refused_where_they_are_held_out(large_release):
    with pytest.raises(UsageError, match="no family of test is in train"):
        to_pyg(load("graphs", "test", large_release), target="family", source=large_release)
    assert to_pyg(load("graphs", "train", large_release), target="family", source=large_release).num_classes == 9


def test_rows_without_a_target_are_counted_before_training(large_release):
    rows = load("graphs", "train", large_release)
    missing = sum(task is None for task in rows["task"])
    with pytest.raises(
        YoungerError, match=f"{missing} of {len(rows)} rows have no task: leave them out by rows.filter"
    ):
        to_pyg(rows, target="task", source=large_release)
    assert len(to_pyg(rows.select([0, 1]), target="task", source=large_release)) == 2
    streamed = to_pyg(load("graphs", "train", large_release, streaming=True), target="task", source=large_release)
    with pytest.raises(YoungerError, match="a row has no task: leave them out"):
        list(streamed)


def test_what_cannot_be_a_target_is_said(labelled):
    rows = labelled["train"]
    with pytest.raises(UsageError, match="column name cannot be a target, it is string: there is exact, num_searched,"):
        to_pyg(rows, target="name")
    with pytest.raises(UsageError, match="this list is empty"):
        to_pyg(rows, target=[])
    with pytest.raises(UsageError, match="no column 'tasks': did you mean task"):
        to_pyg(rows, target=["num_nodes", "tasks"])


def test_an_architecture_says_what_it_is_of(labelled):
    rows = labelled["train"]
    batch = next(iter(DataLoader(to_pyg(rows), batch_size=3)))
    for label in ("name", "family", "task"):
        assert getattr(batch, label) == rows[label][:3]


def test_what_is_not_known_of_an_architecture_is_empty(release):
    row = load("graphs", "train", release)[0]
    assert to_pyg(row).task == to_pyg(load("graphs", "train", release))[0].task == ""


def test_the_sizes_of_a_model_are_there(labelled, large_release, vocabulary):
    graphs = to_pyg(labelled["train"])
    assert (graphs.num_features, graphs.num_edge_features) == (1, 2)
    assert graphs.vocabulary_size == len(vocabulary.operators)
    variants = to_pyg(labelled["train"], "variant", source=large_release)
    assert variants.vocabulary_size == len(vocabulary.variants)
    assert to_pyg(load("graphs", "test", large_release, streaming=True)).vocabulary_size == len(vocabulary.operators)


def test_a_graph_is_taken_as_a_row_is(release, vocabulary):
    row = load("graphs", "train", release)[0]
    expected = to_pyg(row, "variant")
    data = to_pyg(to_graph(row, vocabulary), "variant", source=release)
    for name in ("x", "edge_index", "edge_attr", "scope_index"):
        assert data[name].equal(expected[name])
    assert "fingerprint" not in data


def test_what_a_release_does_not_have_is_unknown(release):
    import onnx.parser

    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[4] x) => (float[4] y) { t = Erf(x) y = Relu(t) }'
    )
    graph = from_onnx(model)
    data = to_pyg(graph, source=release)
    assert data.x[0] == 0
    assert data.x[1] > 1
    assert len(fingerprint(graph)) == 32
