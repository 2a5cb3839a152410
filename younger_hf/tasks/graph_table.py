"""The graphs of a split as arrays: any rows at a time, cut from Arrow memory in one go.

In goes a split of a release; out come `GraphUnion`s, disjoint unions of whichever rows are asked for. Nothing is done
row by row: a union is a few index vectors and a `take` for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from younger_hf.choices import check_choice
from younger_hf.errors import YoungerError
from younger_hf.graph import IntArray
from younger_hf.list_columns import flatten_pairs, flatten_rows
from younger_hf.vocabulary import KINDS

_KEYS: Final = ("fingerprint", "type_fingerprint")


@dataclass(frozen=True, eq=False)
class GraphUnion:
    """The disjoint union of B graphs: N operators, E data flows.

    Attributes:
        x: int64 [N], vocabulary ids.
        edge_index: int64 [2, E]: producer, consumer, as positions in `x`.
        edge_slot: int64 [2, E]: output slot of the producer, input slot of the consumer.
        ptr: int64 [B + 1]: graph i is nodes ptr[i] up to ptr[i + 1].
        boundary: int64 [T], of subgraphs: the positions in `x` of the nodes outside the community; else empty.
    """

    x: IntArray
    edge_index: IntArray
    edge_slot: IntArray
    ptr: IntArray
    boundary: IntArray

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.x)

    @property
    def num_graphs(self) -> int:
        """B."""
        return len(self.ptr) - 1


class GraphTable:
    """The graphs of one split, as views of its Arrow memory where that is in one piece.

    Args:
        dataset: a `datasets.Dataset` with the rows of `graphs`, `subgraphs`, or either without attributes.
        vocabulary: the ids in `x`: "operator" or "variant".

    Attributes:
        fingerprints: strings [R], the key of each row.
        num_nodes: int64 [R].
        num_edges: int64 [R].

    Raises:
        UsageError: the rows have no such ids, or are no graphs.
        YoungerError: a column is damaged.
    """

    def __init__(self, dataset: Any, vocabulary: str = "operator") -> None:
        check_choice("vocabulary", vocabulary, KINDS)
        names = dataset.column_names
        for column in (f"node_{vocabulary}", "edge_index", "edge_slot"):
            check_choice("column", column, names)
        key = next(name for name in _KEYS if name in names)
        columns = [key, f"node_{vocabulary}", "edge_index", "edge_slot", *({"boundary"} & set(names))]
        table = dataset.select_columns(columns).with_format("arrow")[:]
        self._nodes = _Lists(table, f"node_{vocabulary}", flatten_rows)
        self._edges = _Lists(table, "edge_index", flatten_pairs)
        self._slots = _Lists(table, "edge_slot", flatten_pairs)
        self._boundary = _Lists(table, "boundary", flatten_rows) if "boundary" in names else None
        if not np.array_equal(self._edges.lengths, self._slots.lengths):
            raise YoungerError("edge_index and edge_slot differ in length")
        self._dataset = dataset
        self.fingerprints: pa.ChunkedArray = table[key]
        self.num_nodes: IntArray = self._nodes.lengths
        self.num_edges: IntArray = self._edges.lengths // 2

    def __len__(self) -> int:
        return len(self.num_nodes)

    def union(self, rows: IntArray) -> GraphUnion:
        """The graphs of some rows, in the order given; the arrays are copies.

        Args:
            rows: int64 [B], positions in the split.
        """
        x, ptr = self._nodes.take(rows)
        edge_index, edge_ends = self._edges.take_pairs(rows)
        edge_index += np.repeat(ptr[:-1], np.diff(edge_ends))
        edge_slot, _ = self._slots.take_pairs(rows)
        boundary = np.empty(0, np.int64)
        if self._boundary is not None:
            boundary, ends = self._boundary.take(rows)
            boundary += np.repeat(ptr[:-1], np.diff(ends))
        return GraphUnion(x, edge_index, edge_slot, ptr, boundary)

    def has(self, name: str) -> bool:
        """Whether the rows have another column."""
        return name in self._dataset.column_names

    def column(self, name: str) -> pa.Array:
        """Another column of the rows [R].

        Raises:
            UsageError: there is none.
        """
        check_choice("column", name, self._dataset.column_names)
        return self._dataset.select_columns([name]).with_format("arrow")[:][name].combine_chunks()

    def parts(self, size: int) -> Iterator[IntArray]:
        """The numbers of all rows in their order, so many a part; the last one may be smaller."""
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))


class _Lists:
    """A column of lists: its values in one piece, and where each row begins in them."""

    def __init__(self, table: pa.Table, name: str, flatten: Callable[[pa.Array, str], tuple[pa.Array, IntArray]]):
        parts = [flatten(chunk, name) for chunk in table[name].chunks]
        if len(parts) == 1:
            ((values, ends),) = parts
            self.values, self.starts = values.to_numpy(), ends[:-1]
            self.lengths = np.diff(ends)
            return
        pieces = [values.to_numpy()[ends[0] : ends[-1]] for values, ends in parts]
        self.values = np.concatenate([np.empty(0, np.int64), *pieces])
        self.lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(ends) for _, ends in parts)])
        self.starts = np.cumsum(self.lengths) - self.lengths

    def take(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The values of some rows, one row after the other, and the boundaries of the rows in them."""
        ends = _boundaries(self.lengths[rows])
        where = np.arange(ends[-1]) + np.repeat(self.starts[rows] - ends[:-1], np.diff(ends))
        return self.values.take(where), ends

    def take_pairs(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """As `take`, of rows that are two lists one after the other: they come as [2, values]."""
        lengths = self.lengths[rows] // 2
        ends = _boundaries(lengths)
        first = np.arange(ends[-1]) + np.repeat(self.starts[rows] - ends[:-1], lengths)
        where = np.stack((first, first + np.repeat(lengths, lengths)))
        return self.values.take(where), ends


def _boundaries(lengths: IntArray) -> IntArray:
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends
