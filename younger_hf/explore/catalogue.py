"""The rows of a release in memory, a few hundred bytes each: `Catalogue`, which is filtered, searched and sorted.

In goes a `Release`, of which only the columns that Browse shows are read or, from the Hub, fetched; out come rows as
dictionaries. What else a row has is read when somebody opens it. Arrow filters and sorts; how often a row has an
operator type is an array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from younger_hf.conventions import MASK, UNKNOWN
from younger_hf.explore.query import LEAST, MOST, NAMED, PAGE, Query
from younger_hf.foreign_release import check_foreign_release
from younger_hf.list_columns import as_arrow, as_numpy, flatten_rows, repeated
from younger_hf.release import Release
from younger_hf.vocabulary import Vocabulary

SHOWN: Final = (
    *("fingerprint", "normal_fingerprint", "name", "source", "origin", "task", "family", "backbone", "library"),
    *("license", "exporter", "opset", "num_nodes", "num_edges", "depth", "num_operator_types", "num_parameters"),
    *("macs", "activations", "num_skeletons", "num_models", "downloads", "summary"),
)
"""The columns in memory; what an older release lacks is null."""

_NUMBERS: Final = {"opset", "macs", "activations", "downloads"} | {name for name in SHOWN if name.startswith("num_")}
_OPERATORS: Final = "node_operator"
_MOST_PROMINENT: Final = 1000
_PREVIEW: Final = "preview"
_SEARCHED: Final = ("name", "family", "fingerprint")


@dataclass(frozen=True)
class Found:
    """What Browse answers.

    Attributes:
        total: rows that pass the query.
        rows: those of the page.
        pages: how many there are.
        unknown: operator types that the query names and the release does not have.
    """

    total: int
    rows: list[dict[str, Any]]
    pages: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Catalogue:
    """N rows of config `graphs`, and V operator types.

    Attributes:
        release: where they are from.
        table: N rows: `SHOWN` and `split`.
        operators: the type of each of V columns.
        counts: int32 [N, V]: how many nodes of the row are of the type.
    """

    release: Release
    table: pa.Table
    operators: tuple[str, ...]
    counts: NDArray[np.int32]
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(cls, release: Release) -> Catalogue:
        """Read what Browse needs.

        Raises:
            ReleaseError: a file is missing or damaged, or the Hub cannot be reached.
        """
        there = release.columns("graphs")
        wanted = [name for name in SHOWN if name in there]
        check_foreign_release(release, {"graphs": (*wanted, _OPERATORS), "operators": None})
        labels = Vocabulary.load(release.source, release.revision).operators
        parts, counts = [], [np.zeros((0, len(labels)), np.int32)]
        for split, rows in release.row_groups("graphs", [*wanted, _OPERATORS]):
            counts.extend(_counted(cells, len(labels)) for cells in rows.column(_OPERATORS).chunks)
            parts.append(rows.select(wanted).append_column("split", repeated(split, rows.num_rows)))
        table = pa.concat_tables(parts).combine_chunks()
        for name in SHOWN:
            if name not in wanted:
                kind = pa.int64() if name in _NUMBERS else pa.string()
                table = table.append_column(name, pa.nulls(table.num_rows, kind))
        return cls(release, table, labels, np.concatenate(counts))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def name(self) -> str:
        """What to call the release: never a path of this machine."""
        return self.release.name

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The row of each fingerprint."""
        return {name: row for row, name in enumerate(self.table.column("fingerprint").to_pylist())}

    @cached_property
    def choices(self) -> Mapping[str, list[tuple[str, int]]]:
        """For each column that is compared with a name, the names and how many rows have each, most first."""
        return {name: Counter(filter(None, self.table.column(name).to_pylist())).most_common() for name in NAMED}

    def is_known(self, column: str) -> bool:
        """Whether any row has something in a column."""
        return int(self.table.column(column).null_count) < len(self)

    @cached_property
    def used_operators(self) -> list[str]:
        """The operator types that rows have, those that most rows have first."""
        found_in = (self.counts > 0).sum(axis=0)
        order = np.argsort(-found_in, kind="stable").tolist()
        return [self.operators[at] for at in order if found_in[at] and self.operators[at] not in (UNKNOWN, MASK)]

    @cached_property
    def _searched(self) -> pa.ChunkedArray:
        columns = [pc.fill_null(self.table.column(name), "") for name in _SEARCHED]
        return pc.utf8_lower(pc.binary_join_element_wise(*columns, "\n"))

    @cached_property
    def _columns(self) -> Mapping[str, int]:
        return {label: column for column, label in enumerate(self.operators)}

    def row(self, fingerprint: str) -> dict[str, Any] | None:
        """What is in memory of a row; None if there is none."""
        at = self.positions.get(fingerprint)
        return None if at is None else self.rows([at])[0]

    def named(self, name: str) -> dict[str, Any] | None:
        """The row of a fingerprint, or the first one of a name; None if there is none."""
        found = self.row(name)
        if found is None and (at := pc.index(self.table.column("name"), pa.scalar(name, pa.string())).as_py()) >= 0:
            (found,) = self.rows([at])
        return found

    @cached_property
    def prominent(self) -> list[str]:
        """Names to choose from: those that most people know, as downloads and the number of models tell."""
        keys = [pc.fill_null(self.table.column(name), 0) for name in ("downloads", "num_models")]
        order = np.lexsort([-key.to_numpy() for key in reversed(keys)])[:_MOST_PROMINENT]
        return list(dict.fromkeys(filter(None, self.table.column("name").take(pa.array(order)).to_pylist())))

    def rows(self, positions: Sequence[int] | NDArray[np.int64]) -> list[dict[str, Any]]:
        """What is in memory of rows, by position."""
        return list(self.table.take(as_arrow(np.asarray(positions, np.int64))).to_pylist())

    def same_network(self, normal_fingerprint: str | None) -> list[dict[str, Any]]:
        """The rows that have a normal form: one network, by any exporter."""
        if normal_fingerprint is None:
            return []
        same = pc.equal(self.table.column("normal_fingerprint"), normal_fingerprint)
        return self.rows(np.flatnonzero(_is_true(same)))

    def select(self, query: Query) -> Found:
        """The rows that pass a query, a page of them."""
        passed, unknown = self._passed(query)
        positions = np.flatnonzero(passed)
        if query.sort:
            keys = self.table.column(query.sort).take(pa.array(positions))
            if query.sort == "name":
                keys = pc.utf8_lower(keys)
            positions = positions[_order(keys, descending=query.order == "desc")]
        pages = max(1, -(-len(positions) // PAGE))
        start = (min(query.page, pages) - 1) * PAGE
        return Found(len(positions), self.rows(positions[start : start + PAGE]), pages, unknown)

    def preview(self, fingerprint: str) -> bytes | None:
        """The preview of a row, a PNG; None where there is none. The first one reads all, some hundred bytes each."""
        at = self.positions.get(fingerprint)
        with self._lock:
            previews = self._previews
        return None if at is None else previews[at]

    @cached_property
    def _previews(self) -> list[bytes | None]:
        if _PREVIEW not in self.release.columns("graphs"):
            return [None] * len(self)
        check_foreign_release(self.release, {"graphs": (_PREVIEW,)})
        found: list[bytes | None] = []
        for _, rows in self.release.row_groups("graphs", [_PREVIEW]):
            found.extend(None if image is None else image["bytes"] for image in rows.column(_PREVIEW).to_pylist())
        return found

    def _passed(self, query: Query) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Which rows pass a query, bool [N], and the operator types that it names and no row has."""
        passed: NDArray[np.bool_] = np.ones(len(self), np.bool_)
        for word in query.q.lower().split():
            np.logical_and(passed, _is_true(pc.match_substring(self._searched, word)), out=passed)
        for name in NAMED:
            if value := getattr(query, name):
                np.logical_and(passed, _is_true(pc.equal(self.table.column(name), value)), out=passed)
        for bounds, compare in ((LEAST, pc.greater_equal), (MOST, pc.less_equal)):
            for name, column in bounds.items():
                if (bound := getattr(query, name)) is not None:
                    np.logical_and(passed, _is_true(compare(self.table.column(column), bound)), out=passed)
        named = dict.fromkeys((*query.all_of, *query.any_of))
        unknown = tuple(label for label in named if label not in self._columns)
        for label in query.all_of:
            np.logical_and(passed, self._has([label]), out=passed)
        if query.any_of:
            np.logical_and(passed, self._has(query.any_of), out=passed)
        return passed, unknown

    def _has(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        columns = [self._columns[label] for label in labels if label in self._columns]
        return np.asarray((self.counts[:, columns] > 0).any(axis=1), np.bool_)


def _counted(cells: pa.Array, operators: int) -> NDArray[np.int32]:
    """How often each of R rows has each operator id, int32 [R, operators]; an unknown id does not count."""
    values, boundaries = flatten_rows(cells, _OPERATORS)
    ids = as_numpy(values)[boundaries[0] : boundaries[-1]]
    row = np.repeat(np.arange(len(cells)), np.diff(boundaries))
    known = (ids >= 0) & (ids < operators)
    found = np.bincount(row[known] * operators + ids[known], minlength=len(cells) * operators)
    return found.astype(np.int32).reshape(len(cells), operators)


def _order(keys: pa.ChunkedArray, *, descending: bool) -> NDArray[np.int64]:
    """The positions of keys in ascending or descending order, equal ones as they stand, nulls last."""
    known = pc.is_valid(keys).combine_chunks().to_numpy(zero_copy_only=False)
    rank = pc.rank(keys, sort_keys="descending" if descending else "ascending", tiebreaker="min").to_numpy()
    order: NDArray[np.int64] = np.lexsort((rank, ~known))
    return order


def _is_true(mask: pa.ChunkedArray) -> NDArray[np.bool_]:
    """An Arrow mask as bool [N]; null is false."""
    found: NDArray[np.bool_] = pc.fill_null(mask, False).combine_chunks().to_numpy(zero_copy_only=False)
    return found
