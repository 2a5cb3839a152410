"""The canonical form of an operator graph: the same for isomorphic graphs, different for all others.

Where stable colours tell every node apart, sorting by (level, colour) is the canonical order. Where ties remain,
each member of the smallest tied class is singled out in turn, the colours are refined again, and the smallest
resulting array wins: individualisation and refinement (McKay and Piperno, "Practical graph isomorphism, II", 2014,
section 2), with their pruning by the automorphisms that are found on the way. The search has a budget, counted in
nodes and edges visited, so that the outcome never depends on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from builders.identity.colours import (
    Colours,
    Ints,
    Wiring,
    canonical_array,
    label_colour,
    refine,
    single_out,
    wire,
)
from younger_hf.graph import OperatorGraph

IDENTITY_VERSION: Final = 1
BUDGET: Final = 1 << 27
"""Nodes and edges that a search may visit: some seconds."""

_start_colour = lru_cache(maxsize=1 << 16)(label_colour)


@dataclass(frozen=True)
class CanonicalForm:
    """A graph in canonical order.

    Attributes:
        graph: the graph, its nodes in canonical order and its edges by consumer and input slot.
        fingerprint: 32 hexadecimal digits, equal exactly when graphs are isomorphic (if both are exact).
        exact: False if the budget ran out: then the fingerprint is that of the stable colours, isomorphic graphs
            still share it, but so may others.
        num_searched: how many colourings the search refined; 0 where colours alone told every node apart.
    """

    graph: OperatorGraph
    fingerprint: str
    exact: bool
    num_searched: int


@dataclass(frozen=True)
class _Labelled:
    """A graph's wiring, its distinct labels in order, and the rank of each node's label among them."""

    wiring: Wiring
    labels: list[str]
    ranks: Ints
    start: Colours


def canonicalize(graph: OperatorGraph, attributes: bool = True, *, budget: int = BUDGET) -> CanonicalForm:
    """Put a graph in canonical order.

    Args:
        graph: any operator graph.
        attributes: whether nodes are told apart by their whole label, or by operator type alone.
        budget: nodes and edges that the search may visit.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    labelled = _label(graph, attributes)
    order, array, exact, searched = _canonical_order(labelled, budget)
    return CanonicalForm(graph.reordered(order), _digest(labelled, array, exact), exact, searched)


def canonical_digest(graph: OperatorGraph, attributes: bool = True, *, budget: int = BUDGET) -> tuple[str, bool]:
    """The fingerprint of a graph, and whether it is exact, without making the reordered graph."""
    labelled = _label(graph, attributes)
    _, array, exact, _ = _canonical_order(labelled, budget)
    return _digest(labelled, array, exact), exact


def _label(graph: OperatorGraph, attributes: bool) -> _Labelled:
    distinct = dict.fromkeys(graph.operator)
    label_of = {o: o.label if attributes else o.type_label for o in distinct}
    labels = sorted(set(label_of.values()))
    rank_of_label = {label: rank for rank, label in enumerate(labels)}
    rank_of = {operator: rank_of_label[label] for operator, label in label_of.items()}
    ranks = np.fromiter(map(rank_of.__getitem__, graph.operator), np.int64, graph.num_nodes)
    colours = np.array([_start_colour(label) for label in labels], dtype=np.uint64)
    return _Labelled(wire(graph), labels, ranks, colours[ranks] if len(labels) else np.empty(0, np.uint64))


def _canonical_order(labelled: _Labelled, budget: int) -> tuple[Ints, Ints, bool, int]:
    """The order, the array under it (that of the stable colours if not exact), exactness, colourings searched."""
    wiring = labelled.wiring
    colours, classes, _ = refine(labelled.start, wiring)
    if classes == len(colours):
        order = _by_colour(colours, wiring)
        return order, canonical_array(order, labelled.ranks, wiring), True, 0
    search = _Search(labelled, budget)
    try:
        search.run(colours, classes)
    except _BudgetExhaustedError:
        order = _by_colour(colours, wiring)
        return order, np.sort(colours).view(np.int64), False, search.searched
    return search.best_order, search.best_array, True, search.searched


def _by_colour(colours: Colours, wiring: Wiring) -> Ints:
    return np.lexsort((colours, wiring.level)).astype(np.int64)


def _digest(labelled: _Labelled, array: Ints, exact: bool) -> str:
    """128 bits of BLAKE2b over the form; every field is preceded by its length."""
    digest = blake2b(digest_size=16)
    kind = b"canonical" if exact else b"colours"
    edges = labelled.wiring.producer.size
    header = f"younger graph {IDENTITY_VERSION}".encode()
    sizes = np.array([labelled.ranks.size, edges, len(labelled.labels)], dtype="<i8").tobytes()
    texts = [label.encode() for label in labelled.labels]
    for field in (header, kind, sizes, *texts, array.astype("<i8", copy=False).tobytes()):
        digest.update(len(field).to_bytes(8, "little"))
        digest.update(field)
    return digest.hexdigest()


