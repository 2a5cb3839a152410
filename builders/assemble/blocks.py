"""The rows of config `blocks`: the blocks of every network, each kept once, with the graphs that it occurs in.

In go the rows of `graphs`; out come those of `blocks`, which are on disk meanwhile. A graph's blocks are those of one
of its skeletons: of the first that has a module tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from builders.assemble.scratch_file import Int32s, ScratchTables, to_bytes, to_text
from builders.assemble.split.placement import PlacedRows
from builders.executor.ordered_map import LostError, OrderedMap
from builders.measure.blocks import Block, find_blocks_in
from builders.measure.spool import Spool
from younger_hf.errors import YoungerError
from younger_hf.schema import MOST_GRAPHS
from younger_hf.vocabulary import Vocabulary

_ARRAYS: Final = ("scope", "edge_index", "edge_slot", "open_input", "open_value", "open_output")
_PAIRS: Final = frozenset({"edge_index", "edge_slot", "open_input", "open_output"})
_TABLES: Final = """
CREATE TABLE blocks (number INTEGER PRIMARY KEY, key BLOB UNIQUE, exact);
CREATE TABLE occurrences (number, graph, modules, least, greatest);
CREATE TABLE kinds (number, kind BLOB, modules);
"""
_SCHEMA: Final = pa.schema({name: pa.list_(pa.int32()) for name in ("node", *_ARRAYS)})


@contextmanager
def block_rows(
    graphs: PlacedRows, spool: Path, vocabulary: Vocabulary, *, mapped: OrderedMap
) -> Iterator[Iterator[dict[str, Any]]]:
    """Find the blocks of every row of `graphs`; the block of the `with` may read the rows of `blocks`, by fingerprint.

    Args:
        graphs: the rows of `graphs`.
        spool: the file that skeletons and module trees are in; blocks are set aside beside it meanwhile.
        vocabulary: of the release.
        mapped: where networks are cut.

    Raises:
        YoungerError: a process died.
        OSError: the disk is full, or the directory not writable.
    """
    path = spool.with_suffix(".blocks")
    opened = Spool(spool)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with closing(_Blocks(spool.with_suffix(".blocks.sqlite"))) as blocks:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
            results = mapped(
                find_blocks_in, (_with_modules(opened, graphs.rows.members[row]) for row in graphs.order.tolist())
            )
            graph = 0
            try:
                for graph, found in enumerate(tqdm(results, "blocks", len(graphs), unit="graph", disable=None)):
                    for block in found:
                        if blocks.add(block, graph):
                            writer.write_batch(_record(block, vocabulary))
            except LostError as error:
                key = graphs[graph].merged.key
                raise YoungerError(
                    f"the graph {key}, or one soon after it, cannot be cut into blocks: {error}"
                ) from error
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            yield ({**row, **_structure(reader.get_batch(number), vocabulary)} for number, row in blocks.rows(graphs))


class _Blocks:
    """Unique blocks, numbered in the order in which they were first found, and where they occur.

    Args:
        path: of the file that this is set aside in, which must not be there.
    """

    def __init__(self, path: Path) -> None:
        self._tables = ScratchTables(path, _TABLES)
        self._num_blocks = 0

    def add(self, block: Block, graph: int) -> bool:
        """Add a block of a graph; True where it is the first that has it. Graphs come in ascending order."""
        key, number = to_bytes(block.key), self._num_blocks
        known = self._tables.read_one("SELECT number FROM blocks WHERE key = ?", (key,))
        if known is None:
            self._tables.write("INSERT INTO blocks VALUES (?, ?, ?)", (number, key, block.exact))
            self._num_blocks += 1
        else:
            (number,) = known
        occurrence = number, graph, len(block.kinds), min(block.depths), max(block.depths)
        self._tables.write("INSERT INTO occurrences VALUES (?, ?, ?, ?, ?)", occurrence)
        kinds = Counter(to_bytes(kind) for kind in block.kinds if not kind.startswith("#"))
        self._tables.write_many("INSERT INTO kinds VALUES (?, ?, ?)", ((number, *kind) for kind in kinds.items()))
        return known is None

    def rows(self, graphs: PlacedRows) -> Iterator[tuple[int, dict[str, Any]]]:
        """The number of each block, and what a row says of where it occurs; by key."""
        self._tables.write("CREATE INDEX by_block ON occurrences (number, graph)")
        self._tables.write("CREATE INDEX by_kind ON kinds (number)")
        read, read_one = self._tables.read, self._tables.read_one
        for number, key, exact in read("SELECT number, key, exact FROM blocks ORDER BY key"):
            occurs_in = read(
                "SELECT graph FROM occurrences WHERE number = ? ORDER BY graph LIMIT ?", (number, MOST_GRAPHS)
            )
            positions = np.array([graph for (graph,) in occurs_in], np.int32)
            kinds = [
                to_text(kind)
                for (kind,) in read(
                    "SELECT kind FROM kinds WHERE number = ? GROUP BY kind ORDER BY sum(modules) DESC, kind LIMIT ?",
                    (number, MOST_GRAPHS),
                )
            ]
            counts = read_one(
                "SELECT sum(modules), count(*), min(least), max(greatest) FROM occurrences WHERE number = ?", (number,)
            )
            yield (
                number,
                {
                    "fingerprint": to_text(key),
                    "exact": bool(exact),
                    "class_name": kinds[0] if kinds else None,
                    "class_names": kinds,
                    "graphs": graphs.keys_of(positions),
                    **dict(zip(("num_occurrences", "num_graphs", "min_depth", "max_depth"), counts or (), strict=True)),
                },
            )

    def close(self) -> None:
        """Close the file."""
        self._tables.close()


def _with_modules(spool: Spool, numbers: Int32s) -> tuple[bytes, bytes]:
    """The first of some skeletons that has a module tree, with it; nothing if none has."""
    for number in numbers.tolist():
        if modules := spool.modules(number):
            return spool.skeleton(number), modules
    return b"", b""


def _record(block: Block, vocabulary: Vocabulary) -> pa.RecordBatch:
    ids = np.array([vocabulary.variant_id(label) for label in block.labels], dtype=np.int32)
    columns = [ids[block.node], *(getattr(block, name).ravel() for name in _ARRAYS)]
    return pa.RecordBatch.from_arrays([pa.array([column], pa.list_(pa.int32())) for column in columns], schema=_SCHEMA)


def _structure(record: pa.RecordBatch, vocabulary: Vocabulary) -> dict[str, Any]:
    columns = {name: record[name].values.to_numpy() for name in ("node", *_ARRAYS)}
    node = columns.pop("node")
    columns["node_scope"] = columns.pop("scope")
    pairs = {name: list(column.reshape(2, -1)) if name in _PAIRS else column for name, column in columns.items()}
    return {
        "num_nodes": len(node),
        "num_edges": len(columns["edge_index"]) // 2,
        "num_inputs": int(columns["open_value"].max(initial=-1)) + 1,
        "num_outputs": len(columns["open_output"]) // 2,
        "node_operator": vocabulary.operator_of_variant[node],
        "node_variant": node,
        **pairs,
    }
