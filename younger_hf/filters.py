"""Which rows of a config are wanted: the filters of `load`, checked against what the release has.

In go a release and what the user asked for; out come conditions for `Release.load`, which are pushed down to the
row groups of the Parquet files. What operators a graph has is in lists, of which Parquet keeps no statistics:
`having_operators` selects by them among the rows that were read.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, SupportsIndex

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.conventions import MASK, UNKNOWN
from younger_hf.errors import UsageError
from younger_hf.families import family_of
from younger_hf.list_columns import flatten_rows
from younger_hf.release import Condition, Release
from younger_hf.vocabulary import Vocabulary

Names = str | Collection[str] | None
"""The names of which a row has to have one; None for any row."""

COLUMNS: Final = {
    "name": "name",
    "hub": "source",
    "task": "task",
    "family": "family",
    "backbone": "backbone",
    "origin": "origin",
    "license": "license",
}
"""The filters by name, and the column that each looks at."""

_SIZE: Final = "num_nodes"
_OPERATORS: Final = "node_operator"
# Beyond what the column holds, Arrow has no number.
_LARGEST: Final = 2**63 - 1
_ROWS_AT_A_TIME: Final = 1000


def column_conditions(
    release: Release,
    config: str,
    names: Mapping[str, Names],
    min_nodes: SupportsIndex | None = None,
    max_nodes: SupportsIndex | None = None,
) -> list[Condition]:
    """The conditions that Parquet files are read by.

    Args:
        release: what is loaded from.
        config: one of the release's configs.
        names: for filters of `COLUMNS`, the names of which a row has to have one.
        min_nodes: the fewest operators of a graph.
        max_nodes: the most operators of a graph.

    Raises:
        UsageError: the config does not have a column, or no row of it has a name; the message gives the nearest.
        ReleaseError: a file is missing or damaged.
    """
    wanted = {filter_: _as_names(filter_, one) for filter_, one in names.items() if one is not None}
    conditions: list[Condition] = [
        (COLUMNS[filter_], "in", sorted({one for name in some for one in _spellings(filter_, name)}))
        for filter_, some in wanted.items()
    ]
    for comparison, bound in ((">=", min_nodes), ("<=", max_nodes)):
        if bound is not None:
            conditions.append((_SIZE, comparison, _as_number(bound)))
    if conditions:
        columns = release.columns(config)
        for column, _, _ in conditions:
            _check_column(config, column, columns)
    if wanted:
        _check_names(release, config, wanted)
    return conditions


def operator_ids(release: Release, config: str, names: Names) -> list[int] | None:
    """The ids of operators in column `node_operator`; None where no names are given.

    Raises:
        UsageError: the config has no operators, or no operator has a name; the message gives the nearest.
        ReleaseError: a file is missing or damaged.
    """
    if names is None:
        return None
    _check_column(config, _OPERATORS, release.columns(config))
    vocabulary = Vocabulary.load(release.source, release.revision)
    labels = _as_names("operator", names)
    known = sorted(set(vocabulary.operators) - {UNKNOWN, MASK})
    for label in labels:
        check_choice("operator", label, known)
    return [vocabulary.operator_id(label) for label in labels]


def having_operators(rows: Any, some: Sequence[int] | None, every: Sequence[int] | None) -> Any:
    """The rows whose graphs have at least one of some operators, and all of others.

    Args:
        rows: what `Release.load` gives: a dataset or a dictionary of them, streaming or not.
        some: operator ids; None does not ask for any.
        every: operator ids; None does not ask for any.

    Returns:
        As `rows`. A dataset is indexed anew and not copied; a stream is looked through as it is read.
    """
    if some is None and every is None:
        return rows
    if isinstance(rows, dict):
        return type(rows)({split: having_operators(part, some, every) for split, part in rows.items()})
    import datasets

    if isinstance(rows, datasets.IterableDataset):
        return rows.filter(_has_operators, input_columns=_OPERATORS, fn_kwargs={"some": some, "every": every})
    tables = rows.select_columns(_OPERATORS).with_format("arrow").iter(_ROWS_AT_A_TIME)
    chunks = (chunk for table in tables for chunk in table[_OPERATORS].chunks)
    found = [_rows_with_operators(chunk, some, every) for chunk in chunks]
    return rows.select(np.flatnonzero(np.concatenate(found)) if found else [])


def _has_operators(ids: Sequence[int], some: Sequence[int] | None, every: Sequence[int] | None) -> bool:
    there = set(ids)
    return (some is None or not there.isdisjoint(some)) and (every is None or there.issuperset(every))


def _rows_with_operators(
    column: pa.Array, some: Sequence[int] | None, every: Sequence[int] | None
) -> NDArray[np.bool_]:
    """As `_has_operators`, for R rows at once: bool [R]."""
    values, boundaries = flatten_rows(column, _OPERATORS)
    ids = values.to_numpy()[boundaries[0] : boundaries[-1]]
    ends = boundaries[1:] - boundaries[0]

    def has(wanted: Sequence[int]) -> NDArray[np.bool_]:
        rows = np.zeros(len(ends), dtype=np.bool_)
        rows[np.searchsorted(ends, np.flatnonzero(np.isin(ids, wanted)), side="right")] = True
        return rows

    found = np.ones(len(ends), dtype=np.bool_) if some is None else has(some)
    for one in every or ():
        found &= has([one])
    return found


def _as_names(what: str, names: Any) -> list[str]:
    """Names in one order, so that `datasets` knows rows again that it has read before."""
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, Collection) or not all(isinstance(name, str) for name in listed):
        raise UsageError(f"a filter by {what} takes a name or a list of names, not {names!r}")
    if not listed:
        raise UsageError(f"a filter by {what} takes at least one name; leave it out to have all rows")
    return sorted(set(listed))


def _as_number(bound: SupportsIndex) -> int:
    try:
        return max(0, min(operator.index(bound), _LARGEST))
    except TypeError:
        raise UsageError(f"a number of nodes is a whole number, not {bound!r}") from None


def _check_column(config: str, column: str, columns: Sequence[str]) -> None:
    if column not in columns:
        raise UsageError(f"config {config} has no column {column}: its rows cannot be filtered by it")


def _check_names(release: Release, config: str, wanted: Mapping[str, list[str]]) -> None:
    """Look for names until all were seen: mostly the first row groups have them."""
    seen: dict[str, set[str]] = {filter_: set() for filter_ in wanted}
    for _, table in release.row_groups(config, [COLUMNS[filter_] for filter_ in wanted]):
        for filter_ in wanted:
            seen[filter_].update(table[COLUMNS[filter_]].unique().drop_null().to_pylist())
        if not any(_missing(seen, filter_, names) for filter_, names in wanted.items()):
            return
    for filter_, names in wanted.items():
        for name in _missing(seen, filter_, names):
            check_choice(filter_, name, sorted(seen[filter_]))


def _spellings(filter_: str, name: str) -> tuple[str, ...]:
    """What a column may have for a name: families are in one spelling there, whatever their source calls them."""
    return (name, family_of(name)) if filter_ in ("family", "backbone") else (name,)


def _missing(seen: Mapping[str, set[str]], filter_: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if seen[filter_].isdisjoint(_spellings(filter_, name))]
