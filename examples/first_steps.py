"""From a release to a graph neural network's first forward pass.

    python examples/first_steps.py

Run it where a release lies in the directory `younger`, as in a clone; `make demo` does so.
"""

from pathlib import Path

import datasets
import torch
from torch_geometric.nn import GCNConv

from younger_hf import Vocabulary, to_pyg

younger = datasets.load_dataset("younger")
print(younger)

vocabulary = Vocabulary.load("younger")
row = younger["train"][0]
print(f"\n{row['name']} ({row['source']}): {row['summary']}")

data = to_pyg(row)
print(data)

embedding = torch.nn.Embedding(len(vocabulary.operators), 64)
convolution = GCNConv(64, 16)
with torch.no_grad():
    output = convolution(embedding(data.x), data.edge_index)
print(f"one GCN layer over its {data.num_nodes} operators: {tuple(output.shape)}, mean {output.mean():.4f}")

print(f"\nThe release is in {Path('younger').resolve()}: the card in README.md, one folder of Parquet a config.")
