"""The splits of a release of real models: nothing leaks, in no config, and the paper's scheme is what it says."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from support.ledgers import Attempt
from support.releases import Row, every_row, table

from builders.assemble import ReleaseReport
from builders.assemble.families import split_families
from builders.assemble.split.assignment import paper_splits
from builders.assemble.split.leaks import Share, share_with_train
from builders.assemble.split.placement import Ragged, codes, split_name
from younger_hf import Vocabulary

OPERATORS = {
    "graphs": "node_variant",
    "graphs-no-attributes": "node_operator",
    "subgraphs": "node_variant",
    "subgraphs-no-attributes": "node_operator",
}
"""The configs with splits, and the column of the operators that count there."""

PARENTS = {"subgraphs": "graphs", "subgraphs-no-attributes": "graphs-no-attributes"}


@pytest.fixture(scope="module")
def younger(release: tuple[Path, ReleaseReport]) -> Path:
    return release[0]


def key(row: Row) -> str:
    return str(row.get("fingerprint") or row["type_fingerprint"])


@pytest.fixture(scope="module")
def families(younger: Path, attempts: list[Attempt]) -> dict[str, set[str]]:
    """The families of each row of `graphs` and `graphs-no-attributes`, by key."""
    family = {(model.source, model.id): split_families(model) for model, _ in attempts}
    found: dict[str, set[str]] = defaultdict(set)
    for row in every_row(younger, "graphs"):
        names = set().union(*(family[model["source"], model["id"]] for model in row["models"]))
        found[row["fingerprint"]] |= names
        found[row["type_fingerprint"]] |= names
    return found


@pytest.mark.parametrize("config", OPERATORS)
def test_every_config_has_rows_to_train_on_and_rows_held_out(younger: Path, config: str) -> None:
    splits = table(younger, config)
    assert len(splits["train"]) > sum(len(rows) for split, rows in splits.items() if split != "train") > 0


def test_a_family_is_on_one_side_in_all_configs_alike(younger: Path, families: dict[str, set[str]]) -> None:
    sides: dict[str, set[str]] = defaultdict(set)
    for config in ("graphs", "graphs-no-attributes"):
        for split, rows in table(younger, config).items():
            for row in rows:
                for family in families[key(row)]:
                    sides[family].add(split)
    for splits in sides.values():
        assert splits == {"train"} or len(splits - {"unseen"}) <= 1
        assert splits == {"train"} or "train" not in splits


def test_graphs_that_are_alike_without_attributes_are_on_one_side(younger: Path) -> None:
    side = {
        row["type_fingerprint"]: split == "train"
        for split, rows in table(younger, "graphs-no-attributes").items()
        for row in rows
    }
    for split, rows in table(younger, "graphs").items():
        assert all(side[row["type_fingerprint"]] == (split == "train") for row in rows)


@pytest.mark.parametrize("config", PARENTS)
def test_a_held_out_subgraph_is_no_part_of_a_graph_of_train(younger: Path, config: str) -> None:
    side = {key(row): split for split, rows in table(younger, PARENTS[config]).items() for row in rows}
    for split, rows in table(younger, config).items():
        for row in rows:
            found_in = {side[graph] for graph in row["graphs"]}
            if split == "train":
                assert "train" in found_in or len(found_in) > 1
            elif split == "unseen":
                assert "train" not in found_in
            else:
                assert found_in <= {split, "unseen"}


@pytest.mark.parametrize(("config", "column"), OPERATORS.items())
def test_train_has_every_operator_of_validation_and_test_and_lacks_one_of_each_unseen_row(
    younger: Path, config: str, column: str
) -> None:
    splits = table(younger, config)
    known = {number for row in splits["train"] for number in row[column]}
    for split, rows in splits.items():
        for row in rows:
            assert (set(row[column]) <= known) == (split != "unseen")


@pytest.mark.parametrize("config", OPERATORS)
def test_every_id_in_every_row_is_in_the_vocabulary(younger: Path, config: str) -> None:
    vocabulary = Vocabulary.load(younger)
    for row in every_row(younger, config):
        assert min(row["node_operator"]) >= 2
        assert max(row["node_operator"]) < len(vocabulary.operators)
        if "node_variant" in row:
            assert min(row["node_variant"]) >= 2
            assert vocabulary.operator_of_variant[row["node_variant"]].tolist() == row["node_operator"]


@pytest.mark.parametrize(("config", "column"), OPERATORS.items())
def test_the_scheme_of_the_paper_reproduces_with_its_seed(younger: Path, config: str, column: str) -> None:
    rows = every_row(younger, config)
    sizes = [(row["num_nodes"], row["num_edges"], key(row)) for row in rows]
    operators = [set(row[column]) for row in rows]

    def lacking(train: np.ndarray) -> np.ndarray:
        known = set().union(*(operators[row] for row in np.flatnonzero(train)))
        return np.array([not row <= known for row in operators], np.bool_)

    drawn = paper_splits(np.array(sorted(range(len(sizes)), key=sizes.__getitem__), np.int64), lacking, seed=1234)
    assert list(map(split_name, drawn)) == [row["paper_split"] for row in rows]
    assert {row["paper_split"] for row in rows} > {"train", "test"}


def test_the_report_says_that_nothing_leaks_and_how_much_the_scheme_of_the_paper_does(
    release: tuple[Path, ReleaseReport], families: dict[str, set[str]]
) -> None:
    younger, report = release
    leaks = {(leak.config, leak.relation): leak for leak in report.leaks}
    assert len(leaks) == 7
    assert all(leak.by_family.count == 0 and leak.by_family.of > 0 for leak in leaks.values())
    for config in ("graphs", "graphs-no-attributes"):
        rows = every_row(younger, config)
        train = set().union(*(families[key(row)] for row in rows if row["paper_split"] == "train"))
        held_out = [row for row in rows if row["paper_split"] in ("validation", "test")]
        expected = Share(sum(not train.isdisjoint(families[key(row)]) for row in held_out), len(held_out))
        assert leaks[config, "a model of the same family or backbone"].by_paper == expected
    for config in PARENTS:
        rows = every_row(younger, config)
        train = {graph for row in rows if row["paper_split"] == "train" for graph in row["graphs"]}
        held_out = [row for row in rows if row["paper_split"] in ("validation", "test")]
        expected = Share(sum(not train.isdisjoint(row["graphs"]) for row in held_out), len(held_out))
        assert leaks[config, "a part of the same graph"].by_paper == expected
        assert expected.count > 0.9 * expected.of
    assert "| `subgraphs` | a part of the same graph | 0 of " in (younger / "README.md").read_text()


def ragged(*rows: set[int]) -> Ragged:
    pairs = [(row, thing) for row, things in enumerate(rows) for thing in sorted(things)]
    return Ragged(*np.array(pairs, np.int32).reshape(-1, 2).T)


def test_a_held_out_row_leaks_if_train_has_a_relative() -> None:
    splits = codes(["train", "test", "validation", None, "unseen"])
    relatives = ragged({1, 2}, {2, 3}, {4}, {1}, {1})
    assert share_with_train(splits, relatives) == Share(2, 3)
    assert share_with_train(splits, relatives, ragged({1})) == Share(1, 3)
    assert share_with_train(splits, relatives, ragged()) == Share(0, 3)
