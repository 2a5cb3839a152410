"""Graphs set aside on disk between the two passes of assembly, so that memory does not grow with the release.

In go graphs in canonical order, with picture or skeleton; out they come again by number, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from younger_hf.graph import Operator, OperatorGraph

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
    }
)


def pack(graph: OperatorGraph, attachment: bytes = b"") -> pa.RecordBatch:
    """A graph, and whatever bytes go with it, as one record."""
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
        ],
        schema=_SCHEMA,
    )


@contextmanager
def write_spool(path: Path) -> Iterator[Any]:
    """Open a file to write records to, by the yielded object's `write_batch`; they are numbered from 0."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
        yield writer


class Spool:
    """The records of a finished file, by number."""

    def __init__(self, path: Path) -> None:
        # Not mapped into memory: records are compressed, so that nothing is gained by it.
        self._reader = pa.ipc.open_file(pa.OSFile(str(path)))

    def graph(self, number: int) -> OperatorGraph:
        """The graph of a record."""
        record = self._reader.get_batch(number)
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

    def attachment(self, number: int) -> bytes:
        """The bytes that were packed with the graph of a record."""
        return bytes(self._reader.get_batch(number)["attachment"][0].as_py())
