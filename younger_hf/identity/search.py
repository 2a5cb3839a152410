"""The canonical order of a graph's nodes: by colours where they suffice, part by part and by search where ties remain.

What colours leave tied falls into parts (`younger_hf.identity.parts`), each with a canonical order of its own. Where a
part is neither known by its colours nor falls apart, each member of its smallest tied class is singled out in turn, the
colours are refined again, and the least outcome wins: individualisation and refinement (McKay and Piperno, "Practical
graph isomorphism, II", Journal of Symbolic Computation 60, 2014, section 2), pruned by comparing colourings and by the
orbits of the automorphisms that are found on the way. The search has a budget, counted in nodes and edges visited, so
that its outcome never depends on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from younger_hf.compiled import compiled
from younger_hf.identity.batch import as_compiled
from younger_hf.identity.colours import Colours, Ints, Wiring, refine, single_out, wire
from younger_hf.identity.parts import find, induce, order_known, split, unite_all
from younger_hf.work import Work, WorkLimitError

# How the canonical order of a graph came to be known, or did not.
BY_COLOURS: Final = 0
BY_PARTS: Final = 1
TIED: Final = 2
UNSTABLE: Final = 3
DOUBLY_FED: Final = 4

_DEEPEST: Final = 100
"""Nodes that are singled out one after the other; a search that needs more is given up like one without budget."""


@compiled
def order_batch(
    digests: Ints,
    scope: Ints,
    edge_index: Ints,
    edge_slot: Ints,
    node_ends: Ints,
    edge_ends: Ints,
    budget: int,
    is_shared: bool,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Canonical order and array of each graph of a batch, as far as they take no search.

    Compiled, over a batch of graphs at once: most subgraphs are so small that calls would cost more than work.

    Args:
        digests: int64 [N, 2], the label digest of each node of all graphs, one graph after the other.
        scope: int64 [N], positions within the node's own graph, or -1.
        edge_index: int64 [2, E], positions within the edge's own graph.
        edge_slot: int64 [2, E].
        node_ends: int64 [G], where each graph's nodes end.
        edge_ends: int64 [G], where each graph's edges end.
        budget: nodes and edges that may be visited for the colours of one graph.
        is_shared: whether that is for the colours of all graphs together.

    Returns:
        int64 [N]: the node at each canonical position, within its graph.
        int64 [3 N + 4 E]: each graph's array, from three times its first node plus four times its first edge on:
            digests, scopes, edges as (consumer, input slot, producer, output slot); or, where the order is not known,
            the sorted colours and zeros.
        int64 [G]: BY_COLOURS or BY_PARTS; TIED where it takes a search; UNSTABLE where the budget is spent before the
            colours are stable; DOUBLY_FED where two data flows go into one input slot.
        int64 [G]: nodes and edges visited.
    """
    graphs = node_ends.shape[0]
    orders = np.empty(digests.shape[0], np.int64)
    arrays = np.zeros(3 * digests.shape[0] + 4 * edge_index.shape[1], np.int64)
    outcome = np.empty(graphs, np.int64)
    visited = np.zeros(graphs, np.int64)
    first_node, first_edge = 0, 0
    left = budget
    for graph in range(graphs):
        nodes, edges = slice(first_node, node_ends[graph]), slice(first_edge, edge_ends[graph])
        start = 3 * first_node + 4 * first_edge
        first_node, first_edge = node_ends[graph], edge_ends[graph]
        wiring, sound = wire(edge_index[:, edges], edge_slot[:, edges], scope[nodes])
        if not sound:
            outcome[graph] = DOUBLY_FED
            continue
        labels = digests[nodes]
        size = labels.shape[0] + wiring.producer.shape[0]
        most = left // max(size, 1)
        colours, classes, rounds = refine(labels[:, 0].copy().view(np.uint64), wiring, most)
        visited[graph] = rounds * size
        if is_shared:
            left = max(left - rounds * size, 0)
        order = by_colour(np.arange(labels.shape[0]), colours, wiring.level)
        known = classes == labels.shape[0]
        outcome[graph] = BY_COLOURS
        if not known:
            outcome[graph] = UNSTABLE
            if rounds <= max(most, 1):
                part, repeats = split(colours, wiring)
                known = not repeats.any()
                outcome[graph] = BY_PARTS if known else TIED
                if known:
                    sequence = order_known(colours, part, repeats, np.arange(labels.shape[0]))
                    order = by_colour(sequence, colours, wiring.level)
        orders[nodes] = order
        array = array_of(order, labels, wiring) if known else np.sort(colours).view(np.int64)
        arrays[start : start + array.shape[0]] = array
    return orders, arrays, outcome, visited


