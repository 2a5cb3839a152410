"""Which operators of two graphs are the same ones: `align`.

In go two operator graphs, normal forms as a rule; out comes a matching of their nodes. It is found from the surest to
the least sure, each step in time proportional to the graphs or nearly so, where an exact common subgraph would take
time without bound:

1. Anchors. Every node gets a colour a depth: its operator and what is around it within that many hops (Weisfeiler and
   Lehman). From the deepest to none, nodes whose colour occurs equally often on both sides are paired in order, as
   unique lines are by the patience diff.
2. Growth. From each pair on, producers and consumers by the same slots are paired where their operators are equal.
3. Replacement. What is left on both sides by the same slots of paired neighbours stands for each other where the
   operators differ in attributes alone, or where both a producer and a consumer are paired, so that what was added does
   not stand for what was moved by it; or where equally much is left on both sides.

Equal operators that are then left on both sides, as where a graph has more of the same blocks, are paired in order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import Operator, OperatorGraph
from younger_hf.recognise.order import exchangeable
from younger_hf.recognise.sketch import refined_colours

_DEPTHS: Final = (16, 8, 4, 2)
"""In hops. Where graphs have equal neighbourhoods of no such size, only what grows from elsewhere reaches them."""

_Neighbours = list[list[tuple[int, int, int]]]


def align(one: OperatorGraph, other: OperatorGraph) -> NDArray[np.int64]:
    """Match the nodes of two graphs.

    Args:
        one: N nodes.
        other: M nodes.

    Returns:
        int64 [N]: the node of the other graph that stands in the same place, as far as can be told, or -1. It is the
        same operator with the same attributes, or else the one replaces the other. No node is named twice.
    """
    one, other = exchangeable(one), exchangeable(other)
    found = _Matching(one, other)
    colours = [refined_colours(graph, max(_DEPTHS), attributes=True) for graph in (one, other)]
    for depth in _DEPTHS:
        found.anchor(colours[0][depth], colours[1][depth])
        found.grow()
    found.replace()
    found.anchor(colours[0][0], colours[1][0])
    found.replace()
    if (found.there < 0).sum() == (found.back < 0).sum():
        found.replace(freely=True)
    found.anchor(colours[0][0], colours[1][0], equally_often=False)
    return found.there


class _Matching:
    def __init__(self, one: OperatorGraph, other: OperatorGraph) -> None:
        self.graphs = (one, other)
        self.there = np.full(one.num_nodes, -1, np.int64)
        self.back = np.full(other.num_nodes, -1, np.int64)
        self.fresh: deque[tuple[int, int]] = deque()
        (ours, our_consumers), (theirs, their_consumers) = map(_neighbours, self.graphs)
        self.producers, self.consumers = (ours, theirs), (our_consumers, their_consumers)

    def pair(self, node: int, twin: int) -> None:
        self.there[node], self.back[twin] = twin, node
        self.fresh.append((node, twin))

    def anchor(self, ours: NDArray[np.uint64], theirs: NDArray[np.uint64], *, equally_often: bool = True) -> None:
        """Pair what is left by colour in order, where a colour is left equally often or wherever it is left."""
        left: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for side, (colour, matched) in enumerate(((ours, self.there), (theirs, self.back))):
            for node in np.flatnonzero(matched < 0).tolist():
                left[int(colour[node])][side].append(node)
        for nodes, twins in left.values():
            if len(nodes) == len(twins) or not equally_often:
                for node, twin in zip(nodes, twins, strict=False):
                    self.pair(node, twin)

    def grow(self) -> None:
        """Pair neighbours of what is paired."""
        while self.fresh:
            self._grow(*self.fresh.popleft(), lambda operator: operator)

    def replace(self, *, freely: bool = False) -> None:
        """Pair neighbours of what is paired though their operators differ, where none are left whose do not."""
        self.grow()
        waiting = deque((node, twin) for node, twin in enumerate(self.there.tolist()) if twin >= 0)
        while waiting:
            pair = waiting.popleft()
            self._grow(*pair, lambda operator: operator.type_label)
            self._grow(*pair, lambda _operator: None, enclosed=not freely)
            waiting.extend(self.fresh)
            self.grow()

    def _grow(self, node: int, twin: int, key: Callable[[Operator], object], *, enclosed: bool = False) -> None:
        """Pair what is left of the neighbours of a pair, by the same slots, where their keys are equal."""
        for ours, theirs in (self.producers, self.consumers):
            free: dict[object, deque[int]] = defaultdict(deque)
            for neighbour, *slots in theirs[twin]:
                if self.back[neighbour] < 0:
                    free[key(self.graphs[1].operator[neighbour]), tuple(slots)].append(neighbour)
            for neighbour, *slots in ours[node] if free else ():
                left = free.get((key(self.graphs[0].operator[neighbour]), tuple(slots)))
                while left and self.back[left[0]] >= 0:
                    left.popleft()
                if left and self.there[neighbour] < 0 and (not enclosed or self._enclosed(neighbour, left[0])):
                    self.pair(neighbour, left.popleft())

    def _enclosed(self, node: int, twin: int) -> bool:
        """Whether some of the producers and some of the consumers of two nodes are paired with each other."""
        for ours, theirs in (self.producers, self.consumers):
            near = {neighbour for neighbour, *_ in theirs[twin]}
            if near and not any(int(self.there[neighbour]) in near for neighbour, *_ in ours[node]):
                return False
        return True


def _neighbours(graph: OperatorGraph) -> tuple[_Neighbours, _Neighbours]:
    """Of each node: its producers and its consumers, each with output slot and input slot."""
    producers: _Neighbours = [[] for _ in graph.operator]
    consumers: _Neighbours = [[] for _ in graph.operator]
    for (producer, consumer), slots in zip(graph.edge_index.T.tolist(), graph.edge_slot.T.tolist(), strict=True):
        producers[consumer].append((producer, *slots))
        consumers[producer].append((consumer, *slots))
    return producers, consumers
