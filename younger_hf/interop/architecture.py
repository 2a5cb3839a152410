"""`ArchitectureData`, and how it is cut out of Arrow memory.

In goes a record batch of a release's rows; out comes, for each row, a PyTorch Geometric `Data`. Its tensors are
copied straight out of the batch, which is nearly always a file mapped read-only: writing into a view of it would end
the process.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from torch.utils.dlpack import from_dlpack
from torch_geometric.data import Data

from younger_hf.choices import check_choice
from younger_hf.dataset import as_numbers, as_pairs
from younger_hf.errors import YoungerError
from younger_hf.graph import IntArray
from younger_hf.interop.targets import Target, how_to_filter
from younger_hf.labels import CLASS_COLUMNS
from younger_hf.list_columns import flatten_pairs, flatten_rows
from younger_hf.vocabulary import KINDS


class ArchitectureData(Data):  # type: ignore[misc]
    """An architecture as PyTorch Geometric sees it: N operators, E data flows.

    Attributes:
        x: int64 [N], vocabulary ids.
        edge_index: int64 [2, E]: producer, consumer.
        edge_attr: int64 [E, 2]: output slot of the producer, input slot of the consumer.
        num_nodes: N.
        scope_index: int64 [2, K]: the nodes that stand in a control-flow body, and the owners of the bodies.
        boundary_mask: bool [N], of a subgraph's row: the nodes outside of the community.
        y: [1], the target, if one was named: int64 or float32; of several, a dictionary of such by column.
        fingerprint: the row's key; not there for a graph that is no row.
        name, family, task: of the row's representative model, "" where it is not known; of rows that have them.
        vocabulary: the id space of `x`, "operator" or "variant".
    """

    @property
    def scope(self) -> torch.Tensor:
        """int64 [N]: the control-flow node whose body holds this node, or -1; right in batches, too.

        It is kept as `scope_index`, since PyTorch Geometric offsets whole tensors when it makes a batch, and
        a -1 would come to point at the graph before.
        """
        if "scope_index" not in self:
            return torch.full((self.num_nodes,), -1, device=self.edge_index.device)
        scope = torch.full((self.num_nodes,), -1, device=self.scope_index.device)
        scope[self.scope_index[0]] = self.scope_index[1]
        return scope

    @scope.setter
    def scope(self, scope: torch.Tensor) -> None:
        inside = (scope >= 0).nonzero().flatten()
        self.scope_index = torch.stack((inside, scope[inside]))


@dataclass(frozen=True)
class ColumnPlan:
    """Which columns an `ArchitectureData` is cut from; None where the config has no such column."""

    vocabulary: str
    nodes: str
    key: str | None
    scope: str | None
    has_scope: str | None
    boundary: str | None
    targets: tuple[Target, ...]
    labels: tuple[str, ...]
    is_single: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that are read."""
        columns = (
            self.nodes,
            "edge_index",
            "edge_slot",
            self.key,
            self.scope,
            self.has_scope,
            self.boundary,
            *(target.column for target in self.targets),
            *self.labels,
        )
        return tuple(dict.fromkeys(column for column in columns if column is not None))

    @classmethod
    def of(
        cls, schema: pa.Schema, vocabulary: str, targets: tuple[Target, ...] = (), is_single: bool = True
    ) -> ColumnPlan:
        """Find the columns in the schema of a config.

        Args:
            schema: of the rows.
            vocabulary: the id space of `x`.
            targets: what becomes `y`.
            is_single: whether `y` is the one target, and no dictionary of targets.

        Raises:
            UsageError: a column is missing.
        """
        check_choice("vocabulary", vocabulary, KINDS)
        names = schema.names
        for column in (f"node_{vocabulary}", "edge_index", "edge_slot"):
            check_choice("column", column, names)

        def present(*columns: str) -> str | None:
            return next((column for column in columns if column in names), None)

        scope = present("node_scope")
        return cls(
            vocabulary,
            f"node_{vocabulary}",
            present("fingerprint", "type_fingerprint"),
            scope,
            present("has_control_flow") if scope else None,
            present("boundary"),
            targets,
            tuple(label for label in _LABELS if label in names and pa.types.is_string(schema.field(label).type)),
            is_single,
        )


