"""`pip install 'younger-hf[pyg]'`: rows and whole configs for PyTorch Geometric."""

from __future__ import annotations

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
