"""Batches of graphs, cut from Arrow memory in one go.

In goes a split of a release; out come `GraphBatch`es, disjoint unions of whichever rows are asked for. Nothing is done
row by row: a batch is a few index vectors and a `take` for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Final

import datasets
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from younger_hf.choices import check_choice
from younger_hf.errors import YoungerError
from younger_hf.graph import IntArray
from younger_hf.list_columns import flatten_pairs, flatten_rows
from younger_hf.vocabulary import KINDS

_KEYS: Final = ("fingerprint", "type_fingerprint")


@dataclass(frozen=True)
class GraphBatch:
    """The disjoint union of B graphs: N operators, E data flows.

    Attributes:
        x: int64 [N], vocabulary ids.
        edge_index: int64 [2, E]: producer, consumer, as positions in `x`.
        edge_attr: int64 [E, 2]: output slot of the producer, input slot of the consumer.
        ptr: int64 [B + 1]: graph i is nodes ptr[i] up to ptr[i + 1].
        boundary: int64 [T], of subgraphs: the positions in `x` of the nodes outside the community; else empty.
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    ptr: Tensor
    boundary: Tensor

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.x)

    @property
    def num_graphs(self) -> int:
        """B."""
        return len(self.ptr) - 1

    @property
    def batch(self) -> Tensor:
        """int64 [N]: the graph that each node is of."""
        graphs = torch.arange(self.num_graphs, device=self.ptr.device)
        return graphs.repeat_interleave(self.ptr.diff(), output_size=self.num_nodes)

    def to(self, device: torch.device | str) -> GraphBatch:
        """The batch on another device."""
        return GraphBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class GraphTable:
    """The graphs of one split, as views of its Arrow memory where that is in one piece.

    Args:
        dataset: rows of `graphs`, `subgraphs`, or either without attributes.
        vocabulary: the ids in `x`: "operator" or "variant".

    Raises:
        UsageError: the rows have no such ids, or are no graphs.
        YoungerError: a column is damaged.
    """

    def __init__(self, dataset: datasets.Dataset, vocabulary: str = "operator") -> None:
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
        self.fingerprints: pa.ChunkedArray = table[key]
        self.num_nodes: IntArray = self._nodes.lengths
        self.num_edges: IntArray = self._edges.lengths // 2

    def __len__(self) -> int:
        return len(self.num_nodes)

    def batch(self, rows: IntArray) -> GraphBatch:
        """The graphs of some rows, in the order given.

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
        return GraphBatch(
            torch.from_numpy(x),
            torch.from_numpy(edge_index),
            torch.from_numpy(edge_slot).t(),
            torch.from_numpy(ptr),
            torch.from_numpy(boundary),
        )

    def batches(self, batch_size: int) -> Iterator[GraphBatch]:
        """All rows in their order, so many a batch; the last one may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))))


class ShuffledRows:
    """Which rows each training step sees: a fresh order an epoch, a function of the seed and the step alone.

    Args:
        num_rows: of the split.
        batch_size: rows a step; an epoch's last step may have fewer.
        seed: of the orders.
    """

    def __init__(self, num_rows: int, batch_size: int, seed: int) -> None:
        self._num_rows, self._batch_size, self._seed = num_rows, batch_size, seed
        self.steps_per_epoch = -(-num_rows // batch_size)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, step: int) -> IntArray:
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._num_rows)
        return self._order[position * self._batch_size : (position + 1) * self._batch_size]


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
