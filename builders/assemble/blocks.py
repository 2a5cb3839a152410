"""The rows of config `blocks`: the blocks of every network, each kept once, with the graphs that it occurs in.

In go the rows of `graphs`; out come `FoundBlocks`, whose structure is on disk meanwhile. Memory is some hundred bytes a
unique block. A graph's blocks are those of one of its skeletons: of the first that has a module tree.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, Final

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from builders.assemble.measured import Int32s
from builders.assemble.split.placement import PlacedRows
from builders.executor.ordered_map import LostError, OrderedMap
from builders.measure.blocks import Block, find_blocks_in
from builders.measure.spool import Spool
from younger_hf.errors import YoungerError
from younger_hf.schema import MOST_GRAPHS
from younger_hf.vocabulary import Vocabulary

_ARRAYS: Final = ("scope", "edge_index", "edge_slot", "open_input", "open_value", "open_output")
_PAIRS: Final = frozenset({"edge_index", "edge_slot", "open_input", "open_output"})
_SCHEMA: Final = pa.schema({name: pa.list_(pa.int32()) for name in ("node", *_ARRAYS)})


@dataclass(eq=False)
class _Seen:
    """What is kept in memory of a unique block.

    Attributes:
        number: of its record in the file.
        exact: whether its fingerprint decides by itself.
        num_occurrences: modules that are this block.
        depths: the least and the greatest depth of these.
        kinds: their classes.
        graphs: the positions of the graphs that it occurs in, ascending.
    """

    number: int
    exact: bool
    num_occurrences: int = 0
    depths: tuple[int, int] = (1 << 30, 0)
    kinds: Counter[str] = field(default_factory=Counter)
    graphs: array[int] = field(default_factory=lambda: array("i"))

    def add(self, block: Block, graph: int) -> None:
        self.num_occurrences += len(block.kinds)
        self.depths = min(self.depths[0], *block.depths), max(self.depths[1], *block.depths)
        self.kinds.update(intern(kind) for kind in block.kinds if not kind.startswith("#"))
        self.graphs.append(graph)


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
    seen: dict[str, _Seen] = {}
    path = spool.with_suffix(".blocks")
    opened = Spool(spool)
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA, options=options) as writer:
        results = mapped(
            find_blocks_in, (_with_modules(opened, graphs.rows.members[row]) for row in graphs.order.tolist())
        )
        graph = 0
        try:
            for graph, found in enumerate(tqdm(results, "blocks", len(graphs), unit="graph", disable=None)):
                for block in found:
                    if block.key not in seen:
                        seen[block.key] = _Seen(len(seen), block.exact)
                        writer.write_batch(_record(block, vocabulary))
                    seen[block.key].add(block, graph)
        except LostError as error:
            key = graphs[graph].merged.key
            raise YoungerError(f"the graph {key}, or one soon after it, cannot be cut into blocks: {error}") from error
    keys = list(graphs.row_keys())
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
        yield (_row(key, seen[key], keys, reader.get_batch(seen[key].number), vocabulary) for key in sorted(seen))


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


def _row(key: str, seen: _Seen, keys: Sequence[str], record: pa.RecordBatch, vocabulary: Vocabulary) -> dict[str, Any]:
    columns = {name: record[name].values.to_numpy() for name in ("node", *_ARRAYS)}
    node = columns.pop("node")
    columns["node_scope"] = columns.pop("scope")
    pairs = {name: list(column.reshape(2, -1)) if name in _PAIRS else column for name, column in columns.items()}
    kinds = sorted(seen.kinds, key=lambda kind: (-seen.kinds[kind], kind))
    return {
        "fingerprint": key,
        "exact": seen.exact,
        "class_name": kinds[0] if kinds else None,
        "class_names": kinds[:MOST_GRAPHS],
        "num_occurrences": seen.num_occurrences,
        "graphs": [keys[graph] for graph in seen.graphs[:MOST_GRAPHS]],
        "num_graphs": len(seen.graphs),
        "min_depth": seen.depths[0],
        "max_depth": seen.depths[1],
        "num_nodes": len(node),
        "num_edges": len(columns["edge_index"]) // 2,
        "num_inputs": int(columns["open_value"].max(initial=-1)) + 1,
        "num_outputs": len(columns["open_output"]) // 2,
        "node_operator": vocabulary.operator_of_variant[node],
        "node_variant": node,
        **pairs,
    }
