"""Unique subgraphs, set aside on disk: what they are, their keys, and the graphs that they occur in.

In go the subgraphs of graph after graph; out comes each of them once. Memory is 16 bytes a unique subgraph, and 8 for
each graph that it occurs in.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from builders.assemble.scratch_file import Int32s, RaggedFile, ScratchTables, to_bytes, to_text
from builders.assemble.split.placement import Ragged
from builders.measure.cut import Subgraphs

_TABLE: Final = """
CREATE TABLE subgraphs (number INTEGER PRIMARY KEY, key BLOB UNIQUE, exact, boundary, unfed, start);
"""


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A unique subgraph: N nodes, E edges, B of the nodes boundary.

    Attributes:
        key: its fingerprint, or what stands for it where that is not exact.
        exact: whether the search for its canonical form came to an end.
        node: int32 [N], ids of operators.
        scope: int32 [N].
        edge_index: int32 [2, E].
        edge_slot: int32 [2, E].
        unfed: int32 [3, U], of each slot that no node feeds: node, slot and `Unfed`, as first found.
        boundary: int32 [B], the positions of the nodes outside of the community, ascending.
    """

    key: str
    exact: bool
    node: Int32s
    scope: Int32s
    edge_index: Int32s
    edge_slot: Int32s
    unfed: Int32s
    boundary: Int32s


class SubgraphStore:
    """Unique subgraphs, numbered in the order in which they were first found.

    Attributes:
        num_nodes: of each.
        num_edges: of each.
        operators: for each, the distinct ids of its nodes.
        num_found: how many were added, copies counted.
        num_inexact: unique ones whose fingerprint does not decide by itself.

    Args:
        path: of the file that they are set aside in, which must not be there; two more lie beside it.
    """

    def __init__(self, path: Path) -> None:
        self.num_nodes, self.num_edges = array("i"), array("i")
        self.operators = RaggedFile(path.with_name(path.name + ".operators"))
        self.num_found = self.num_inexact = 0
        self._occurrences = array("i"), array("i")
        self._tables = ScratchTables(path.with_name(path.name + ".sqlite"), _TABLE)
        self._path = path
        self._file = path.open("w+b")

    def add(self, graph: int, found: Subgraphs, ids: Int32s) -> None:
        """Add the subgraphs of a graph.

        Args:
            graph: its number; graphs come in ascending order.
            found: its subgraphs.
            ids: int32: the id of each of `found.operators`.

        Raises:
            OSError: the disk is full, or the directory not writable.
        """
        self.num_found += len(found.keys)
        node = ids[found.node]
        numbers = {self._number(key, part, found, node) for part, key in enumerate(found.keys)}
        self._occurrences[0].extend(sorted(numbers))
        self._occurrences[1].extend([graph] * len(numbers))

    def _number(self, key: str, part: int, found: Subgraphs, node: Int32s) -> int:
        """The number of a subgraph of a graph, which is set aside if it is a new one."""
        known = self._tables.read_one("SELECT number FROM subgraphs WHERE key = ?", (to_bytes(key),))
        if known is not None:
            return int(known[0])
        number = len(self)
        nodes = slice(found.node_starts[part], found.node_starts[part + 1])
        edges = slice(found.edge_starts[part], found.edge_starts[part + 1])
        unfed = found.unfed[:, found.unfed_starts[part] : found.unfed_starts[part + 1]]
        boundary = np.flatnonzero(found.boundary[nodes]).astype(np.int32)
        exact = bool(found.exact[part])
        values = (number, to_bytes(key), exact, len(boundary), unfed.shape[1], self._file.tell())
        self._tables.write("INSERT INTO subgraphs VALUES (?, ?, ?, ?, ?, ?)", values)
        for piece in (node[nodes], found.scope[nodes], found.edge_index[:, edges], found.edge_slot[:, edges]):
            self._file.write(piece.tobytes())
        self._file.write(unfed.tobytes())
        self._file.write(boundary.tobytes())
        self.operators.append(array("i", sorted(set(node[nodes].tolist()))))
        self.num_nodes.append(nodes.stop - nodes.start)
        self.num_edges.append(edges.stop - edges.start)
        self.num_inexact += not exact
        return number

    def __len__(self) -> int:
        return len(self.num_nodes)

    def __getitem__(self, number: int) -> Subgraph:
        query = "SELECT key, exact, boundary, unfed, start FROM subgraphs WHERE number = ?"
        row = self._tables.read_one(query, (number,))
        if row is None:
            raise IndexError(number)
        key, exact, boundary, unfed, start = row
        nodes, edges = self.num_nodes[number], self.num_edges[number]
        self._file.seek(start)
        content = np.frombuffer(self._file.read(4 * (2 * nodes + 4 * edges + 3 * unfed + boundary)), dtype=np.int32)
        parts = np.cumsum((nodes, nodes, 2 * edges, 2 * edges, 3 * unfed))
        node, scope, index, slot, open_slots, positions = np.split(content, parts)
        pairs = index.reshape(2, edges), slot.reshape(2, edges)
        return Subgraph(to_text(key), bool(exact), node, scope, *pairs, open_slots.reshape(3, unfed), positions)

    def keys(self) -> Iterator[str]:
        """The key of each."""
        return (to_text(key) for (key,) in self._tables.read("SELECT key FROM subgraphs ORDER BY number"))

    def ranks(self) -> Int32s:
        """The place of each in the order of keys."""
        ranks = np.empty(len(self), np.int32)
        for rank, (number,) in enumerate(self._tables.read("SELECT number FROM subgraphs ORDER BY key")):
            ranks[number] = rank
        return ranks

    def occurrences(self) -> Ragged:
        """The graphs that each subgraph occurs in, in ascending order."""
        numbers, graphs = (np.array(column, np.int32) for column in self._occurrences)
        return Ragged(numbers, graphs)

    def close(self) -> None:
        """Close the files, and give their space back."""
        self.operators.close()
        self._tables.close()
        self._file.close()
        self._path.unlink()
