"""The card's blocks are those that most graphs have, of a size that says something."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from builders.assemble.describe.shared_blocks import LEAST_SHOWN, shared_blocks
from younger_hf.release import open_release
from younger_hf.vocabulary import Vocabulary

YOUNGER = Path(__file__).parents[4] / "younger"


def test_blocks_of_a_release_are_ordered_by_how_many_graphs_have_them() -> None:
    release = open_release(YOUNGER)
    paths = [Path(file) for file in release.parquet_files("blocks")["train"]]
    shown = shared_blocks(paths, Vocabulary.load(YOUNGER))
    counts = pq.read_table(paths, columns=["num_graphs", "num_nodes"]).to_pylist()
    expected = sorted((row["num_graphs"] for row in counts if row["num_nodes"] >= LEAST_SHOWN), reverse=True)
    assert [block.num_graphs for block in shown] == expected[:10]
    assert {"Mlp", "Attention"} <= {block.name for block in shown if block.library == "timm"}
    for block in shown:
        named = [int(each.rpartition("×")[2]) for each in block.operators.removesuffix(" …").split()]
        assert sum(named) == block.num_nodes or block.operators.endswith(" …")


def test_a_block_of_no_known_library_has_no_name(tmp_path: Path) -> None:
    row = {"class_name": None, "fingerprint": "f", "num_graphs": 2, "num_nodes": 5, "num_occurrences": 3}
    pq.write_table(pa.Table.from_pylist([{**row, "node_operator": [2] * 5}]), tmp_path / "blocks.parquet")
    vocabulary = Vocabulary.load(YOUNGER)
    (block,) = shared_blocks([tmp_path / "blocks.parquet"], vocabulary)
    assert (block.name, block.library, block.operators) == (None, "", f"{vocabulary.operators[2]}×5")