class Piece:
    """A record batch, opened: tensors over the whole of each column, of which a row's are copies of a part."""

    def __init__(self, batch: pa.RecordBatch, plan: ColumnPlan) -> None:
        nodes, node_ends = flatten_rows(batch.column(plan.nodes), plan.nodes)
        edges, edge_ends = flatten_pairs(batch.column("edge_index"), "edge_index")
        slots, slot_ends = flatten_pairs(batch.column("edge_slot"), "edge_slot")
        if not np.array_equal(np.diff(edge_ends), np.diff(slot_ends)):
            raise YoungerError("edge_index and edge_slot differ in length")
        num_nodes = np.diff(node_ends)
        _check_positions(edges, edge_ends, num_nodes, "edge_index")
        self._num_rows = len(batch)
        self._vocabulary = plan.vocabulary
        # DLPack shares read-only memory without the warning of torch.from_numpy, and keeps the buffer alive.
        self._nodes, self._edges, self._slots = map(from_dlpack, (nodes, edges, slots))
        # A memoryview gives Python integers, several times faster than an array does.
        self._node_ends, self._edge_ends, self._slot_ends = node_ends.data, edge_ends.data, slot_ends.data
        self._keys = batch.column(plan.key) if plan.key else None
        self._scope = _Lists(batch, plan.scope) if plan.scope else None
        self._has_scope = batch.column(plan.has_scope).to_pylist() if plan.has_scope else None
        self._boundary = _Lists(batch, plan.boundary) if plan.boundary else None
        if self._boundary is not None:
            self._boundary.check_positions(num_nodes)
        self._targets = {target.column: _Numbers(batch.column(target.column), target) for target in plan.targets}
        self._is_single = plan.is_single
        # Texts of a whole piece come several times faster than one by one.
        self._labels = {label: batch.column(label).to_pylist() for label in plan.labels}

    def __len__(self) -> int:
        return self._num_rows

    def cut(self, row: int) -> ArchitectureData:
        """The architecture of the row at a position in the batch."""
        first, last = self._node_ends[row], self._node_ends[row + 1]
        start, end = self._edge_ends[row], self._edge_ends[row + 1]
        num_edges = (end - start) // 2
        x = self._nodes[first:last].clone()
        edge_index = self._edges[start:end].clone().view(2, num_edges)
        edge_attr = self._slots[self._slot_ends[row] : self._slot_ends[row + 1]].clone().view(2, num_edges).t()
        fields = {"x": x, "edge_index": edge_index, "edge_attr": edge_attr, "num_nodes": last - first}
        if self._scope is not None:
            inside = self._has_scope is None or self._has_scope[row]
            fields["scope_index"] = _scope_index(self._scope[row], last - first) if inside else _NO_SCOPE
        if self._boundary is not None:
            mask = np.zeros(last - first, dtype=bool)
            mask[self._boundary[row]] = True
            fields["boundary_mask"] = torch.from_numpy(mask)
        if self._targets:
            y = {column: numbers[row] for column, numbers in self._targets.items()}
            fields["y"] = next(iter(y.values())) if self._is_single else y
        if self._keys is not None:
            fields["fingerprint"] = self._keys[row].as_py()
        for label, column in self._labels.items():
            fields[label] = column[row] or ""
        fields["vocabulary"] = self._vocabulary
        # Setting the fields one by one takes longer than everything above.
        data = copy.copy(_EMPTY)
        data._store._mapping.update(fields)
        return data


class _Lists:
    """A column of lists whose rows are NumPy views."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name = name
        self._column, self._row_ends = flatten_rows(batch.column(name), name)
        self._values, self._ends = self._column.to_numpy(), self._row_ends.data

    def check_positions(self, num_nodes: IntArray) -> None:
        """See that every row holds positions of its own nodes."""
        _check_positions(self._column, self._row_ends, num_nodes, self._name)

    def __getitem__(self, row: int) -> IntArray:
        return self._values[self._ends[row] : self._ends[row + 1]]  # type: ignore[no-any-return]


class _Numbers:
    """A target whose rows are tensors [1]."""

    def __init__(self, column: pa.Array, target: Target) -> None:
        numbers = target.encode(column)
        self._target = target
        self._valid = numbers.is_valid().to_pylist() if numbers.null_count else None
        self._values = from_dlpack(numbers.fill_null(0))

    def __getitem__(self, row: int) -> torch.Tensor:
        if self._valid is not None and not self._valid[row]:
            raise YoungerError(f"a row has no {self._target.column}: {how_to_filter(self._target)}")
        return self._values[row : row + 1].clone()


def _scope_index(scope: IntArray, num_nodes: int) -> torch.Tensor:
    inside = np.flatnonzero(scope >= 0)
    owners = scope[inside]
    if inside.size and (len(scope) != num_nodes or owners.max() >= num_nodes):
        raise YoungerError(_POINTS_ASTRAY.format(name="node_scope"))
    return torch.from_numpy(np.stack((inside, owners)))


def _check_positions(values: pa.Array, ends: IntArray, num_nodes: IntArray, name: str) -> None:
    """See that each row of a column holds positions of the row's own nodes: a kernel may read memory by them.

    Args:
        values: the column's values.
        ends: int64 [R + 1], the boundaries of its rows in them.
        num_nodes: int64 [R], how many nodes each row has.
        name: the column's.

    Raises:
        YoungerError: one does not.
    """
    filled = np.diff(ends) > 0
    if filled.any():
        # Read as unsigned, a negative number is larger than all others.
        positions = values.to_numpy().view(np.uint64)[: ends[-1]]
        if (np.maximum.reduceat(positions, ends[:-1][filled]) >= num_nodes[filled].astype(np.uint64)).any():
            raise YoungerError(_POINTS_ASTRAY.format(name=name))


def row_to_batch(row: Mapping[str, Any]) -> pa.RecordBatch:
    """One row as a record batch of the columns that a graph may be cut from."""
    columns: dict[str, pa.Array] = {}
    for name, value in row.items():
        if name in ("node_operator", "node_variant", "node_scope", "boundary"):
            columns[name] = pa.array([as_numbers(value, name)], _ROW)
        elif name in ("edge_index", "edge_slot"):
            columns[name] = pa.array([list(as_pairs(value, name))], pa.list_(_ROW, 2))
        elif value is None:
            columns[name] = pa.array([None], pa.string() if name in _TEXTS else pa.int64())
        elif isinstance(value, (str, bool, int, float, np.generic, torch.Tensor)):
            columns[name] = pa.array([value.item() if hasattr(value, "item") else value])
    return pa.RecordBatch.from_pydict(columns)


_POINTS_ASTRAY: Final = "column {name} has a row that points to a node it does not have"
_LABELS: Final = ("name", "family", "task")
_TEXTS: Final = frozenset({*_LABELS, *CLASS_COLUMNS})
_EMPTY: Final = ArchitectureData()
_NO_SCOPE: Final = torch.empty((2, 0), dtype=torch.int64)
_ROW: Final = pa.list_(pa.int64())
