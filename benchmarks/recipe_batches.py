"""Batches of 512 subgraphs, made from Arrow memory, against torch_geometric's DataLoader on a list of Data.

    python benchmarks/recipe_batches.py [RELEASE]

Both give the same tensors of the same shuffled rows. Without a release, the subgraphs of the onnx package's zoo models
are used, each several times over. Prints the ratio, and the share of a training step of the paper's GCN and SAGE that
making its batch takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from torch.nn import functional
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from builders.pipeline import build
from younger_hf import Vocabulary, load, to_pyg
from younger_hf.recipes.batches import GraphBatch, ShuffledRows
from younger_hf.recipes.models import build_model
from younger_hf.recipes.operator import mask_boundary
from younger_hf.tasks.graph_table import GraphTable

BATCH_SIZE = 512
NUM_BATCHES = 6
REPEATS = 5


def main() -> None:
    arguments = release_parser(__doc__).parse_args()
    with opened(arguments.release) as (release, _):
        rows = enough_rows(release, BATCH_SIZE * NUM_BATCHES)
        batch_seconds = compare(rows)
        for model in ("gcn", "sage"):
            step_seconds = time_step(rows, model, len(Vocabulary.load(release).variants))
            print(f"share of a training step of {model:4} {100 * batch_seconds / step_seconds:.2f} % (at most 10)")


def release_parser(doc: str) -> argparse.ArgumentParser:
    """What each benchmark of the recipes is told."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("release", nargs="?", type=Path, help="a release directory; one is built if left out")
    return parser


@contextmanager
def opened(release: Path | None) -> Iterator[tuple[Path, Path]]:
    """The release, which is built of the onnx package's zoo models if there is none, and a directory for scratch."""
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        datasets.config.HF_DATASETS_CACHE = scratch / "cache"
        if release is None:
            release = scratch / "younger"
            build(["onnx-package"], release, scratch / "work")
        yield release, scratch


def enough_rows(release: Path, num_rows: int) -> datasets.Dataset:
    """So many training subgraphs in one piece of memory, repeated where the release has fewer."""
    rows = load("subgraphs", "train", source=release)
    return rows.select(np.resize(np.arange(len(rows)), num_rows)).flatten_indices()


def compare(rows: datasets.Dataset) -> float:
    """Print the ratio; the seconds of a batch of ours come back."""
    table, order = GraphTable(rows, "variant"), ShuffledRows(len(rows), BATCH_SIZE, seed=0)
    chosen = [order[step] for step in range(NUM_BATCHES)]

    def collate(rows: np.ndarray) -> GraphBatch:
        return GraphBatch.of(table.union(rows))

    loader = DataLoader([as_data(graph) for graph in to_pyg(rows, "variant")], batch_sampler=chosen)
    for ours, theirs in zip(map(collate, chosen), loader, strict=True):
        assert ours.x.equal(theirs.x)
        assert ours.edge_index.equal(theirs.edge_index)
        assert ours.edge_attr.equal(theirs.edge_attr)
        assert ours.boundary.equal(theirs.boundary_mask.nonzero().flatten())
        assert ours.batch.equal(theirs.batch)
    # In turn, so that a busy machine slows both down alike; the best of each.
    seconds = [(time_pass(map(collate, chosen)), time_pass(loader)) for _ in range(REPEATS)]
    fast, slow = (min(column) / NUM_BATCHES for column in zip(*seconds, strict=True))
    print(f"{BATCH_SIZE} subgraphs of {table.num_nodes.mean():.0f} nodes and {table.num_edges.mean():.0f} edges")
    print(f"from Arrow memory  {1000 * fast:7.2f} ms a batch")
    print(f"DataLoader         {1000 * slow:7.2f} ms a batch")
    print(f"ratio {slow / fast:.1f} (to reach: 10)")
    return fast


def as_data(graph: Any) -> Data:
    """The tensors alone: what else `to_pyg` gives would slow the DataLoader down."""
    names = ("x", "edge_index", "edge_attr", "boundary_mask", "num_nodes")
    return Data(**{name: getattr(graph, name) for name in names})


def time_pass(batches: Any) -> float:
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def time_step(rows: datasets.Dataset, name: str, vocabulary_size: int) -> float:
    """The seconds of a training step after its batch was made, the best of several."""
    batch, y = mask_boundary(GraphBatch.of(GraphTable(rows, "variant").union(np.arange(BATCH_SIZE))))
    model = build_model("operator", name, vocabulary_size)
    optimizer = torch.optim.Adam(model.parameters())
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        optimizer.zero_grad()
        functional.cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
