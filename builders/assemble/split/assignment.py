"""Which split a row belongs to: by model family (free of leaks), and by the paper's own scheme.

In go families, sizes and operators of the rows of a config; out comes a split name per row, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.schema import SPLITS

TRAIN, VALIDATION, TEST, UNSEEN = SPLITS
_TRAIN, _VALIDATION, _TEST, _UNSEEN = range(4)  # where they stand in SPLITS
NONE: Final = -1
SHARES: Final = {TRAIN: 0.8, VALIDATION: 0.1, TEST: 0.1}

PAPER_SEED: Final = 1234
_PAPER_BINS: Final = 10
_PAPER_FEW_ROWS: Final = 100

Name = TypeVar("Name", int, str)

Codes = NDArray[np.int8]
"""Splits by their position in SPLITS, or NONE."""

Ints = NDArray[np.signedinteger[Any]]

Lacking = Callable[[NDArray[np.bool_]], NDArray[np.bool_]]
"""Tells, given which rows are in train, bool [N], which rows have an operator that none of these has, bool [N]."""


def join_families(rows: Iterable[Collection[Name]]) -> dict[Name, Name]:
    """Join the families that share a row, directly or through others.

    Args:
        rows: the families of each row.

    Returns:
        For each family the name of its group, which is the smallest family in it.
    """
    parent: dict[Name, Name] = {}
    for families in rows:
        for family in families:
            parent.setdefault(family, family)
        roots = [find_root(parent, family) for family in families]
        for root in roots:
            # The smallest root becomes the parent, so that a root is the smallest of its group.
            first, second = sorted((find_root(parent, roots[0]), find_root(parent, root)))
            parent[second] = first
    return {family: find_root(parent, family) for family in parent}


def find_root(parent: dict[Name, Name], name: Name) -> Name:
    """The root of a name's group in a forest, whose paths become shorter on the way (Tarjan, JACM 22, 1975)."""
    while parent[name] != name:
        parent[name] = parent[parent[name]]
        name = parent[name]
    return name


def assign_groups(
    sizes: Mapping[str, Collection[int]], seed: int, decided: Mapping[str, Collection[int]] | None = None
) -> dict[str, str]:
    """Assign groups of families to train, validation and test, 8:1:1 in rows and balanced over their sizes.

    Groups too large for validation and test go to train. The others come in the order of a seeded hash of their
    names, and each goes where it is missed most, by its number of rows and by the sizes of these.

    Args:
        sizes: for each group the size deciles, 0 to 9, of its rows.
        seed: another seed gives another assignment.
        decided: for each split the size deciles of the rows that are in it already.

    Returns:
        The split of each group. There is a group in train unless there is none at all; validation and test get
        one too where there are groups left and they can hold one.
    """
    names = list(sizes)
    histograms = np.array([np.bincount(list(deciles), minlength=10) for deciles in sizes.values()], np.int64)
    held = np.array([np.bincount(list((decided or {}).get(name, ())), minlength=10) for name in SHARES], np.int64)
    digests = np.frombuffer(
        b"".join(blake2b(f"{seed}:{group}".encode(), digest_size=16).digest() for group in names), ">u8"
    )
    assigned = assign_histograms(histograms.reshape(-1, 10), digests.reshape(-1, 2).T.astype(np.uint64), held)
    return {group: SPLITS[split] for group, split in zip(names, assigned.tolist(), strict=True)}


def assign_histograms(
    histograms: NDArray[np.integer[Any]], digests: NDArray[np.uint64], decided: NDArray[np.integer[Any]]
) -> NDArray[np.int8]:
    """As `assign_groups`, of numbers.

    Args:
        histograms: int [G, 10], for each group how many rows it has of each size decile.
        digests: uint64 [2, G], the seeded hash of each group's name.
        decided: int [3, 10], the same as `histograms` of the rows that are in train, validation and test already.

    Returns:
        int8 [G]: the position of the split of each group in SPLITS.
    """
    shares = np.array(list(SHARES.values()))
    held = decided.astype(float)
    everything = histograms.sum(axis=0) + held.sum(axis=0)
    # A release of a few rows still gets a row to validate on.
    wanted = np.maximum(1.0, shares * everything.sum())
    wanted_by_size = np.maximum(1e-9, np.outer(shares, everything))
    fits = histograms.sum(axis=1) <= wanted[_TEST]
    assigned = np.zeros(len(histograms), np.int8)
    for group in np.lexsort((digests[1], digests[0], fits)):
        histogram = histograms[group].astype(np.int64)
        missing = 1 - held.sum(axis=1) / wanted
        missing_by_size = (1 - held / wanted_by_size) @ histogram / histogram.sum()
        # Rounded, so that the order in which a platform adds up decides nothing; ties go to train.
        score = np.round(missing + missing_by_size / 2, 9)
        full = held.sum(axis=1) + histogram.sum() > wanted
        full[_TRAIN] = False
        choice = int(np.where(full, -np.inf, score).argmax())
        held[choice] += histogram
        assigned[group] = choice
    return assigned


def set_apart_unseen(family_splits: Codes, published: Codes, lacking: Lacking) -> Codes:
    """Move the validation and test rows with an operator that no train row has to `unseen`.

    Args:
        family_splits: train, validation or test for each row.
        published: the split of each row in the release before, where it stays; NONE for a new row.
        lacking: of operators, or of variants where attributes count.

    Returns:
        The split of each row.
    """
    new = published == NONE
    splits = np.where(new, family_splits, published).astype(np.int8)
    splits[new & (family_splits != _TRAIN) & lacking(splits == _TRAIN)] = _UNSEEN
    return splits


def paper_splits(order: Ints, lacking: Lacking, seed: int = PAPER_SEED) -> Codes:
    """The paper's scheme: 8:1:1 by chance within ten bins of equal size, whatever the families.

    The rows are drawn by the raw output of NumPy's PCG64, whose stream is the same in every version.

    Args:
        order: int [N], the rows by (num_nodes, num_edges, fingerprint).
        lacking: as for `set_apart_unseen`.
        seed: of the generator.

    Returns:
        Train, validation or test, or NONE for a validation or test row that the paper drops, since it has an operator
        that train lacks. Under 100 rows there is one bin, and at least one row in each split, as far as they go.
    """
    splits = _draw(order, seed)
    splits[(splits != _TRAIN) & lacking(splits == _TRAIN)] = NONE
    return splits


def _draw(order: Ints, seed: int) -> Codes:
    """The paper's scheme before rows are dropped."""
    few = len(order) < _PAPER_FEW_ROWS
    generator = np.random.PCG64(seed)
    splits = np.full(len(order), _TRAIN, np.int8)
    for rows in [order] if few else np.array_split(order, _PAPER_BINS):
        share = int(0.1 * len(rows))
        if few and len(rows) >= len(SHARES):
            share = max(1, share)
        drawn = rows[np.argsort(generator.random_raw(len(rows)), kind="stable")]
        splits[drawn[:share]] = _TEST
        splits[drawn[share : 2 * share]] = _VALIDATION
    return splits


def size_deciles(num_nodes: Sequence[int] | IntArray) -> IntArray:
    """The decile, 0 to 9, of each row by its number of nodes; rows of one size are in one decile."""
    counts = np.asarray(num_nodes, dtype=np.int64)
    if not counts.size:
        return counts
    ordered = np.sort(counts)
    bounds = ordered[len(ordered) * np.arange(1, 10) // 10]
    return np.searchsorted(bounds, counts, side="right").astype(np.int64)
