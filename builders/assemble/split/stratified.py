"""The stratified split: every family of validation and test is in train too, so that families can be learned.

In go the family of each row and its split in the release before; out comes a split for each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from builders.assemble.split.assignment import SHARES, TRAIN

STRATIFIED_SEED: Final = 1234


def stratified_splits(
    keys: Iterable[str],
    families: Iterable[str],
    published: Sequence[str | None] | None = None,
    seed: int = STRATIFIED_SEED,
) -> list[str]:
    """Divide each family over train, validation and test, 8:1:1 in all.

    A family of one row is in train. Of the others one row at least is in train, and what a family is too small to
    divide evenly is made up for by the next, as in systematic sampling. Families, and the rows in each, come in the
    order of a seeded hash.

    Args:
        keys: of the rows.
        families: of each row; those without a known one are alike, as one family.
        published: the split of each row in the release before, where it stays; None for a new row.
        seed: another seed gives another split.

    Returns:
        The split of each row.
    """
    numbers: dict[str, int] = {}
    family = np.fromiter((numbers.setdefault(name, len(numbers)) for name in families), np.int32)
    of_family = np.lexsort(_digests(seed, numbers))
    order = np.lexsort((*_digests(seed, keys), np.argsort(of_family)[family]))
    splits: list[str | None] = list(published or [None] * len(family))
    shares = np.array(list(SHARES.values()))
    names = list(SHARES)
    missing = np.zeros(len(names))
    ends = np.cumsum(np.bincount(family, minlength=len(numbers))[of_family]).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        rows = order[start:end].tolist()
        if len(rows) > 1:
            kept = Counter(splits[row] for row in rows)
            missing += shares * len(rows) - [kept[name] for name in names]
        is_in_train = any(splits[row] == TRAIN for row in rows)
        for row in rows:
            if splits[row] is None:
                # Rounded, so that the order in which a platform adds up decides nothing; ties go to train.
                choice = int(np.round(missing, 9).argmax()) if is_in_train else names.index(TRAIN)
                splits[row] = names[choice]
                missing[choice] -= len(rows) > 1
                is_in_train = True
    return [split or TRAIN for split in splits]


def _digests(seed: int, names: Iterable[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Seeded hashes of names, the lower half and the upper one, as `numpy.lexsort` takes them."""
    joined = b"".join(blake2b(f"{seed}:{name}".encode(), digest_size=16).digest() for name in names)
    upper, lower = np.frombuffer(joined, ">u8").reshape(-1, 2).T.astype(np.uint64)
    return lower, upper
