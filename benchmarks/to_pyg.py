"""Iterating `to_pyg(dataset)` against iterating the same rows through `with_format("torch")`.

    python benchmarks/to_pyg.py [RELEASE] [--rows 1000]

Without a release it makes one: torchvision architectures are exported, extracted and written with the schema of
config `graphs`, each under many names until there are enough rows (the graphs are real, the names are not). Prints
graphs per CPU second and the ratios: over the whole config, and over only the columns that `to_pyg` reads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import torch
import torchvision
import yaml

from younger_hf import Vocabulary, load, to_pyg
from younger_hf.dataset import to_columns
from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.plots.preview import preview
from younger_hf.release import SCHEMA_VERSION_KEY
from younger_hf.schema import MASK, SCHEMA_VERSION, UNKNOWN, features

ARCHITECTURES = ("resnet50", "densenet121", "mobilenet_v3_large", "efficientnet_b0", "vit_b_16", "swin_t")
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", nargs="?", type=Path, help="a release directory; one is made if left out")
    parser.add_argument("--rows", type=int, default=1000, help="how many rows to make")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as scratch:
        datasets.config.HF_DATASETS_CACHE = Path(scratch) / "cache"
        release = arguments.release or make_release(Path(scratch) / "younger", arguments.rows)
        measure(datasets.concatenate_datasets(list(load("graphs", source=release).values())))


def measure(dataset: datasets.Dataset) -> None:
    pyg = to_pyg(dataset)
    whole = dataset.with_format("torch")
    selected = pyg.dataset.with_format("torch")
    nodes = statistics.mean(dataset.with_format("numpy")["num_nodes"][:])
    print(f"{len(dataset)} graphs of {nodes:.0f} nodes on average")
    # CPU seconds, in turn, so that a busy machine slows all of them down alike; the best of each.
    contenders = {
        "to_pyg": pyg,
        "torch format": whole,
        "torch format, same columns": selected,
    }
    seconds = [[time_pass(rows) for rows in contenders.values()] for _ in range(REPEATS)]
    best = [min(column) for column in zip(*seconds, strict=True)]
    for name, time_of_all in zip(contenders, best, strict=True):
        print(f"{name:28} {len(dataset) / time_of_all:10,.0f} graphs per CPU second")
    fast, slow, slow_selected = best
    print(f"ratio over the whole config {slow / fast:.1f} (to reach: 20)")
    print(f"ratio over the same columns {slow_selected / fast:.1f} (to reach: 7)")


def time_pass(rows: Iterable[Any]) -> float:
    start = time.process_time()
    for _ in rows:
        pass
    return time.process_time() - start


def make_release(directory: Path, num_rows: int) -> Path:
    """Write configs `graphs` and `operators` of a release of torchvision's architectures."""
    graphs = {name: export(name, directory.parent) for name in ARCHITECTURES}
    operators = [operator for graph in graphs.values() for operator in graph.operator]
    types = [UNKNOWN, MASK, *sorted({operator.type_label for operator in operators})]
    variants = [UNKNOWN, MASK, *sorted({operator.label for operator in operators})]
    types_of = {operator.label: types.index(operator.type_label) for operator in operators}
    vocabulary = Vocabulary(types, variants, [0, 1, *(types_of[label] for label in variants[2:])])
    made = {name: row(name, graph, vocabulary) for name, graph in graphs.items()}
    rows = [
        {**made[ARCHITECTURES[i % len(graphs)]], "fingerprint": f"{i:032x}", "name": f"architecture-{i}"}
        for i in range(num_rows)
    ]
    table = datasets.Dataset.from_list(rows, features("graphs", vocabulary.operators))
    (directory / "graphs").mkdir(parents=True)
    table.to_parquet(directory / "graphs" / "train.parquet")
    files = [{"split": "train", "path": "graphs/train.parquet"}]
    card = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": [{"config_name": "graphs", "data_files": files}]}
    (directory / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    return directory


def export(name: str, directory: Path) -> OperatorGraph:
    model = torchvision.models.get_model(name, weights=None).eval()
    path = directory / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, torch.zeros(1, 3, 224, 224), path, dynamo=False)
    return extract(path)


def row(name: str, graph: OperatorGraph, vocabulary: Vocabulary) -> dict[str, Any]:
    model = {
        **dict.fromkeys(("source", "id", "revision", "origin", "task", "license"), f"torchvision/{name}"),
        "retrieved": "2026-11-24",
        "num_parameters": graph.metadata.num_parameters,
        "downloads": 1000,
        "likes": 10,
        "tags": ["image-classification", "torchvision", "pytorch"],
    }
    counts = graph.operator_counts()
    return {
        **{column: name if kind == datasets.Value("string") else None for column, kind in features("graphs").items()},
        "exact": True,
        "opset": graph.metadata.opset,
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "depth": int(graph.levels().max()),
        "num_operator_types": len(counts),
        "num_parameters": graph.metadata.num_parameters,
        "num_skeletons": 1,
        "num_models": 3,
        "downloads": 1000,
        "has_control_flow": bool((graph.scope >= 0).any()),
        "is_quantized": False,
        "summary": " ".join(f"{label}x{count}" for label, count in counts.items()),
        "preview": {"bytes": preview(graph), "path": None},
        "models": [model] * 3,
        "evaluations": [],
        "paper_split": "train",
        **to_columns(graph, vocabulary),
    }


if __name__ == "__main__":
    main()
