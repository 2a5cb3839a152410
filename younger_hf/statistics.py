"""The statistics of a release: how many architectures of what size, made of which operators, from where.

In goes a release; out come `Statistics`. The columns that are counted are read a row group at a time, so that
memory holds one row group and the counts, whatever the size of the release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from younger_hf.errors import ReleaseError
from younger_hf.graph import IntArray
from younger_hf.list_columns import flatten_rows
from younger_hf.operator_groups import GROUPS, operator_group
from younger_hf.release import Release, open_release
from younger_hf.schema import DEFAULT_CONFIG
from younger_hf.vocabulary import Vocabulary

CATALOGUES: Final = {
    "tasks": "task",
    "families": "family",
    "sources": "source",
    "origins": "origin",
    "licenses": "license",
}
"""What graphs are told apart by, and the column that says it."""

_Name = TypeVar("_Name", str, str | None)
_SIZES: Final = ("num_nodes", "num_edges")


@dataclass(frozen=True)
class Distribution:
    """How often each of the D different values of a quantity occurs.

    Attributes:
        values: int64 [D], ascending.
        counts: int64 [D], at least 1 each.
    """

    values: IntArray
    counts: IntArray

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Distribution:
        """The distribution of values that were counted."""
        values = np.array(sorted(counts), dtype=np.int64)
        return cls(values, np.array([counts[value] for value in values.tolist()], dtype=np.int64))

    @property
    def size(self) -> int:
        """How many values there are, equal ones each counted."""
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        """The sum of all values."""
        return int(self.values @ self.counts)

    @property
    def min(self) -> int:
        """The least value; 0 if there is none."""
        return int(self.values[0]) if self.size else 0

    @property
    def max(self) -> int:
        """The greatest value; 0 if there is none."""
        return int(self.values[-1]) if self.size else 0

    @property
    def mean(self) -> float:
        """The mean of all values; 0 if there is none."""
        return self.total / self.size if self.size else 0.0

    @property
    def median(self) -> float:
        """The value in the middle, exactly; of an even number of values, the mean of the two in the middle."""
        if not self.size:
            return 0.0
        middle = [(self.size - 1) // 2, self.size // 2]
        return float(self.values[np.searchsorted(np.cumsum(self.counts), middle, side="right")].mean())


@dataclass(frozen=True)
class SplitStatistics:
    """The rows of one split of one config.

    Attributes:
        rows: how many there are.
        nodes: operators a row; nothing in it where the rows are no graphs.
        edges: data flows a row; nothing in it where the rows are no graphs.
    """

    rows: int
    nodes: Distribution
    edges: Distribution


@dataclass(frozen=True)
class OperatorCount:
    """How often an operator type occurs.

    Attributes:
        operator: its `type_label`.
        nodes: the nodes that are one.
        graphs: the graphs that have one.
    """

    operator: str
    nodes: int
    graphs: int


@dataclass(frozen=True)
class Family:
    """The graphs of one architecture family.

    Attributes:
        name: as column `family` has it.
        graphs: how many there are.
        nodes: of each of `GROUPS`, how many nodes they have together.
    """

    name: str
    graphs: int
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Statistics:
    """What a release holds. All but `splits` is of config `graphs`, whose rows are the unique architectures.

    Attributes:
        splits: of every config and split.
        nodes: operators a graph.
        edges: data flows a graph.
        models: models that the graphs were made from.
        operators: the operator types that occur, most nodes first.
        variants: how many different operators with attributes occur.
        catalogues: for each of `CATALOGUES`, the graphs of each name, most first; None counts those without one.
        families: every family that has a name, most graphs first.
    """

    splits: Mapping[str, Mapping[str, SplitStatistics]]
    nodes: Distribution
    edges: Distribution
    models: int
    operators: tuple[OperatorCount, ...]
    variants: int
    catalogues: Mapping[str, Mapping[str | None, int]]
    families: tuple[Family, ...]


def count_release(source: str | Path = "younger", revision: str | None = None) -> Statistics:
    """Count what a release holds.

    Args:
        source: a release directory, or the id of a Hub dataset repository; of this, only the columns that are
            counted are fetched.
        revision: the repository's branch, tag or commit.

    Raises:
        ReleaseError: no such release, or one that is incomplete, damaged, or of another schema version.
        UsageError: the release has no config `graphs`.
    """
    release = open_release(source, revision)
    release.splits(DEFAULT_CONFIG)
    counted = {config: _count_sizes(release, config) for config in release.configs}
    nodes, edges = Counter[int](), Counter[int]()
    for split in counted[DEFAULT_CONFIG].values():
        nodes.update(split.nodes)
        edges.update(split.edges)
    graphs = _GraphCounts(Vocabulary.load(release.source, release.revision))
    for _, table in _row_groups(release, DEFAULT_CONFIG, graphs.columns):
        graphs.add(table)
    return Statistics(
        {config: {name: split.finished() for name, split in splits.items()} for config, splits in counted.items()},
        Distribution.of(nodes),
        Distribution.of(edges),
        graphs.models,
        graphs.operators(),
        int(np.count_nonzero(graphs.has_variant)),
        {name: dict(_most_first(counts)) for name, counts in graphs.catalogues.items()},
        graphs.families(),
    )


def columns_counted(release: Release) -> dict[str, tuple[str, ...] | None]:
    """What `count_release` reads of a release: columns by config, None for all."""
    sizes = dict.fromkeys(release.configs, _SIZES)
    return {**sizes, DEFAULT_CONFIG: (*_SIZES, *_GraphCounts.columns), "operators": None}


class _SplitCounts:
    def __init__(self) -> None:
        self.rows = 0
        self.nodes: Counter[int] = Counter()
        self.edges: Counter[int] = Counter()

    def finished(self) -> SplitStatistics:
        return SplitStatistics(self.rows, Distribution.of(self.nodes), Distribution.of(self.edges))


def _count_sizes(release: Release, config: str) -> dict[str, _SplitCounts]:
    columns = _SIZES if set(_SIZES) <= set(release.columns(config)) else ()
    splits = {split: _SplitCounts() for split in release.splits(config)}
    for split, table in _row_groups(release, config, columns):
        splits[split].rows += table.num_rows
        if columns:
            splits[split].nodes.update(table["num_nodes"].to_pylist())
            splits[split].edges.update(table["num_edges"].to_pylist())
    return splits


class _GraphCounts:
    """What is counted of the rows of config `graphs`; it grows with the vocabulary and the names, not with the rows."""

    columns = (*CATALOGUES.values(), "num_models", "node_operator", "node_variant")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.labels = vocabulary.operators
        operators = vocabulary.decode(range(len(self.labels)), "operator")
        self.group_of = np.array([GROUPS.index(operator_group(operator)) for operator in operators], dtype=np.int64)
        self.models = 0
        self.nodes = np.zeros(len(self.labels), dtype=np.int64)
        self.graphs = np.zeros(len(self.labels), dtype=np.int64)
        self.has_variant = np.zeros(len(vocabulary.variants), dtype=np.bool_)
        self.catalogues: dict[str, Counter[str | None]] = {name: Counter() for name in CATALOGUES}
        self.family_nodes: dict[str, IntArray] = {}

    def add(self, table: pa.Table) -> None:
        """Count the rows of one row group."""
        for name, column in CATALOGUES.items():
            self.catalogues[name].update(table[column].to_pylist())
        self.models += sum(filter(None, table["num_models"].to_pylist()))
        self.has_variant[_nodes(table, "node_variant", len(self.has_variant))[0]] = True

        operator, row = _nodes(table, "node_operator", len(self.labels))
        self.nodes += np.bincount(operator, minlength=len(self.labels))
        pairs = np.unique(row * len(self.labels) + operator)
        self.graphs += np.bincount(pairs % len(self.labels), minlength=len(self.labels))

        family = table["family"].combine_chunks().dictionary_encode()
        names = family.dictionary.to_pylist()
        number = family.indices.fill_null(len(names)).to_numpy().astype(np.int64)
        cells = np.bincount(
            number[row] * len(GROUPS) + self.group_of[operator], minlength=(len(names) + 1) * len(GROUPS)
        )
        for name, nodes in zip(names, cells.reshape(-1, len(GROUPS)), strict=False):
            self.family_nodes[name] = self.family_nodes.get(name, 0) + nodes

    def operators(self) -> tuple[OperatorCount, ...]:
        """The operator types that occur, most nodes first."""
        counts = {self.labels[i]: int(self.nodes[i]) for i in np.flatnonzero(self.nodes)}
        graphs = dict(zip(self.labels, self.graphs.tolist(), strict=True))
        return tuple(OperatorCount(label, nodes, graphs[label]) for label, nodes in _most_first(counts))

    def families(self) -> tuple[Family, ...]:
        """The families that have a name, most graphs first."""
        return tuple(
            Family(name, graphs, tuple(self.family_nodes[name].tolist()))
            for name, graphs in _most_first(self.catalogues["families"])
            if name is not None
        )


def _nodes(table: pa.Table, column: str, end: int) -> tuple[IntArray, IntArray]:
    """The ids of all nodes of a row group, and the row that each belongs to; both int64 [N]."""
    values, boundaries = flatten_rows(table[column].combine_chunks(), column)
    ids = values.to_numpy()[boundaries[0] : boundaries[-1]]
    wrong = ids[(ids < 0) | (ids >= end)]
    if wrong.size:
        raise ReleaseError(f"column {column} has id {wrong[0]}, and the vocabulary of the release ends at {end - 1}")
    return ids, np.repeat(np.arange(table.num_rows), np.diff(boundaries))


def _most_first(counts: Mapping[_Name, int]) -> list[tuple[_Name, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))


def _row_groups(release: Release, config: str, columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    row_groups = release.row_groups(config, columns)
    return iter(tqdm(row_groups, desc=f"read {config}", unit="row group", disable=None))
