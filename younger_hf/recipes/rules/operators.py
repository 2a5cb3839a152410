"""Operator design by look-up: the operators that stood, in the training split, where the neighbourhood was the same.

`majority` looks at nothing, `ngram` at what is within a number of hops. A longer neighbourhood is interpolated with the
next shorter one as Witten and Bell do for n-grams ("The zero-frequency problem", IEEE Transactions on Information
Theory 37, 1991, method C), and one that was never seen gives way to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.recipes.operator import OperatorConfig, ranked
from younger_hf.recipes.rules import Rule
from younger_hf.recipes.run import Run
from younger_hf.tasks.boundaries import with_boundary
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.neighbourhoods import neighbourhood_keys
from younger_hf.vocabulary import MASK_ID

_LENGTHS: Final = (1, 2, 4)
_PART: Final = 1 << 11


def fit(table: GraphTable, run: Run) -> pa.Table:
    """Count operators by neighbourhood.

    Returns:
        `hops`, `key`, `operator` and `count`, sorted by the first three.
    """
    lengths = _lengths(run.config)
    keys, labels = [], []
    for keys_of_part, _, y_true in _masked(table, lengths, run.config):
        keys.append(keys_of_part)
        labels.append(y_true)
    y_true = np.concatenate(labels)
    parts = []
    for length, key in zip(lengths, np.concatenate(keys, axis=1), strict=True):
        pairs, count = np.unique(np.stack((key, y_true)), axis=1, return_counts=True)
        columns = {"hops": np.full(len(count), length), "key": pairs[0], "operator": pairs[1], "count": count}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def predict(counted: pa.Table, table: GraphTable, run: Run) -> dict[str, Any]:
    """The likeliest operators at each masked node."""
    lengths = _lengths(run.config)
    hops, *columns = (counted[name].to_numpy() for name in ("hops", "key", "operator", "count"))
    levels = [[column[hops == length] for column in columns] for length in lengths]
    parts = []
    for keys, where, y_true in _masked(table, lengths, run.config):
        probability = np.full((len(y_true), len(run.labels)), 1 / len(run.labels))
        for level, key in zip(levels, keys, strict=True):
            _interpolate(probability, key, *level)
        with np.errstate(divide="ignore"):
            parts.append({**where, "y_true": y_true, **ranked(np.log(probability))})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _lengths(config: OperatorConfig) -> tuple[int, ...]:
    """The neighbourhoods that are counted, in hops, the shortest first."""
    if config.model == "majority":
        return (0,)
    return (0, *(length for length in _LENGTHS if length < config.hops), config.hops)


def _masked(
    table: GraphTable, lengths: tuple[int, ...], config: OperatorConfig
) -> Iterator[tuple[IntArray, dict[str, IntArray], IntArray]]:
    """The masked nodes in parts: their keys, int64 [len(lengths), m], where they are, and what stands there."""
    for rows in table.parts(_PART):
        graphs, position = with_boundary(table.union(rows), config.boundary_kind)
        x = graphs.x.copy()
        x[graphs.boundary] = MASK_ID
        keys = neighbourhood_keys(graphs, x, lengths[-1])
        of = np.searchsorted(graphs.ptr, graphs.boundary, side="right") - 1
        where = {"row": rows[of], "node": position[graphs.boundary]}
        chosen = np.stack([keys[length][graphs.boundary].view(np.int64) for length in lengths])
        yield chosen, where, graphs.x[graphs.boundary]


def _interpolate(
    probability: NDArray[np.float64], wanted: IntArray, key: IntArray, operator: IntArray, count: IntArray
) -> None:
    """Bring counts of a neighbourhood into probabilities [m, V] of the next shorter one, where there are any.

    Args:
        probability: changed in place.
        wanted: int64 [m], the neighbourhood of each masked node.
        key: int64 [R], ascending: a neighbourhood,
        operator: int64 [R], what stood there,
        count: int64 [R], and how often.
    """
    start, end = np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right")
    kinds = end - start
    sums = np.concatenate(([0], np.cumsum(count)))
    total = sums[end] - sums[start] + kinds
    seen = np.flatnonzero(kinds)
    probability[seen] *= (kinds[seen] / total[seen])[:, None]
    row = np.repeat(np.arange(len(wanted)), kinds)
    entry = np.arange(len(row)) - np.repeat(np.cumsum(kinds) - kinds, kinds) + np.repeat(start, kinds)
    probability[row, operator[entry]] += count[entry] / total[row]


RULE: Final = Rule(fit, predict)
