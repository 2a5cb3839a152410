"""Unique subgraphs: what they are is set aside on disk, what decides where they stand is kept in memory.

In go the subgraphs of graph after graph; out comes each of them once, with the graphs that it occurs in. Memory is
some hundred bytes a unique subgraph.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.measure.cut import Int32s, Subgraphs
from younger_hf.graph import IntArray


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A unique subgraph: N nodes, E edges, B of the nodes boundary.

    Attributes:
        node: int32 [N], ids of operators.
        scope: int32 [N].
        edge_index: int32 [2, E].
        edge_slot: int32 [2, E].
        unfed: int32 [3, U], of each slot that no node feeds: node, slot and `Unfed`, as first found.
        boundary: int32 [B], the positions of the nodes outside of the community, ascending.
    """

    node: Int32s
    scope: Int32s
    edge_index: Int32s
    edge_slot: Int32s
    unfed: Int32s
    boundary: Int32s


class SubgraphStore:
    """Unique subgraphs, numbered in the order in which they were first found.

    Attributes:
        keys: of each.
        exact: 1 or 0 for each.
        num_nodes: of each.
        num_edges: of each.
        num_boundary: of each.
        operators: for each, the distinct ids of its nodes.
        num_found: how many were added, copies counted.

    Args:
        path: of the file that they are set aside in; it is made anew.
    """

    def __init__(self, path: Path) -> None:
        self.keys: list[str] = []
        self.exact = bytearray()
        self.num_nodes, self.num_edges, self.num_boundary = array("i"), array("i"), array("i")
        self._num_unfed = array("i")
        self.operators: list[array[int]] = []
        self.num_found = 0
        self._numbers: dict[str, int] = {}
        self._starts = array("q")
        self._occurrences = array("i"), array("i")
        self._file = path.open("w+b")

    def add(self, graph: int, found: Subgraphs, ids: Int32s) -> None:
        """Add the subgraphs of a graph.

        Args:
            graph: its number; graphs come in ascending order.
            found: its subgraphs.
            ids: int32: the id of each of `found.operators`.
        """
        self.num_found += len(found.keys)
        node = ids[found.node]
        numbers = []
        for part, key in enumerate(found.keys):
            number = self._numbers.setdefault(key, len(self.keys))
            if number == len(self.keys):
                nodes = slice(found.node_starts[part], found.node_starts[part + 1])
                edges = slice(found.edge_starts[part], found.edge_starts[part + 1])
                unfed = found.unfed[:, found.unfed_starts[part] : found.unfed_starts[part + 1]]
                boundary = np.flatnonzero(found.boundary[nodes]).astype(np.int32)
                self.keys.append(key)
                self.exact.append(found.exact[part])
                self.num_nodes.append(nodes.stop - nodes.start)
                self.num_edges.append(edges.stop - edges.start)
                self.num_boundary.append(len(boundary))
                self._num_unfed.append(unfed.shape[1])
                self.operators.append(array("i", sorted(set(node[nodes].tolist()))))
                self._starts.append(self._file.tell())
                for piece in (node[nodes], found.scope[nodes], found.edge_index[:, edges], found.edge_slot[:, edges]):
                    self._file.write(piece.tobytes())
                self._file.write(unfed.tobytes())
                self._file.write(boundary.tobytes())
            numbers.append(number)
        for number in sorted(set(numbers)):
            self._occurrences[0].append(number)
            self._occurrences[1].append(graph)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, number: int) -> Subgraph:
        nodes, edges, boundary = self.num_nodes[number], self.num_edges[number], self.num_boundary[number]
        unfed = self._num_unfed[number]
        self._file.seek(self._starts[number])
        content = np.frombuffer(self._file.read(4 * (2 * nodes + 4 * edges + 3 * unfed + boundary)), dtype=np.int32)
        parts = np.cumsum((nodes, nodes, 2 * edges, 2 * edges, 3 * unfed))
        node, scope, index, slot, open_slots, positions = np.split(content, parts)
        pairs = index.reshape(2, edges), slot.reshape(2, edges)
        return Subgraph(node, scope, *pairs, open_slots.reshape(3, unfed), positions)

    def occurrences(self) -> list[IntArray]:
        """For each subgraph the numbers of the graphs that it occurs in, ascending."""
        numbers, graphs = (np.array(column, dtype=np.int64) for column in self._occurrences)
        order = np.argsort(numbers, kind="stable")
        counts = np.bincount(numbers, minlength=len(self))
        return np.split(graphs[order], np.cumsum(counts)[:-1]) if len(self) else []

    def close(self) -> None:
        """Close the file."""
        self._file.close()
