"""The subgraph configs of a release of real models: every community with a boundary, once, with its graphs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from support.releases import every_row, table

import younger_hf
from builders.assemble import ReleaseReport
from builders.assemble.split.assignment import size_deciles
from builders.measure.cut import find_subgraphs
from younger_hf import Vocabulary
from younger_hf.interop.pyg import to_pyg

CONFIGS = {"subgraphs": "graphs", "subgraphs-no-attributes": "graphs-no-attributes"}


@pytest.fixture(scope="module")
def younger(release: tuple[Path, ReleaseReport]) -> Path:
    return release[0]


@pytest.mark.parametrize(("config", "parent"), CONFIGS.items())
def test_the_rows_are_what_is_cut_from_the_graphs_of_the_release(
    release: tuple[Path, ReleaseReport], config: str, parent: str
) -> None:
    younger, report = release
    vocabulary = Vocabulary.load(younger)
    rows = {row["fingerprint"]: row for row in every_row(younger, config)}
    occurs_in: dict[str, set[str]] = defaultdict(set)
    found_in_all = 0
    for graph_row in every_row(younger, parent):
        key = graph_row.get("fingerprint") or graph_row["type_fingerprint"]
        found = find_subgraphs(younger_hf.to_graph(graph_row, vocabulary), attributes=config == "subgraphs")
        found_in_all += len(found.keys)
        for part, fingerprint in enumerate(found.keys):
            occurs_in[fingerprint].add(key)
            row = rows[fingerprint]
            nodes = slice(*found.node_starts[part : part + 2])
            edges = slice(*found.edge_starts[part : part + 2])
            operators = [found.operators[number] for number in found.node[nodes]]
            graph = younger_hf.to_graph(row, vocabulary)
            assert list(graph.operator) == operators
            assert graph.edge_index.tolist() == found.edge_index[:, edges].tolist()
            assert graph.edge_slot.tolist() == found.edge_slot[:, edges].tolist()
            assert row["boundary"] == [at for at, flag in enumerate(found.boundary[nodes].tolist()) if flag]
            assert (row["num_nodes"], row["num_edges"]) == (graph.num_nodes, graph.num_edges)
            assert 0 < row["num_boundary"] == len(row["boundary"]) < row["num_nodes"]
    assert {fingerprint: set(row["graphs"]) for fingerprint, row in rows.items()} == occurs_in
    assert all(row["num_graphs"] == len(row["graphs"]) for row in rows.values())
    counts = report.subgraphs[config]
    assert (counts.found, counts.unique, counts.inexact) == (found_in_all, len(rows), 0)
    assert max(row["num_graphs"] for row in rows.values()) > 1


def test_without_attributes_there_are_fewer(younger: Path) -> None:
    assert len(every_row(younger, "subgraphs-no-attributes")) < len(every_row(younger, "subgraphs"))


@pytest.mark.parametrize("config", CONFIGS)
def test_rows_stand_in_the_order_of_size_decile_and_fingerprint(younger: Path, config: str) -> None:
    rows = every_row(younger, config)
    deciles = size_deciles([row["num_nodes"] for row in rows]).tolist()
    place = {row["fingerprint"]: (decile, row["fingerprint"]) for row, decile in zip(rows, deciles, strict=True)}
    for split in table(younger, config).values():
        places = [place[row["fingerprint"]] for row in split]
        assert places == sorted(places)


def test_a_subgraph_becomes_a_learning_task(younger: Path) -> None:
    dataset = to_pyg(younger_hf.load("subgraphs", "train", younger), vocabulary="variant")
    for data in dataset:
        assert data.boundary_mask.sum() > 0
        assert (~data.boundary_mask).sum() > 0
        assert data.edge_index.max() < data.num_nodes
