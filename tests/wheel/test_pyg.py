"""`pip install 'younger-hf[pyg]'`: rows and whole configs for PyTorch Geometric."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv

import younger_hf


def test_rows_go_through_a_network_in_batches_and_come_back(release):
    rows = younger_hf.load("graphs", "train", release)
    vocabulary = younger_hf.Vocabulary.load(release)
    architectures = younger_hf.to_pyg(rows)
    batch = next(iter(DataLoader(architectures, batch_size=2)))
    embedding = torch.nn.Embedding(len(vocabulary.operators), 8)
    assert GCNConv(8, 4)(embedding(batch.x), batch.edge_index).shape == (sum(rows["num_nodes"][:2]), 4)
    back = younger_hf.from_pyg(younger_hf.to_pyg(rows[0], vocabulary="variant"), vocabulary)
    assert back.operator == younger_hf.to_graph(rows[0], vocabulary).operator


def test_labels_are_those_of_the_release(release):
    train, test = (
        younger_hf.to_pyg(younger_hf.load("graphs", split, release), target="task", source=release)
        for split in ("train", "validation")
    )
    assert train.classes == test.classes == younger_hf.class_names("task", release)
    assert train.num_classes == 1
    assert train[0].task == train.classes[train[0].y]


def test_a_dataset_has_its_splits(release, tmp_path):
    dataset = younger_hf.YoungerDataset(tmp_path, source=release, target="family", split_scheme="stratified")
    split = dataset.get_idx_split()
    assert sum(map(len, split.values())) == len(dataset) == len(younger_hf.load("graphs", "all", release))
    assert next(iter(DataLoader(dataset[split["train"]], batch_size=4))).y.max() < dataset.num_classes
    with pytest.raises(younger_hf.YoungerError, match="no family of test and validation is in train"):
        younger_hf.YoungerDataset(tmp_path, source=release, target="family")


def test_what_is_no_row_is_said_with_what_to_call(release):
    with pytest.raises(younger_hf.YoungerError, match="from_onnx makes a graph of an ONNX file"):
        younger_hf.to_pyg("model.onnx")
