"""Near-duplicates: rows whose sketches are so much alike that they belong on one side of a split.

In go sketches; out come pairs of rows, and which of these pairs are joined: all but those that would chain a large part
of a release into one group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

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

ALL_COMPARED: Final = 50_000
"""How many rows are compared with all others of their size; the time for that grows with the square of their number."""
_BANDS: Final = 16  # of eight numbers each
_NEIGHBOURS: Final = 4

Counts = NDArray[np.int32]
Hashes = NDArray[np.uint8]
Ints = NDArray[np.signedinteger[Any]]
Pairs = NDArray[np.int32]


def similar_pairs(sketches: Counts) -> Pairs:
    """Find the pairs of rows whose sketches are similar.

    The similarity is the weighted Jaccard index (Ruzicka's) of the counts: what two histograms have in common, out of
    what either has. Unlike the angle between them it sees that one network is deeper than another. It is never above
    the ratio of the numbers of nodes, so only rows of about one size are compared.

    Args:
        sketches: int32 [N, D], of each row, as `younger_hf.recognise.sketch` makes them.

    Returns:
        int32 [P, 2]: pairs of rows, the smaller number first; the most similar pairs first, ties by number.
    """
    totals = sketches.sum(axis=1, dtype=np.int64)
    order = np.argsort(totals, kind="stable")
    counts, totals = sketches[order], totals[order]
    first = np.searchsorted(totals, np.ceil(SIMILAR * totals))
    found = []
    for row in range(len(order)):
        smaller = slice(first[row], row)
        common = np.minimum(counts[smaller], counts[row]).sum(axis=1, dtype=np.int64)
        index = common / np.maximum(totals[smaller] + totals[row] - common, 1)
        for other in np.flatnonzero(index >= SIMILAR).tolist():
            pair = sorted((int(order[row]), int(order[first[row] + other])))
            found.append((-float(index[other]), pair[0], pair[1]))
    return _in_order(found)


def likely_pairs(minhashes: Iterable[Hashes], sketch_of: Callable[[int], Counts], scratch: Path) -> Pairs:
    """Find nearly all pairs of `similar_pairs` among more rows than can all be compared.

    Rows are compared that agree in eight neighbouring numbers of their MinHashes (locality-sensitive hashing: Leskovec,
    Rajaraman, Ullman, Mining of Massive Datasets, section 3.4): with 16 such bands, 99 in 100 pairs of a Jaccard index
    of 0.85 do. Of many rows that agree, each is compared with the next few alone: that links them all the same.

    Args:
        minhashes: uint8 [N, 128] in blocks of rows.
        sketch_of: the sketch of a row.
        scratch: a directory for 128 bytes a row. Memory is 24 bytes a row, and 8 to 150 a pair.

    Returns:
        As `similar_pairs`.
    """
    bands = [(scratch / f"band-{number}").open("w+b") for number in range(_BANDS)]
    # A pair is one number: the first row in the upper 32 bits.
    compared, found = np.zeros(0, np.int64), []
    with ExitStack() as stack:
        for band in bands:
            stack.enter_context(band)
        for block in minhashes:
            for band, words in zip(bands, np.ascontiguousarray(block).view("<u8").T, strict=True):
                band.write(words.tobytes())
        for band in bands:
            band.seek(0)
            words = np.frombuffer(band.read(), "<u8")
            order = np.argsort(words, kind="stable").astype(np.int32)
            words, agree = words[order], [np.zeros(0, np.int64)]
            for step in range(1, _NEIGHBOURS + 1):
                at = np.flatnonzero(words[:-step] == words[step:])
                agree.append(order[at].astype(np.int64) << 32 | order[at + step])
            new = np.setdiff1d(np.concatenate(agree), compared)
            compared = np.union1d(compared, new)
            for number in new.tolist():
                pair = number >> 32, number & 0xFFFFFFFF
                one, other = map(sketch_of, pair)
                common = int(np.minimum(one, other).sum())
                index = common / max(int(one.sum()) + int(other.sum()) - common, 1)
                if index >= SIMILAR:
                    found.append((-index, *pair))
            band.truncate(0)
    return _in_order(found)


def _in_order(found: list[tuple[float, int, int]]) -> Pairs:
    return np.array([pair for _, *pair in sorted(found)], np.int32).reshape(-1, 2)


def join_pairs(groups: Ints, sizes: Ints, pairs: Pairs) -> NDArray[np.bool_]:
    """Decide which pairs of rows are joined, given what is one group already.

    Args:
        groups: int [N], the group of each row.
        sizes: int [N], how many rows of the release each stands for.
        pairs: int [P, 2], positions of rows, those that are to be joined before others first.

    Returns:
        For each pair whether it is joined: False where its two groups together would have more rows than
        LARGEST_SHARE of all and than the largest group with LARGEST_SHARE more.
    """
    held = np.zeros(int(groups.max(initial=-1)) + 1, np.int64)
    np.add.at(held, groups, sizes)
    largest = int(held.max(initial=0))
    most = max(_ALWAYS, int(LARGEST_SHARE * int(sizes.sum())), int((1 + LARGEST_SHARE) * largest))
    # Of the groups that are in a pair alone.
    parent: dict[int, int] = {group: group for group in groups[pairs.ravel()].tolist()}
    joined = np.zeros(len(pairs), np.bool_)
    for number, (one, other) in enumerate(groups[pairs].tolist()):
        left, right = find_root(parent, one), find_root(parent, other)
        joined[number] = left == right or held[left] + held[right] <= most
        if joined[number] and left != right:
            parent[right] = left
            held[left] += held[right]
    return joined
