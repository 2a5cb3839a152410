"""Splits: free of leaks by family, balanced, repeatable; and the paper's scheme to the letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.assemble.split import assignment
from builders.assemble.split.assignment import PAPER_SEED, assign_groups, join_families, size_deciles
from builders.assemble.split.placement import codes, split_name

PAPER_TEST_ROWS_OF_150 = [5, 28, 38, 48, 71, 75, 93, 118, 126, 138]


def lacking(operators: Sequence[Collection[str]]) -> assignment.Lacking:
    """Which rows have an operator that none of train has, found by sets."""

    def found(train: np.ndarray) -> np.ndarray:
        known = set().union(*(row for row, is_train in zip(operators, train, strict=True) if is_train))
        return np.array([not known.issuperset(row) for row in operators], np.bool_)

    return found


def set_apart_unseen(
    splits: Sequence[str], operators: Sequence[Collection[str]], published: Sequence[str | None] | None = None
) -> list[str | None]:
    stays = codes(published or [None] * len(splits))
    return list(map(split_name, assignment.set_apart_unseen(codes(splits), stays, lacking(operators))))


def paper_splits(
    sizes: Sequence[tuple[int, int, str]], operators: Sequence[Collection[str]], seed: int = PAPER_SEED
) -> list[str | None]:
    order = np.array(sorted(range(len(sizes)), key=sizes.__getitem__), np.int64)
    return list(map(split_name, assignment.paper_splits(order, lacking(operators), seed)))


def rows_in(assigned: dict[str, str], sizes: dict[str, list[int]]) -> Counter[str]:
    return Counter(assigned[group] for group, deciles in sizes.items() for _ in deciles)


def many_groups(seed: int = 0, number: int = 400) -> dict[str, list[int]]:
    random = np.random.default_rng(seed)
    return {f"g{i}": random.integers(0, 10, 1 + int(random.pareto(1.2))).tolist() for i in range(number)}


def test_families_that_share_a_row_are_one_group() -> None:
    group = join_families([{"resnet", "resnext"}, {"vit"}, {"resnext", "wide"}, {"swin", "vit"}])
    assert group["resnet"] == group["resnext"] == group["wide"] == "resnet"
    assert group["swin"] == group["vit"] == "swin"


@given(st.lists(st.sets(st.sampled_from("abcdefghij"), min_size=1), min_size=1, max_size=12), st.randoms())
def test_groups_do_not_depend_on_the_order_of_rows(rows: list[set[str]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert join_families(rows) == join_families(shuffled)


def test_a_split_is_eight_to_one_to_one_in_rows() -> None:
    sizes = many_groups()
    total = sum(map(len, sizes.values()))
    counts = rows_in(assign_groups(sizes, 1234), sizes)
    assert counts["validation"] == pytest.approx(0.1 * total, rel=0.1)
    assert counts["test"] == pytest.approx(0.1 * total, rel=0.1)


def test_every_split_has_its_share_of_every_size() -> None:
    sizes = many_groups()
    assigned = assign_groups(sizes, 1234)
    total = Counter(decile for deciles in sizes.values() for decile in deciles)
    held = Counter(decile for group, deciles in sizes.items() if assigned[group] == "test" for decile in deciles)
    assert all(0.05 < held[decile] / total[decile] < 0.17 for decile in range(10))


def test_the_assignment_follows_the_seed_and_not_the_order_of_groups() -> None:
    sizes = many_groups()
    backwards = dict(reversed(sizes.items()))
    assert assign_groups(sizes, 1234) == assign_groups(backwards, 1234)
    assert assign_groups(sizes, 1234) != assign_groups(sizes, 1235)


def test_a_family_larger_than_a_tenth_goes_to_train() -> None:
    sizes = {"huge": [5] * 60, **{f"g{i}": [i % 10] for i in range(40)}}
    assigned = assign_groups(sizes, 7)
    assert assigned["huge"] == "train"
    assert rows_in(assigned, sizes)["test"] == 10


@pytest.mark.parametrize("number", range(1, 12))
def test_a_tiny_release_has_a_train_split(number: int) -> None:
    sizes = {f"g{i}": [i % 10] for i in range(number)}
    counts = Counter(assign_groups(sizes, 1234).values())
    assert counts["train"] >= max(1, number - 4)
    assert counts["train"] + counts["validation"] + counts["test"] == number
    assert number < 3 or (counts["validation"] and counts["test"])


def test_new_groups_restore_the_shares_whatever_was_decided() -> None:
    chance = np.random.default_rng(1)
    new = {f"g{i}": chance.integers(0, 10, 1 + i % 7).tolist() for i in range(300)}
    rows = sum(map(len, new.values()))
    decile = chance.integers(0, 10, 3 * rows).tolist()
    for published in (
        {"train": decile},
        {"train": decile[rows // 2 :], "validation": decile[: rows // 2]},
        {"train": decile[: 2 * rows], "validation": decile[2 * rows : -rows // 2], "test": decile[-rows // 2 :]},
    ):
        counts = rows_in(assign_groups(new, 1234, published), new)
        held = {split: counts[split] + len(published.get(split, ())) for split in ("train", "validation", "test")}
        for split in ("validation", "test"):
            most = max(0.1 * 4 * rows, len(published.get(split, ())))
            assert 0.9 * 0.1 * 4 * rows <= held[split] <= most


def test_no_rows_have_no_splits() -> None:
    assert assign_groups({}, 1) == {}
    assert paper_splits([], []) == []
    assert size_deciles([]).tolist() == []


def test_a_held_out_row_with_an_operator_that_train_lacks_is_unseen() -> None:
    splits = ["train", "validation", "test", "test", "train"]
    operators = [{"Conv"}, {"Conv", "Relu"}, {"Erf"}, {"Relu"}, {"Relu", "Gemm"}]
    assert set_apart_unseen(splits, operators) == ["train", "validation", "unseen", "test", "train"]


def test_a_published_row_stays_though_train_has_its_operators_now_or_lost_them() -> None:
    sides = ["train", "test", "test", "validation"]
    operators = [{"Conv", "Relu"}, {"Conv"}, {"Erf"}, {"Erf"}]
    published = [None, "unseen", "test", None]
    assert set_apart_unseen(sides, operators, published) == ["train", "unseen", "test", "unseen"]


def test_the_paper_draws_a_tenth_of_each_of_ten_bins_of_equal_size() -> None:
    sizes = [(i, 2 * i, f"{i:04}") for i in range(1000)]
    splits = paper_splits(sizes, [{"Conv"}] * 1000)
    assert Counter(splits) == {"train": 800, "validation": 100, "test": 100}
    for start in range(0, 1000, 100):
        assert Counter(splits[start : start + 100]) == {"train": 80, "validation": 10, "test": 10}


def test_the_paper_scheme_reproduces_with_its_seed() -> None:
    sizes = [(i, 0, f"{i:04}") for i in range(150)]
    same = paper_splits(sizes, [{"Conv"}] * 150)
    assert same == paper_splits(sizes, [{"Conv"}] * 150, seed=1234)
    assert same != paper_splits(sizes, [{"Conv"}] * 150, seed=1235)
    # Held still, so that a release never changes its splits by itself.
    assert [i for i, split in enumerate(same) if split == "test"] == PAPER_TEST_ROWS_OF_150


def test_the_paper_scheme_does_not_depend_on_the_order_of_rows() -> None:
    sizes = [(i % 40, i % 7, f"{i:04}") for i in range(300)]
    order = np.random.default_rng(0).permutation(300).tolist()
    straight = paper_splits(sizes, [{"Conv"}] * 300)
    shuffled = paper_splits([sizes[i] for i in order], [{"Conv"}] * 300)
    assert [straight[i] for i in order] == shuffled


def test_the_paper_drops_held_out_rows_with_operators_that_train_lacks() -> None:
    sizes = [(i, 0, f"{i:04}") for i in range(1000)]
    splits = paper_splits(sizes, [{f"Operator{i // 2}"} for i in range(1000)])
    partner = {i: i ^ 1 for i in range(1000)}
    assert None in splits
    assert all(splits[partner[i]] == "train" for i in range(1000) if splits[i] in ("validation", "test"))
    assert all(splits[partner[i]] != "train" for i in range(1000) if splits[i] is None)


@pytest.mark.parametrize(("rows", "held_out"), [(1, 0), (2, 0), (3, 1), (9, 1), (25, 2), (99, 9)])
def test_under_a_hundred_rows_the_paper_has_one_bin_and_a_row_in_each_split(rows: int, held_out: int) -> None:
    counts = Counter(paper_splits([(i, 0, str(i)) for i in range(rows)], [{"Conv"}] * rows))
    assert (counts["validation"], counts["test"], counts["train"]) == (held_out, held_out, rows - 2 * held_out)


def test_rows_of_one_size_are_in_one_decile() -> None:
    deciles = size_deciles([5] * 30 + list(range(100, 170)))
    assert len(set(deciles[:30].tolist())) == 1
    assert deciles[29] < deciles[30]
    assert deciles.max() == 9
    assert (np.diff(deciles) >= 0).all()
