"""A release after a release: ids never change, rows keep their splits, and what cannot be read is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.ledgers import Attempt, fill
from support.releases import every_row, files, table

from builders.assemble import ReleaseReport, assemble
from builders.assemble.previous import KEPT, read_previous
from builders.model_ref import ModelRef
from younger_hf import Vocabulary
from younger_hf.errors import ReleaseError

# New members of known families, a new model of a known row, and new families: a fifth of all models.
LATER = ("resnet34", "mobilenet_v3_small", "efficientnet_b0", "regnet_x_400mf", "someone/mobilenet-tuned")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, attempts: list[Attempt]) -> tuple[Path, Path, ReleaseReport]:
    """A release, one that is built upon it with more models, and the report of that."""
    directory = tmp_path_factory.mktemp("two")
    with fill(directory / "first-work", [one for one in attempts if one[0].id not in LATER]) as ledger:
        assemble(ledger, directory / "first")
    with fill(directory / "second-work", attempts) as ledger:
        report = assemble(ledger, directory / "second", previous=directory / "first")
    return directory / "first", directory / "second", report


def splits(release: Path, config: str) -> dict[str, str]:
    return {row[KEPT[config]]: split for split, rows in table(release, config).items() for row in rows}


def test_ids_of_operators_never_change(two: tuple[Path, Path, ReleaseReport]) -> None:
    before, after = (Vocabulary.load(release) for release in two[:2])
    assert after.operators[: len(before.operators)] == before.operators
    assert after.variants[: len(before.variants)] == before.variants
    assert len(after.operators) > len(before.operators)
    assert len(after.variants) > len(before.variants)


def test_a_row_that_was_published_means_the_same_numbers(two: tuple[Path, Path, ReleaseReport]) -> None:
    before, after = ({row["fingerprint"]: row for row in every_row(release, "graphs")} for release in two[:2])
    for fingerprint, row in before.items():
        for column in ("node_operator", "node_variant", "node_scope", "edge_index", "edge_slot"):
            assert after[fingerprint][column] == row[column]


@pytest.mark.parametrize("config", KEPT)
def test_no_row_changes_its_split(two: tuple[Path, Path, ReleaseReport], config: str) -> None:
    before, after = (splits(release, config) for release in two[:2])
    assert len(after) > len(before)
    assert {key: after[key] for key in before} == before


def test_a_new_member_of_a_family_goes_where_the_family_is(two: tuple[Path, Path, ReleaseReport]) -> None:
    sides = {
        model["id"]: split == "train"
        for split, rows in table(two[1], "graphs").items()
        for row in rows
        for model in row["models"]
    }
    assert sides["resnet34"] == sides["resnet18"] == sides["resnet50"]
    assert sides["mobilenet_v3_small"] == sides["mobilenet_v2"] == sides["someone/mobilenet-tuned"]


def test_nothing_leaks_and_no_sides_are_in_conflict(two: tuple[Path, Path, ReleaseReport]) -> None:
    report = two[2]
    assert report.conflicts == 0
    graphs = [leak for leak in report.leaks if not leak.config.startswith("subgraphs")]
    assert [leak.by_family.count for leak in graphs] == [0] * 5


def test_families_that_turn_out_to_share_a_graph_stay_where_they_were_and_are_reported(
    two: tuple[Path, Path, ReleaseReport], attempts: list[Attempt], tmp_path: Path
) -> None:
    first = table(two[0], "graphs")
    held_out = next(row for split in ("validation", "test", "unseen") for row in first.get(split, ()))
    trained = next(row for row in first["train"])
    known = {(model.source, model.id): (model, converted) for model, converted in attempts}
    family = known[held_out["source"], held_out["name"]][0].family
    _, converted = known[trained["source"], trained["name"]]
    published = [one for one in attempts if one[0].id not in LATER]
    with fill(tmp_path / "work", [*published, (ModelRef("hub", "someone/copy", family=family), converted)]) as ledger:
        report = assemble(ledger, tmp_path / "younger", previous=two[0])
    assert {config: splits(tmp_path / "younger", config) for config in KEPT} == {
        config: splits(two[0], config) for config in KEPT
    }
    assert report.conflicts == 1
    leak = next(leak for leak in report.leaks if leak.relation == "a model of the same family or backbone")
    assert leak.by_family.count >= 1
    assert "1 groups of families are in several splits" in str(report)


def test_a_release_built_upon_itself_is_the_same(
    release: tuple[Path, ReleaseReport], attempts: list[Attempt], tmp_path: Path
) -> None:
    with fill(tmp_path / "work", attempts) as ledger:
        assemble(ledger, tmp_path / "younger")
        assemble(ledger, tmp_path / "younger", previous=tmp_path / "younger", seed=99)
    assert files(tmp_path / "younger") == files(release[0])


def test_what_a_release_has_promised_is_read_from_it(release: tuple[Path, ReleaseReport]) -> None:
    previous = read_previous(release[0])
    assert previous.vocabulary is not None
    assert previous.vocabulary.operators == Vocabulary.load(release[0]).operators
    assert {config: Counter(of_config.values()) for config, of_config in previous.splits.items()} == {
        config: Counter(release[1].rows[config]) for config in KEPT
    }


def test_a_release_says_how_many_rows_it_adds_changes_and_removes(two: tuple[Path, Path, ReleaseReport]) -> None:
    before, after = ({row["fingerprint"]: row for row in every_row(release, "graphs")} for release in two[:2])
    columns = set(next(iter(before.values()))) - {"edge_index", "edge_slot", "node_operator", "node_variant"}
    changed = [key for key, row in before.items() if any(row[name] != after[key][name] for name in columns)]
    expected = ["graphs", str(len(after) - len(before)), str(len(changed)), "0"]
    assert expected in [line.split() for line in str(two[2]).splitlines()]
    assert f"{two[0]} -> {two[1]}" in str(two[2]).splitlines()


def test_rows_are_not_lost_without_a_word(
    two: tuple[Path, Path, ReleaseReport], attempts: list[Attempt], tmp_path: Path
) -> None:
    fewer = [one for one in attempts if one[0].id not in ("mobilenet_v2", "someone/mobilenet-tuned", "resnet34")]
    with fill(tmp_path / "work", fewer) as ledger:
        refused = "2 of the architectures in .* would be lost, such as resnet34, .* allow it with --allow-removals"
        with pytest.raises(ReleaseError, match=refused):
            assemble(ledger, tmp_path / "younger", previous=two[1])
        assert not (tmp_path / "younger").exists()
        report = assemble(ledger, tmp_path / "younger", previous=two[1], allow_removals=True)
    assert report.changes is not None
    assert len(report.changes.configs["graphs"].removed) == 2


def test_without_a_release_before_nothing_is_promised() -> None:
    previous = read_previous(None)
    assert previous.vocabulary is None
    assert previous.split_of("graphs") == {}


def test_a_release_before_that_is_not_there_is_named(attempts: list[Attempt], tmp_path: Path) -> None:
    with fill(tmp_path / "work", attempts[:1]) as ledger, pytest.raises(ReleaseError, match="no-release"):
        assemble(ledger, tmp_path / "younger", previous=tmp_path / "no-release")
    assert not (tmp_path / "younger").exists()
