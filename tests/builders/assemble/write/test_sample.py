"""The sample: sizes and families well spread."""

from __future__ import annotations

from collections import Counter

from builders.assemble.write.sample import Candidate, choose_sample

CANDIDATES = [
    Candidate(f"{i * 7919 % 1000:04}", "resnet" if i % 5 else f"family{i}", i // 100, 10 + i) for i in range(1000)
]


def test_every_size_decile_gives_as_many_rows() -> None:
    taken = [CANDIDATES[position] for position in choose_sample(CANDIDATES, count=250)]
    assert Counter(row.decile for row in taken) == dict.fromkeys(range(10), 25)


def test_a_frequent_family_does_not_crowd_out_the_others() -> None:
    taken = [CANDIDATES[position] for position in choose_sample(CANDIDATES, count=200)]
    # 200 rows of other families are there, 20 in each decile.
    assert Counter(row.family for row in taken)["resnet"] < 0.1 * len(taken)


def test_a_small_release_is_taken_whole() -> None:
    assert choose_sample(CANDIDATES[:30]) == list(range(30))


def test_the_limit_on_size_is_kept_and_no_row_takes_more_than_a_sixteenth() -> None:
    taken = [CANDIDATES[position] for position in choose_sample(CANDIDATES, limit=10_000)]
    assert 0.8 * 10_000 < sum(row.size for row in taken) <= 10_000
    assert max(row.size for row in taken) <= 10_000 / 16


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    backwards = CANDIDATES[::-1]
    keys = {backwards[position].key for position in choose_sample(backwards)}
    assert keys == {CANDIDATES[position].key for position in choose_sample(CANDIDATES)}