@compiled
def by_colour(sequence: Ints, colours: Colours, level: Ints) -> Ints:
    """All nodes, sorted by (level, colour, place in a sequence)."""
    starts = np.zeros(level.max() + 2 if level.shape[0] else 1, np.int64)
    for at in level:
        starts[at + 1] += 1
    starts = np.cumsum(starts)
    order = np.empty(level.shape[0], np.int64)
    for at in np.argsort(colours[sequence], kind="mergesort"):
        node = sequence[at]
        order[starts[level[node]]] = node
        starts[level[node]] += 1
    return order


@compiled
def array_of(order: Ints, labels: Ints, wiring: Wiring) -> Ints:
    """The graph under an order of its nodes as one array, int64 [(L + 1) N + 4 E]: equal arrays, equal graphs.

    Args:
        order: int64 [N].
        labels: int64 [N, L], what tells nodes apart.
        wiring: the graph.
    """
    nodes, width = labels.shape
    position = np.empty(nodes, np.int64)
    for at in range(nodes):
        position[order[at]] = at
    array = np.empty((width + 1) * nodes + 4 * wiring.producer.shape[0], np.int64)
    end = (width + 1) * nodes
    for at in range(nodes):
        node = order[at]
        for column in range(width):
            array[width * at + column] = labels[node, column]
        owner = wiring.scope[node]
        array[width * nodes + at] = position[owner] if owner >= 0 else -1
        for e in range(wiring.into[node], wiring.into[node + 1]):
            array[end] = at
            array[end + 1] = wiring.input_slot[e]
            array[end + 2] = position[wiring.producer[e]]
            array[end + 3] = wiring.output_slot[e]
            end += 4
    return array


class SearchedOrder(NamedTuple):
    """What a search found.

    Attributes:
        order: int64 [N], the node at each canonical position.
        array: int64 [3 N + 4 E], as `order_batch` gives it.
        num_searched: colourings that were tried.
    """

    order: Ints
    array: Ints
    num_searched: int


def search_order(digests: Ints, scope: Ints, edge_index: Ints, edge_slot: Ints, work: Work) -> SearchedOrder | None:
    """The canonical order of a graph that `order_batch` calls TIED; arguments as there, for one graph.

    Returns:
        None if the work is spent, or more than 100 nodes would have to be singled out one after the other.
    """
    digests, scope, edge_index, edge_slot = map(as_compiled, (digests, scope, edge_index, edge_slot))
    wiring, _ = wire(edge_index, edge_slot, scope)
    size = len(digests) + edge_index.shape[1]
    search = _Search(work)
    try:
        most = work.left // size
        colours, _, rounds = refine(digests[:, 0].copy().view(np.uint64), wiring, most)
        work.spend(rounds * size)
        sequence = search.order(_Part(colours, wiring), 0).order
    except WorkLimitError:
        return None
    order = by_colour(sequence, colours, wiring.level)
    return SearchedOrder(order, array_of(order, digests, wiring), search.num_tried)


class _Part(NamedTuple):
    """A graph with stable colours: the whole, or nodes of it that hang together, numbered anew."""

    colours: Colours
    wiring: Wiring

    @property
    def size(self) -> int:
        """Nodes and edges."""
        return len(self.colours) + len(self.wiring.producer)

    def array(self, order: Ints) -> bytes:
        """The part under an order of its nodes: equal bytes, equal parts."""
        return array_of(order, self.colours.view(np.int64).reshape(-1, 1), self.wiring).tobytes()

    def content(self) -> bytes:
        """The part as it stands."""
        return self.array(np.arange(len(self.colours)))


class _Ordered(NamedTuple):
    """The order of a part's nodes, and a forest over them that joins nodes which automorphisms carry to one another."""

    order: Ints
    orbits: Ints