class _BudgetExhaustedError(Exception):
    pass


class _Search:
    """Individualisation and refinement over the ties of one graph."""

    def __init__(self, labelled: _Labelled, budget: int) -> None:
        self.labelled = labelled
        self.wiring = labelled.wiring
        self.left = budget
        self.searched = 0
        self.best_array: Ints = np.empty(0, np.int64)
        self.best_order: Ints = np.empty(0, np.int64)
        self.best_path: tuple[int, ...] = ()
        self.found = False
        self.automorphisms: list[Ints] = []

    def run(self, colours: Colours, classes: int) -> None:
        """Explore from stable colours; the result is in best_order and best_array."""
        self._explore(colours, classes, ())

    def _refined(self, colours: Colours) -> tuple[Colours, int]:
        stable, classes, rounds = refine(colours, self.wiring)
        self.left -= rounds * (len(colours) + self.wiring.producer.size)
        self.searched += 1
        if self.left < 0:
            raise _BudgetExhaustedError
        return stable, classes

    def _explore(self, colours: Colours, classes: int, path: tuple[int, ...]) -> int:
        """Search below a colouring.

        Returns:
            The depth to go back to: this one's, or less when an automorphism shows that the branch of an ancestor
            repeats one that was explored.
        """
        while classes < len(colours):
            cells = self._tied_cells(colours)
            twins = [cell for cell in cells if self._are_twins(cell)]
            if not twins:
                break
            # Twins can be exchanged without changing anything else, so any order among them is as good.
            for cell in twins:
                for mark, node in enumerate(cell):
                    colours = single_out(colours, int(node), mark)
            colours, classes = self._refined(colours)
        else:
            return self._leaf(colours, path)
        cell = min(cells, key=lambda cell: (len(cell), int(colours[cell[0]])))
        explored: list[int] = []
        for node in map(int, cell):
            if explored and self._repeats(node, explored, path):
                continue
            below, count = self._refined(single_out(colours, node, 0))
            back = self._explore(below, count, (*path, node))
            if back < len(path):
                return back
            explored.append(node)
        return len(path)

    def _leaf(self, colours: Colours, path: tuple[int, ...]) -> int:
        order = _by_colour(colours, self.wiring)
        array = canonical_array(order, self.labelled.ranks, self.wiring)
        if self.found and np.array_equal(array, self.best_array):
            image = np.empty_like(order)
            image[self.best_order] = order
            self.automorphisms.append(image)
            pairs = zip(path, self.best_path, strict=False)
            return next((depth for depth, (ours, best) in enumerate(pairs) if ours != best), len(path))
        if not self.found or _less(array, self.best_array):
            self.best_array, self.best_order, self.best_path, self.found = array, order, path, True
        return len(path)

    def _repeats(self, node: int, explored: list[int], path: tuple[int, ...]) -> bool:
        """Whether known automorphisms that leave the path alone carry an explored node to this one."""
        fixed = np.array(path, dtype=np.int64)
        useful = [image for image in self.automorphisms if np.array_equal(image[fixed], fixed)]
        reached = set(explored)
        frontier = list(explored)
        while frontier:
            member = frontier.pop()
            for image in useful:
                target = int(image[member])
                if target not in reached:
                    reached.add(target)
                    frontier.append(target)
        return node in reached

    def _tied_cells(self, colours: Colours) -> list[Ints]:
        order = np.argsort(colours, kind="stable")
        starts = np.flatnonzero(np.concatenate(([True], np.diff(colours[order]) != 0)))
        cells = np.split(order, starts[1:])
        return [cell for cell in cells if len(cell) > 1]

    def _are_twins(self, cell: Ints) -> bool:
        """Whether the nodes are fed by the same slots of the same producers, feed nothing and own nothing."""
        w = self.wiring
        first = int(cell[0])
        rows = slice(w.into[first], w.into[first + 1])
        for node in map(int, cell):
            if w.outof[node] != w.outof[node + 1] or w.scope[node] != w.scope[first] or node in self._owners:
                return False
            own = slice(w.into[node], w.into[node + 1])
            if not (
                np.array_equal(w.producer[own], w.producer[rows])
                and np.array_equal(w.output_slot[own], w.output_slot[rows])
                and np.array_equal(w.input_slot[own], w.input_slot[rows])
            ):
                return False
        return True

    @property
    def _owners(self) -> frozenset[int]:
        return frozenset(self.wiring.scope.tolist())


def _less(a: Ints, b: Ints) -> bool:
    differ = np.flatnonzero(a != b)
    return bool(differ.size) and bool(a[differ[0]] < b[differ[0]])
