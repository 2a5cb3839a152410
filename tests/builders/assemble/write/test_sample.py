"""The sample: sizes and families well spread."""

from __future__ import annotations

from collections import Counter

import numpy as np

from builders.assemble.write.sample import choose_sample

# In the order of fingerprints, which is by chance.
SIZES = 10 + np.arange(1000) * 7919 % 1000
DECILES = (SIZES - 10) // 100
FAMILIES = np.where((SIZES - 10) % 5, 0, 1 + SIZES)


def test_every_size_decile_gives_as_many_rows() -> None:
    taken = choose_sample(FAMILIES, DECILES, SIZES, count=250)
    assert Counter(DECILES[taken].tolist()) == dict.fromkeys(range(10), 25)


def test_a_frequent_family_does_not_crowd_out_the_others() -> None:
    taken = choose_sample(FAMILIES, DECILES, SIZES, count=200)
    # 200 rows of other families are there, 20 in each decile.
    assert Counter(FAMILIES[taken].tolist())[0] < 0.1 * len(taken)


def test_a_small_release_is_taken_whole() -> None:
    assert choose_sample(FAMILIES[:30], DECILES[:30], SIZES[:30]).tolist() == list(range(30))


def test_the_limit_on_size_is_kept_and_no_row_takes_more_than_a_sixteenth() -> None:
    taken = SIZES[choose_sample(FAMILIES, DECILES, SIZES, limit=10_000)]
    assert 0.8 * 10_000 < taken.sum() <= 10_000
    assert taken.max() <= 10_000 / 16


def test_of_one_family_the_first_rows_are_taken() -> None:
    same = np.zeros(1000, np.int64)
    assert choose_sample(same, same, SIZES, count=3).tolist() == [0, 1, 2]
