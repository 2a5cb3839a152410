"""Rows that must not be parted: near-duplicates are on one side, and the report says what of them leaks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from support.ledgers import Attempt, fill
from support.releases import table

from builders.assemble import ReleaseReport, assemble


def splits(release: Path) -> dict[str, str]:
    return {row["fingerprint"]: split for split, rows in table(release, "graphs").items() for row in rows}


def near_leaks(report: ReleaseReport) -> Iterable[tuple[str, int]]:
    return [(leak.config, leak.by_family.count) for leak in report.leaks if leak.relation == "a near-duplicate"]


@pytest.fixture(scope="module")
def parted(release: tuple[Path, ReleaseReport]) -> tuple[str, str]:
    """A row of train and a held-out one."""
    of = splits(release[0])
    train = min(key for key, split in of.items() if split == "train")
    return train, min(key for key, split in of.items() if split != "train")


def test_near_duplicates_are_on_one_side(
    release: tuple[Path, ReleaseReport], parted: tuple[str, str], attempts: list[Attempt], tmp_path: Path
) -> None:
    of = splits(release[0])
    assert (of[parted[0]] == "train") != (of[parted[1]] == "train")
    with fill(tmp_path / "work", attempts) as ledger:
        report = assemble(ledger, tmp_path / "younger", near_duplicates=[parted, ("no such", parted[0])])
    joined = splits(tmp_path / "younger")
    assert (joined[parted[0]] == "train") == (joined[parted[1]] == "train")
    assert near_leaks(report) == [("graphs", 0), ("graphs-no-attributes", 0)]


def test_near_duplicates_that_are_published_apart_stay_there_and_are_counted(
    release: tuple[Path, ReleaseReport], parted: tuple[str, str], attempts: list[Attempt], tmp_path: Path
) -> None:
    with fill(tmp_path / "work", attempts) as ledger:
        report = assemble(ledger, tmp_path / "younger", previous=release[0], near_duplicates=[parted])
    assert splits(tmp_path / "younger") == splits(release[0])
    assert near_leaks(report) == [("graphs", 1), ("graphs-no-attributes", 1)]
    assert "have a near-duplicate in train" in str(report)
