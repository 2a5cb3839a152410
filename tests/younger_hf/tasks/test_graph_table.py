"""A table of graphs gives the rows of a split as arrays, and needs no PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from younger_hf import load
from younger_hf.tasks.graph_table import GraphTable


@pytest.mark.parametrize("config", ["subgraphs", "graphs-no-attributes"])
def test_a_union_is_the_rows_one_after_the_other(zoo: Path, config: str) -> None:
    rows = load(config, "train", source=zoo / "younger")
    nodes = "node_variant" if config == "subgraphs" else "node_operator"
    graphs = GraphTable(rows, nodes.removeprefix("node_")).union(np.array([3, 0, 3]))
    chosen = [rows[number] for number in (3, 0, 3)]
    assert graphs.num_graphs == 3
    assert graphs.x.tolist() == [operator for row in chosen for operator in row[nodes]]
    assert np.diff(graphs.ptr).tolist() == [row["num_nodes"] for row in chosen]
    start, expected, slots, boundary = 0, [], [], []
    for row in chosen:
        expected += [
            (start + producer, start + consumer) for producer, consumer in zip(*row["edge_index"], strict=True)
        ]
        slots += zip(*row["edge_slot"], strict=True)
        boundary += [start + node for node in row.get("boundary", ())]
        start += row["num_nodes"]
    assert list(map(tuple, graphs.edge_index.T.tolist())) == expected
    assert list(map(tuple, graphs.edge_slot.T.tolist())) == slots
    assert graphs.boundary.tolist() == boundary


def test_parts_are_all_rows_in_their_order(zoo: Path) -> None:
    table = GraphTable(load("subgraphs", "train", source=zoo / "younger"), "variant")
    parts = list(table.parts(7))
    assert np.concatenate(parts).tolist() == list(range(len(table)))
    assert {len(part) for part in parts[:-1]} == {7}


def test_what_is_measured_is_imported_without_pytorch() -> None:
    code = """
import sys
from younger_hf.tasks import evaluation_set, evaluator, links, predictions
from younger_hf.tasks.task import TASKS
print(len([TASKS.find(name) for name in TASKS.names]), {"torch", "torch_geometric"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "6 set()\n"
