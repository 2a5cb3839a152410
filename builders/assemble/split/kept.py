"""Which split a family is in where earlier releases have decided it: rows that are published stay.

In go the families of each row and its split in the release before; out comes train, validation or test for each row
for which that decides it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from builders.assemble.split.assignment import SHARES, TEST, TRAIN, UNSEEN, VALIDATION, Name, join_families


def keep_family_splits(families: Sequence[Collection[Name]], published: Sequence[str | None]) -> list[str | None]:
    """Find the family split of every row that is published, and of every new one that is of a published family.

    A published row stays where it is. A new row goes where its group of families is. Where parts of that group were
    published in different splits before it was one, something leaks whatever is done:

    - a row goes where its own families are, or to train if these are all new;
    - a row whose own families are in different splits goes to the held-out one. There it is the only row that leaks;
      in train it would betray every held-out row of its families.

    Args:
        families: those of each row, at least one.
        published: the split of each row in the release before; None for a new row.

    Returns:
        Train, validation or test for each row; None where nothing decides it.
    """
    known = _published_splits(families, published)
    home = _homes(families, known)
    group_of = join_families(families)
    around: dict[Name, set[str]] = defaultdict(set)
    for family, split in home.items():
        around[group_of[family]].add(split)
    return [
        split or _choose(Counter(home[family] for family in names if family in home), around[group_of[min(names)]])
        for names, split in zip(families, known, strict=True)
    ]


def _published_splits(families: Sequence[Collection[Name]], published: Sequence[str | None]) -> list[str | None]:
    """The family split of every published row; an unseen one came from validation or test, with its families."""
    seen = [split if split in SHARES else None for split in published]
    homes = _homes(families, seen)
    return [
        _most(Counter(homes.get(family, TEST) for family in names), (TEST, VALIDATION)) if split == UNSEEN else known
        for names, split, known in zip(families, published, seen, strict=True)
    ]


def _homes(families: Sequence[Collection[Name]], splits: Sequence[str | None]) -> dict[Name, str]:
    """The split that has most rows of a family, for every family that is in one."""
    counts: dict[Name, Counter[str]] = defaultdict(Counter)
    for names, split in zip(families, splits, strict=True):
        for family in names if split else ():
            counts[family][split or TRAIN] += 1
    return {family: _most(of_family, SHARES) for family, of_family in counts.items()}


def _choose(own: Mapping[str, int], around: Collection[str]) -> str | None:
    """The split of a new row, given how many of its families are in each, and those of its group."""
    if len(around) < 2:
        return next(iter(around), None)
    if len(own) < 2:
        return next(iter(own), TRAIN)
    return _most(own, (TEST, VALIDATION))


def _most(counts: Mapping[str, int], splits: Iterable[str]) -> str:
    """The split with the highest count, the first of them."""
    return max(splits, key=lambda split: counts.get(split, 0))
