"""`SlottedGraph`: a graph that says what is in every input slot; generators learn and make these.

In go the rows of a split; out come slotted graphs, nodes in topological order. From first node to last, and slot by
slot, such a graph is a sequence of decisions: an operator, then for each of its slots an output of an earlier node, a
graph input, a parameter or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import UsageError
from younger_hf.graph import IntArray, Operator, OperatorGraph, Unfed
from younger_hf.list_columns import flatten_pairs, flatten_rows
from younger_hf.tasks.graph_table import GraphTable

KINDS: Final = (*(kind.name.lower() for kind in Unfed), "unknown")
"""What can be in a slot that no node feeds: `Unfed`, or unknown where a release lacks the column `unfed_kind`."""

INPUT, PARAMETER, ABSENT, OUTSIDE, UNKNOWN = (-1 - kind for kind in range(len(KINDS)))
"""The same as a `source`."""

MOST_OUTPUTS: Final = 64
"""Output slots of a node; a graph that uses a later one is no row of the task."""


@dataclass(frozen=True, eq=False)
class SlottedGraph:
    """An architecture, or a part of one: N operators with S input slots.

    Attributes:
        operator: int64 [N], vocabulary ids.
        first: int64 [N + 1]: the slots of node i are first[i] up to first[i + 1].
        source: int64 [S], what feeds each slot: an earlier node, or -1 and less for what `KINDS` lists.
        output: int64 [S], which output slot of the node; 0 where none feeds the slot.
    """

    operator: IntArray
    first: IntArray
    source: IntArray
    output: IntArray

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.operator)

    @property
    def consumer(self) -> IntArray:
        """int64 [S]: the node that has each slot."""
        return np.repeat(np.arange(self.num_nodes), np.diff(self.first))

    @property
    def slot(self) -> IntArray:
        """int64 [S]: the number of each slot within its node."""
        return np.arange(len(self.source)) - self.first[self.consumer]

    @property
    def edges(self) -> IntArray:
        """int64 [4, E]: producer, consumer, output slot, input slot."""
        fed = self.source >= 0
        return np.stack((self.source, self.consumer, self.output, self.slot))[:, fed]

    def slots(self, node: int) -> slice:
        """Where the slots of a node are."""
        return slice(int(self.first[node]), int(self.first[node + 1]))

    def reordered(self, order: IntArray) -> SlottedGraph:
        """The same graph with node `order[i]` at position i.

        Args:
            order: int64 [N], a permutation that is topological.
        """
        position = np.argsort(order)
        lengths = np.diff(self.first)[order]
        first = np.append(0, np.cumsum(lengths))
        at = np.arange(first[-1]) + np.repeat(self.first[order] - first[:-1], lengths)
        source = self.source[at]
        source = np.where(source >= 0, position[source], source)
        return SlottedGraph(self.operator[order], first, source, self.output[at])

    def to_graph(self, operators: Sequence[Operator], **metadata: Any) -> OperatorGraph:
        """The operators and data flows alone.

        Args:
            operators: what the ids stand for.
            metadata: fields of `GraphMetadata`.
        """
        from younger_hf.graph import GraphMetadata

        edges = self.edges
        nodes = tuple(operators[number] for number in self.operator.tolist())
        return OperatorGraph(nodes, edges[:2], edges[2:], np.full(self.num_nodes, -1), GraphMetadata(**metadata))

    def unfed(self) -> IntArray:
        """int64 [3, U]: node, slot and kind of each slot that no node feeds, as `KINDS` numbers them."""
        open_slots = self.source < 0
        return np.stack((self.consumer[open_slots], self.slot[open_slots], -1 - self.source[open_slots]))


def make_slotted(operator: IntArray, edges: NDArray[np.int64], unfed: NDArray[np.int64]) -> SlottedGraph:
    """A slotted graph from its parts.

    Args:
        operator: int64 [N], vocabulary ids.
        edges: int64 [4, E]: producer, consumer, output slot, input slot.
        unfed: int64 [3, U]: node, slot and kind. A slot before the last of its node that neither names is unknown.
    """
    lengths = np.zeros(len(operator), np.int64)
    np.maximum.at(lengths, edges[1], edges[3] + 1)
    np.maximum.at(lengths, unfed[0], unfed[1] + 1)
    first = np.append(0, np.cumsum(lengths))
    source = np.full(first[-1], UNKNOWN)
    output = np.zeros(first[-1], np.int64)
    source[first[unfed[0]] + unfed[1]] = -1 - unfed[2]
    at = first[edges[1]] + edges[3]
    source[at], output[at] = edges[0], edges[2]
    return SlottedGraph(operator.astype(np.int64), first, source, output)


def random_order(graph: SlottedGraph, generator: np.random.Generator) -> IntArray:
    """A random topological order: depth first from the outputs back, in which all choices are drawn.

    What feeds a node stands soon before it. Orders that draw among all nodes that are ready would mix
    branches, and tell less of the architecture.
    """
    draws = iter(generator.permutation(graph.num_nodes + len(graph.source)).tolist())
    first, source = graph.first.tolist(), graph.source.tolist()
    has_consumer = np.zeros(graph.num_nodes, dtype=bool)
    has_consumer[graph.source[graph.source >= 0]] = True
    sinks = sorted(np.flatnonzero(~has_consumer).tolist(), key=lambda _: next(draws))
    order: list[int] = []
    state = [0] * graph.num_nodes  # 1 once it is on the stack, 2 once it stands
    for sink in sinks:
        stack = [sink]
        while stack:
            node = stack[-1]
            if state[node]:
                stack.pop()
                if state[node] == 1:
                    state[node] = 2
                    order.append(node)
                continue
            state[node] = 1
            before = [each for each in source[first[node] : first[node + 1]] if each >= 0 and not state[each]]
            stack += sorted(before, key=lambda _: next(draws)) if len(before) > 1 else before
    return np.array(order, dtype=np.int64)


def rows_of(table: GraphTable, max_nodes: int) -> IntArray:
    """The rows that generators learn and are scored on: of 2 to `max_nodes` nodes, without control flow.

    A body is no part of a sequence of decisions; and of a node with more than `MOST_OUTPUTS` outputs, they are not told
    apart.

    Returns:
        int64 [M], ascending.
    """
    fits = (table.num_nodes >= 2) & (table.num_nodes <= max_nodes)
    slots, ends = flatten_pairs(table.column("edge_slot"), "edge_slot")
    scopes, scope_ends = flatten_rows(table.column("node_scope"), "node_scope")
    for values, boundaries, limit in ((slots.to_numpy(), ends, MOST_OUTPUTS), (scopes.to_numpy() + 1, scope_ends, 1)):
        too_large = np.append(0, np.cumsum(values >= limit))
        if limit > 1:  # output slots alone, the first half of a pair
            half = (boundaries[:-1] + boundaries[1:]) // 2
            fits &= too_large[half] == too_large[boundaries[:-1]]
        else:
            fits &= too_large[boundaries[1:]] == too_large[boundaries[:-1]]
    return np.flatnonzero(fits)


def slotted_graphs(table: GraphTable, rows: Iterable[int]) -> Iterator[SlottedGraph]:
    """The graphs of some rows of a split, in the order given."""
    knows = table.has("unfed_slot") and table.has("unfed_kind")
    if knows:
        slots, slot_ends = flatten_pairs(table.column("unfed_slot"), "unfed_slot")
        kinds, kind_ends = flatten_rows(table.column("unfed_kind"), "unfed_kind")
        pairs, kind = slots.to_numpy(), kinds.to_numpy()
    for row in rows:
        union = table.union(np.array([row]))
        edges = np.concatenate((union.edge_index, union.edge_slot))
        unfed = np.empty((3, 0), np.int64)
        if knows:
            pair = pairs[slot_ends[row] : slot_ends[row + 1]].reshape(2, -1)
            unfed = np.concatenate((pair, kind[kind_ends[row] : kind_ends[row + 1]][None]))
        yield make_slotted(union.x, edges, unfed)


def check_graphs(name: str, graphs: Any) -> list[SlottedGraph]:
    """A list of slotted graphs.

    Raises:
        UsageError: it is none, or empty.
    """
    found = list(graphs) if isinstance(graphs, Iterable) else []
    if not found or not all(isinstance(graph, SlottedGraph) for graph in found):
        raise UsageError(f"{name} is a list of SlottedGraph, at least one")
    return found
