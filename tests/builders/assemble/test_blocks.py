"""Config `blocks` of a release of real networks: every block once, with where it occurs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.ledgers import conversion, export_torchvision, fill
from support.releases import every_row

from builders.assemble import assemble
from builders.measure.blocks import Block, find_blocks_in
from builders.model_ref import ModelRef

NAMES = ("resnet18", "resnet34", "alexnet")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("blocks")
    made = {name: conversion(export_torchvision(directory, name), "torchscript") for name in NAMES}
    with fill(directory / "work", ((ModelRef("torchvision", name), one) for name, one in made.items())) as ledger:
        assemble(ledger, directory / "younger")
    return directory / "younger"


@pytest.fixture(scope="module")
def found(release: Path) -> Mapping[str, list[Block]]:
    """The blocks of each graph, found one graph at a time."""
    return {
        row["fingerprint"]: find_blocks_in((row["onnx"], row["modules"].encode()))
        for row in every_row(release, "skeletons")
    }


def test_a_block_is_a_row_once_with_every_graph_that_has_it(release: Path, found: Mapping[str, list[Block]]) -> None:
    rows = every_row(release, "blocks")
    occurs_in: dict[str, list[str]] = defaultdict(list)
    for row in every_row(release, "graphs"):
        for block in found[row["fingerprint"]]:
            occurs_in[block.key].append(row["fingerprint"])
    assert {row["fingerprint"]: row["graphs"] for row in rows} == occurs_in
    assert [row["fingerprint"] for row in rows] == sorted(occurs_in)
    assert {row["num_graphs"] for row in rows} == {1, 2}
    assert all(row["num_graphs"] == len(row["graphs"]) for row in rows)


def test_a_row_sums_up_the_modules_that_are_its_block(release: Path, found: Mapping[str, list[Block]]) -> None:
    same: dict[str, list[Block]] = defaultdict(list)
    for blocks in found.values():
        for block in blocks:
            same[block.key].append(block)
    for row in every_row(release, "blocks"):
        blocks = same[row["fingerprint"]]
        depths = [depth for block in blocks for depth in block.depths]
        kinds = Counter(kind for block in blocks for kind in block.kinds if not kind.startswith("#"))
        assert row["num_occurrences"] == sum(len(block.kinds) for block in blocks) == len(depths)
        assert (row["min_depth"], row["max_depth"]) == (min(depths), max(depths))
        assert row["class_names"] == sorted(kinds, key=lambda kind: (-kinds[kind], kind))
        assert row["class_name"] == (row["class_names"] or [None])[0]
        assert row["exact"]
        assert (row["num_nodes"], row["node_scope"]) == (len(blocks[0].node), blocks[0].scope.tolist())
        assert [list(pair) for pair in row["edge_index"]] == blocks[0].edge_index.tolist()