@dataclass
class _Search:
    work: Work
    num_tried: int = 0
    known: dict[bytes, _Ordered] = field(default_factory=dict)

    def order(self, part: _Part, depth: int, *, first: bool = False) -> _Ordered:
        """The canonical order of a part; or, if `first`, the order that the first choice everywhere leads to."""
        self.work.spend(part.size)
        number, repeats = split(part.colours, part.wiring)
        nodes = len(part.colours)
        if repeats.all() and len(repeats) == 1 and number.min(initial=0) == 0:  # it does not fall apart
            return self._follow_first(part, depth) if first else self._try_all(part, depth)
        orbits = np.arange(nodes)
        orders = [order_known(part.colours, number, repeats, orbits)]
        found: list[tuple[bytes, Ints]] = []
        place = np.full(nodes, -1)
        for members in _members(number, repeats):
            inner = _Part(*induce(members, part.colours, part.wiring, place))
            ordered = self._order_once(inner, depth, first=first)
            unite_all(orbits, members, members[ordered.orbits])
            found.append((inner.array(ordered.order), members[ordered.order]))
        found.sort(key=lambda one: one[0])
        for (one, left), (other, right) in pairwise(found):
            if one == other:
                unite_all(orbits, left, right)
        orders += [order for _, order in found]
        return _Ordered(np.concatenate(orders), orbits)

    def _order_once(self, part: _Part, depth: int, *, first: bool) -> _Ordered:
        """As `order`; of parts that are equal as they stand, as most blocks of a network are, one is searched."""
        if first:
            return self.order(part, depth, first=True)
        content = part.content()
        if content not in self.known:
            self.known[content] = self.order(part, depth)
        return self.known[content]

    def _try_all(self, part: _Part, depth: int) -> _Ordered:
        """Single out each member of the smallest tied class, up to automorphisms, and take what comes least."""
        orbits = np.arange(len(part.colours))
        best: tuple[int, bytes, _Ordered] | None = None
        best_part = part  # with the member singled out that has led to the best
        leaf: Ints | None = None
        tried: list[int] = []
        covered: set[int] | None = set()  # the roots of what was tried; None when they may have changed
        for node in _smallest_class(part.colours).tolist():
            if covered is None:
                covered = {find(orbits, other) for other in tried}
            if find(orbits, node) in covered:
                continue
            tried.append(node)
            covered.add(find(orbits, node))
            single, key = self._single_out(part, node, depth)
            if best is not None and key > best[0]:
                continue
            if best is not None and key == best[0]:
                if leaf is None:
                    leaf = self.order(best_part, depth + 1, first=True).order
                guess = self.order(single, depth + 1, first=True).order
                if part.array(guess) == part.array(leaf):
                    unite_all(orbits, leaf, guess)
                    covered = None
                    continue
            ordered = self.order(single, depth + 1)
            unite_all(orbits, np.arange(len(orbits)), ordered.orbits)
            covered = None
            array = part.array(ordered.order)
            if best is not None and (key, array) == best[:2]:
                unite_all(orbits, best[2].order, ordered.order)
            elif best is None or (key, array) < best[:2]:
                best, best_part, leaf = (key, array, ordered), single, None
        return _Ordered(np.empty(0, np.int64) if best is None else best[2].order, orbits)

    def _follow_first(self, part: _Part, depth: int) -> _Ordered:
        single, _ = self._single_out(part, int(_smallest_class(part.colours)[0]), depth)
        return self.order(single, depth + 1, first=True)

    def _single_out(self, part: _Part, node: int, depth: int) -> tuple[_Part, int]:
        """The part with a node singled out, and a number that is the same for members of one orbit."""
        if depth >= _DEEPEST:
            raise WorkLimitError("too many nodes must be singled out")
        self.num_tried += 1
        colours = part.colours.copy()
        single_out(colours, node, 0)
        colours, _, rounds = refine(colours, part.wiring, self.work.left // part.size)
        self.work.spend(rounds * part.size)
        return _Part(colours, part.wiring), _mixture(colours)


def _members(number: Ints, repeats: NDArray[np.bool_]) -> Iterator[Ints]:
    """The nodes, ascending, of each part with a repeated colour."""
    by_part = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number + 1, minlength=len(repeats) + 1))
    for at in np.flatnonzero(repeats):
        yield by_part[ends[at] : ends[at + 1]]


@compiled
def _smallest_class(colours: Colours) -> Ints:
    """The smallest tied class, of several the one with the least colour; ascending."""
    order = np.argsort(colours, kind="mergesort")
    smallest = order[:0]
    start = 0
    while start < order.shape[0]:
        end = start + 1
        while end < order.shape[0] and colours[order[end]] == colours[order[start]]:
            end += 1
        if end - start > 1 and (smallest.shape[0] == 0 or end - start < smallest.shape[0]):
            smallest = order[start:end]
        start = end
    return smallest


@compiled
def _mixture(colours: Colours) -> int:
    """A number made of all colours, whatever order they are in."""
    return int((colours * (colours ^ (colours >> np.uint64(29)))).sum())
