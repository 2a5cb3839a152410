"""The stratified split: what can be learned of families is in train, in the shares that are promised."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.assemble.previous import read_previous
from builders.assemble.split.stratified import stratified_splits
from younger_hf import load

SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def rows(sizes: list[int]) -> tuple[list[str], list[str]]:
    """The keys and families of some rows, given how many each family has."""
    families = [f"family {number}" for number, size in enumerate(sizes) for _ in range(size)]
    return [str(number) for number in range(len(families))], families


def of_family(families: list[str], splits: list[str]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {family: Counter() for family in families}
    for family, split in zip(families, splits, strict=True):
        counts[family][split] += 1
    return counts


@given(SIZES)
def test_every_family_has_a_row_in_train(sizes: list[int]):
    keys, families = rows(sizes)
    assert all(counts["train"] for counts in of_family(families, stratified_splits(keys, families)).values())


@given(SIZES)
def test_the_shares_hold_but_for_families_of_one_row(sizes: list[int]):
    keys, families = rows(sizes)
    splits = stratified_splits(keys, families)
    alone = Counter(families)
    counts = Counter(split for family, split in zip(families, splits, strict=True) if alone[family] > 1)
    total = sum(counts.values())
    for split, share in {"train": 0.8, "validation": 0.1, "test": 0.1}.items():
        assert abs(counts[split] - share * total) < 2


def test_a_large_family_is_divided_by_the_shares():
    keys, families = rows([100, 100])
    for counts in of_family(families, stratified_splits(keys, families)).values():
        assert counts == {"train": 80, "validation": 10, "test": 10}


@given(SIZES, st.integers(0, 3))
def test_the_order_of_rows_decides_nothing_and_the_seed_does(sizes: list[int], seed: int):
    keys, families = rows(sizes)
    splits = stratified_splits(keys, families, seed=seed)
    backwards = stratified_splits(keys[::-1], families[::-1], seed=seed)
    assert backwards[::-1] == splits


def test_another_seed_gives_another_split():
    keys, families = rows([20])
    assert stratified_splits(keys, families, seed=1) != stratified_splits(keys, families, seed=2)


@given(SIZES, SIZES)
def test_what_is_published_stays_and_new_families_have_a_row_in_train(before: list[int], after: list[int]):
    keys, families = rows(before)
    splits = stratified_splits(keys, families)
    more = [f"family {number}" for number, size in enumerate(after) for _ in range(size)]
    grown = stratified_splits(
        [*keys, *(f"new {i}" for i in range(len(more)))], families + more, [*splits, *[None] * len(more)]
    )
    assert grown[: len(splits)] == splits
    assert all(counts["train"] for counts in of_family(families + more, grown).values())


@pytest.mark.parametrize(("config", "key"), [("graphs", "fingerprint"), ("graphs-no-attributes", "type_fingerprint")])
def test_a_release_has_it_and_the_next_one_reads_it(zoo: Path, config: str, key: str):
    rows = load(config, "all", zoo / "younger")
    keys, families, splits = (rows[column][:] for column in (key, "family", "stratified_split"))
    assert splits == stratified_splits(keys, [family or "" for family in families])
    assert read_previous(zoo / "younger").stratified[config] == dict(zip(keys, splits, strict=True))
    for name, part in load(config, source=zoo / "younger", split_scheme="stratified").items():
        assert sorted(part[key]) == sorted(one for one, split in zip(keys, splits, strict=True) if split == name)
