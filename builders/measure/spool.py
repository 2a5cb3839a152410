"""What was measured, set aside on disk between the two passes of assembly, so that memory does not grow with a release.

In go measurements, one after the other, numbered from 0; out come graphs, pictures, skeletons and module trees by
number, in any order. A measurement is two records of an Arrow file: the graph with its picture and the shapes along its
edges, the graph without attributes with the skeleton and its module tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from builders.measure.facts import Facts, Measurement, measure
from builders.measure.shapes import Shapes
from younger_hf.graph import IntArray, Operator, OperatorGraph

_INTEGERS: Final = pa.list_(pa.int32())
_SCHEMA: Final = pa.schema(
    {
        "labels": pa.list_(pa.string()),
        "node": _INTEGERS,
        "scope": _INTEGERS,
        "producer": _INTEGERS,
        "consumer": _INTEGERS,
        "output_slot": _INTEGERS,
        "input_slot": _INTEGERS,
        "attachment": pa.large_binary(),
        "modules": pa.large_binary(),
        "shapes": pa.list_(pa.string()),
        "unfed": _INTEGERS,
    }
)


@dataclass(frozen=True)
class Packed:
    """A measurement as it is handed from process to process: cheap to pickle, ready to be written.

    Attributes:
        facts: small, kept in memory.
        records: what goes to the spool.
    """

    facts: Facts
    records: tuple[pa.RecordBatch, pa.RecordBatch]


def measure_packed(skeleton: bytes, modules: bytes = b"") -> Packed:
    """Measure a skeleton and pack what was measured.

    Args:
        skeleton: a serialised weightless ModelProto.
        modules: the module tree of its nodes, serialised; empty where there is none.

    Raises:
        InvalidModelError: it is no skeleton.
    """
    return pack(measure(skeleton), modules)


def pack(found: Measurement, modules: bytes = b"") -> Packed:
    """Pack what was measured of a skeleton with its module tree."""
    with_attributes = _pack(found.graph, found.unfed, found.preview, shapes=found.shapes)
    without = _pack(found.type_graph, found.type_unfed, found.skeleton, modules)
    return Packed(found.facts, (with_attributes, without))


@contextmanager
def write_spool(path: Path) -> Iterator[Callable[[Packed], None]]:
    """Open a spool to be written; yields what writes the next measurement."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:

        def write(packed: Packed) -> None:
            for record in packed.records:
                writer.write_batch(record)

        yield write


class Spool:
    """A finished spool: what was measured, by number."""

    def __init__(self, path: Path) -> None:
        # Not mapped into memory: records are compressed, so that nothing is gained by it.
        self._reader = pa.ipc.open_file(pa.OSFile(str(path)))

    def graph(self, number: int, *, attributes: bool = True) -> OperatorGraph:
        """A graph in canonical order, with or without the attributes of its operators."""
        return graph_in(self.record(number, attributes=attributes))

    def unfed(self, number: int, *, attributes: bool = True) -> IntArray:
        """The input slots of a graph that no node feeds, int64 [3, U]: node, slot and `Unfed`."""
        return unfed_in(self.record(number, attributes=attributes))

    def preview(self, number: int) -> bytes:
        """The picture of a graph, a PNG."""
        return bytes(self.record(number, attributes=True)["attachment"][0].as_py())

    def shapes(self, number: int) -> Shapes:
        """What flows along each edge of a graph, as `builders.measure.shapes.edge_shapes` gives it."""
        shapes: Shapes = self.record(number, attributes=True)["shapes"][0].as_py()
        return shapes

    def skeleton(self, number: int) -> bytes:
        """The skeleton that was measured, stripped again and serialised."""
        return bytes(self.record(number, attributes=False)["attachment"][0].as_py())

    def modules(self, number: int) -> bytes:
        """The module tree of the skeleton's nodes, serialised; empty where there is none."""
        return bytes(self.record(number, attributes=False)["modules"][0].as_py())

    def record(self, number: int, *, attributes: bool) -> pa.RecordBatch:
        """A graph as it lies in the file, to be handed to another process: `graph_in` and `unfed_in` read it."""
        return self._reader.get_batch(2 * number if attributes else 2 * number + 1)


def graph_in(record: pa.RecordBatch) -> OperatorGraph:
    """The graph of a record, in canonical order."""
    operators = [Operator.from_label(label) for label in record["labels"][0].as_py()]
    column = {
        name: record[name].values.to_numpy()
        for name in ("node", "scope", "producer", "consumer", "output_slot", "input_slot")
    }
    return OperatorGraph(
        tuple(map(operators.__getitem__, column["node"].tolist())),
        np.stack((column["producer"], column["consumer"])),
        np.stack((column["output_slot"], column["input_slot"])),
        column["scope"],
    )


def unfed_in(record: pa.RecordBatch) -> IntArray:
    """The input slots of a record's graph that no node feeds, int64 [3, U]: node, slot and `Unfed`."""
    flat: IntArray = record["unfed"].values.to_numpy().astype(np.int64)
    return flat.reshape(3, -1)


def _pack(
    graph: OperatorGraph, unfed: IntArray, attachment: bytes, modules: bytes = b"", shapes: Shapes = ()
) -> pa.RecordBatch:
    labels = sorted({operator.label for operator in graph.operator})
    position = {Operator.from_label(label): number for number, label in enumerate(labels)}
    columns = {
        "node": np.fromiter(map(position.__getitem__, graph.operator), np.int32, graph.num_nodes),
        "scope": graph.scope,
        "producer": graph.edge_index[0],
        "consumer": graph.edge_index[1],
        "output_slot": graph.edge_slot[0],
        "input_slot": graph.edge_slot[1],
    }
    return pa.RecordBatch.from_arrays(
        [
            pa.array([labels], _SCHEMA.field("labels").type),
            *(pa.array([column.astype(np.int32)], _INTEGERS) for column in columns.values()),
            pa.array([attachment], pa.large_binary()),
            pa.array([modules], pa.large_binary()),
            pa.array([shapes], _SCHEMA.field("shapes").type),
            pa.array([unfed.astype(np.int32).ravel()], _INTEGERS),
        ],
        schema=_SCHEMA,
    )
