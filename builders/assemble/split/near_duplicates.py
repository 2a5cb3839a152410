"""Near-duplicates: rows whose sketches are so much alike that they belong on one side of a split.

In go sketches; out come pairs of rows, and which of these pairs are joined: all but those that would chain a large part
of a release into one group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from builders.assemble.split.assignment import find_root

SIMILAR: Final = 0.85
"""The similarity from which two rows are near-duplicates.

Among 232 rows of torchvision, timm and the zoo, pairs of different families above it are networks that differ in a
head or in a detail of a block (AlexNet and ZFNet, BEiT and DeiT III, two detectors upon one backbone), and no group is
larger than the largest family. At 0.8 a ResNet is a RegNet, and two large families are one group.
"""

LARGEST_SHARE: Final = 0.1
"""The share of all rows beyond which no group grows for the sake of near-duplicates.

Families that are built upon each other make larger groups by themselves; the largest of these may grow by this share.
"""
_ALWAYS: Final = 32  # rows that a group may have in a small release

Counts = NDArray[np.int32]


def similar_pairs(keys: Sequence[str], sketches: Sequence[Sequence[int]]) -> list[tuple[str, str]]:
    """Find the pairs of rows whose sketches are similar.

    The similarity is the weighted Jaccard index (Ruzicka's) of the counts: what two histograms have in common, out of
    what either has. Unlike the angle between them it sees that one network is deeper than another. It is never above
    the ratio of the numbers of nodes, so only rows of about one size are compared.

    Args:
        keys: of each row.
        sketches: of each row, as `younger_hf.recognise.sketch` makes them; all of one length.

    Returns:
        Pairs of keys, the smaller first; the most similar pairs first, ties by key.
    """
    counts = np.asarray(sketches, np.int32).reshape(len(keys), -1 if keys else 0)
    totals = counts.sum(axis=1, dtype=np.int64)
    order = np.argsort(totals, kind="stable")
    counts, totals = counts[order], totals[order]
    first = np.searchsorted(totals, np.ceil(SIMILAR * totals))
    found = []
    for row in range(len(keys)):
        smaller = slice(first[row], row)
        common = np.minimum(counts[smaller], counts[row]).sum(axis=1, dtype=np.int64)
        index = common / np.maximum(totals[smaller] + totals[row] - common, 1)
        for other in np.flatnonzero(index >= SIMILAR).tolist():
            pair = sorted((keys[order[row]], keys[order[first[row] + other]]))
            found.append((-float(index[other]), pair[0], pair[1]))
    return [(one, other) for _, one, other in sorted(found)]


def join_pairs(groups: Sequence[str], sizes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Decide which pairs of rows are joined, given what is one group already.

    Args:
        groups: the group of each row.
        sizes: how many rows of the release each stands for.
        pairs: positions of rows, those that are to be joined before others first.

    Returns:
        For each pair whether it is joined: False where its two groups together would have more rows than
        LARGEST_SHARE of all and than the largest group with LARGEST_SHARE more.
    """
    parent = {group: group for group in groups}
    held: Counter[str] = Counter()
    for group, size in zip(groups, sizes, strict=True):
        held[group] += size
    largest = max(held.values(), default=0)
    most = max(_ALWAYS, int(LARGEST_SHARE * sum(sizes)), int((1 + LARGEST_SHARE) * largest))
    joined = []
    for one, other in pairs:
        left, right = find_root(parent, groups[one]), find_root(parent, groups[other])
        fits = left == right or held[left] + held[right] <= most
        if fits and left != right:
            parent[right] = left
            held[left] += held[right]
        joined.append(fits)
    return joined
