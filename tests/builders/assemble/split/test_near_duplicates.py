"""Rows that are much alike are on one side, unless a large part of a release would hang together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ledgers import Attempt, fill
from support.releases import files, table

from builders.assemble import ReleaseReport, assemble, assembly
from builders.assemble.split import placement
from builders.assemble.split.near_duplicates import SIMILAR, join_pairs, likely_pairs, similar_pairs


def similarity(one: list[int], other: list[int]) -> float:
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


def test_pairs_are_those_of_a_comparison_of_all_with_all_the_most_similar_first() -> None:
    generator = np.random.default_rng(0)
    base = generator.integers(0, 50, (20, 16))
    sketches = [(row + generator.integers(0, 4, 16)).tolist() for row in base for _ in range(6)]
    generator.shuffle(sketches)
    expected = sorted(
        (-similarity(sketches[i], sketches[j]), j, i)
        for i in range(len(sketches))
        for j in range(i)
        if similarity(sketches[i], sketches[j]) >= SIMILAR
    )
    assert len(expected) > 100
    assert similar_pairs(np.array(sketches)).tolist() == [[one, other] for _, one, other in expected]


def test_no_sketches_make_no_pairs() -> None:
    assert similar_pairs(np.zeros((0, 0), np.int32)).tolist() == []
    assert similar_pairs(np.zeros((2, 2), np.int32)).tolist() == []


def test_of_many_rows_those_with_like_minhashes_are_compared(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    base, hashes = generator.integers(0, 50, (20, 256)), generator.integers(0, 256, (20, 128))
    sketches = np.repeat(base, 3, axis=0) + generator.integers(0, 4, (60, 256))
    other = generator.random((60, 128)) < 0.05
    minhashes = np.where(other, generator.integers(0, 256, (60, 128)), np.repeat(hashes, 3, axis=0)).astype(np.uint8)
    found = likely_pairs(np.array_split(minhashes, 7), lambda row: sketches[row].astype(np.int32), tmp_path)
    assert len(found) == 60
    assert found.tolist() == similar_pairs(sketches.astype(np.int32)).tolist()


def test_a_chain_of_pairs_does_not_join_a_large_part_of_a_release() -> None:
    rows = 1000
    chain = [(number, number + 1) for number in range(rows - 1)]
    one_each = np.ones(rows, np.int64)
    joined = join_pairs(np.arange(rows), one_each, np.array(chain))
    lengths = [len(run) + 1 for run in "".join("10"[not each] for each in joined).split("0")]
    assert max(lengths) == 100
    # What is one group already stays one, however large.
    assert join_pairs(np.zeros(rows, np.int64), one_each, np.array(chain)).all()


def test_the_largest_group_of_families_may_grow_by_a_tenth() -> None:
    groups = np.concatenate([np.zeros(300, np.int64), 1 + np.arange(700)])
    joined = join_pairs(groups, np.ones(1000, np.int64), np.array([(0, 300 + number) for number in range(700)]))
    assert joined.tolist() == [True] * 30 + [False] * 670


def test_similar_rows_are_on_one_side_of_a_release(release: tuple[Path, ReleaseReport]) -> None:
    rows = [(split != "train", row) for split, found in table(release[0], "graphs").items() for row in found]
    pairs = [
        (one["name"], other["name"], left, right)
        for number, (left, one) in enumerate(rows)
        for right, other in rows[:number]
        if similarity(one["sketch"], other["sketch"]) >= SIMILAR
    ]
    assert {"bvlc_alexnet", "zfnet512"} in [{one, other} for one, other, _, _ in pairs]
    assert [(one, other) for one, other, left, right in pairs if left != right] == []
    leaks = [leak for leak in release[1].leaks if leak.relation == "a near-duplicate"]
    assert [(leak.config, leak.by_family.count) for leak in leaks] == [("graphs", 0), ("graphs-no-attributes", 0)]
    assert all(leak.by_paper.count > 0 for leak in leaks)


def test_a_release_of_more_rows_than_are_compared_has_the_same_bytes(
    release: tuple[Path, ReleaseReport], attempts: list[Attempt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "ALL_COMPARED", 8)
    monkeypatch.delattr(assembly, "similar_pairs")
    with fill(tmp_path / "work", attempts) as ledger:
        assemble(ledger, tmp_path / "younger")
    assert files(tmp_path / "younger") == files(release[0])


@pytest.mark.slow
def test_similar_rows_that_are_not_joined_are_counted_as_leaks(
    attempts: list[Attempt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "join_pairs", lambda _groups, _sizes, pairs: [False] * len(pairs))
    with fill(tmp_path / "work", attempts) as ledger:
        counts = [
            leak.by_family.count
            for seed in range(4)
            for leak in assemble(ledger, tmp_path / "younger", seed=seed).leaks
            if leak.relation == "a near-duplicate"
        ]
    assert max(counts) > 0
