"""Slotted graphs as dense arrays of classes, which a diffusion noises, and back.

A node is its operator and, for each of its first five slots, what is in it where no node feeds it. Above the diagonal,
a pair of nodes has a class: no edge, or an edge by its output and input slot, or one node in both of the other's first
slots. Other edges have the nearest class, so that a large slot number, or a third edge between two nodes, is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.tasks.generation.slotted import ABSENT, KINDS, SlottedGraph, make_slotted

SLOTS: Final = 5
"""Slots of which a node says what is in them."""

EDGES: Final = (
    (),
    ((0, 0), (0, 1)),
    *(((output, slot),) for output in range(4) for slot in range(4)),
    *(((0, slot),) for slot in range(4, 12)),
)
"""The classes of a pair of nodes: the edges between them, each an output slot and an input slot."""

_NUMBERS: Final = {edges: number for number, edges in enumerate(EDGES)}

Dense = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


def to_dense(graphs: Sequence[SlottedGraph]) -> Dense:
    """Graphs as classes: nodes int64 [B, N, 1 + SLOTS], edges int64 [B, N, N] and which nodes are real, bool [B, N]."""
    most = max(graph.num_nodes for graph in graphs)
    nodes = np.zeros((len(graphs), most, 1 + SLOTS), np.int64)
    edges = np.zeros((len(graphs), most, most), np.int64)
    real = np.zeros((len(graphs), most), dtype=bool)
    for row, graph in enumerate(graphs):
        real[row, : graph.num_nodes] = True
        nodes[row, : graph.num_nodes, 0] = graph.operator
        node, slot, kind = graph.unfed()
        kept = slot < SLOTS
        nodes[row, node[kept], 1 + slot[kept]] = 1 + kind[kept]
        pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for producer, consumer, output, at in graph.edges.T.tolist():
            pairs.setdefault((producer, consumer), []).append((output, at))
        for (producer, consumer), slots in pairs.items():
            edges[row, producer, consumer] = _class_of(slots)
    return nodes, edges, real


def _class_of(slots: list[tuple[int, int]]) -> int:
    exact = _NUMBERS.get(tuple(sorted(slots)[:2]))
    if exact is not None:
        return exact
    output, slot = slots[0]
    return _NUMBERS.get(((output, slot),)) or _NUMBERS[((0, min(slot, 11)),)]


def is_exact(graph: SlottedGraph) -> bool:
    """Whether the graph comes back the same."""
    back = from_dense(*(array[0] for array in to_dense([graph])))
    pairs = ((graph.first, back.first), (graph.source, back.source), (graph.output, back.output))
    return all(np.array_equal(one, other) for one, other in pairs)


def from_dense(nodes: NDArray[np.int64], edges: NDArray[np.int64], real: NDArray[np.bool_]) -> SlottedGraph:
    """One graph from its classes.

    Where two edges want one slot, the second takes the next one that is free; where an edge and a kind do, the edge has
    it. A slot before the last of a node of which nothing is said is empty.
    """
    count = int(real.sum())
    fed: list[tuple[int, int, int, int]] = []
    unfed: list[tuple[int, int, int]] = []
    for consumer in range(count):
        taken: set[int] = set()
        for producer in range(consumer):
            for output, wanted in EDGES[edges[producer, consumer]]:
                slot = next(slot for slot in range(wanted, wanted + len(taken) + 1) if slot not in taken)
                taken.add(slot)
                fed.append((producer, consumer, output, slot))
        kinds = nodes[consumer, 1:]
        length = max([*(slot + 1 for slot in taken), *(int(slot) + 1 for slot in np.flatnonzero(kinds))], default=0)
        for slot in set(range(length)) - taken:
            kind = int(kinds[slot]) - 1 if slot < SLOTS and kinds[slot] else -1 - ABSENT
            unfed.append((consumer, slot, kind))
    return make_slotted(
        nodes[:count, 0], np.array(fed, np.int64).reshape(-1, 4).T, np.array(unfed, np.int64).reshape(-1, 3).T
    )


NUM_KINDS: Final = 1 + len(KINDS)
"""Classes of what is in a slot; 0 is nothing that is said."""
