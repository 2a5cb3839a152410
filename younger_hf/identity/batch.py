"""Many graphs as one set of arrays, one graph after the other.

Most subgraphs are so small that calls would cost more than the work: what goes over graphs takes a batch of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Final

import numpy as np

from younger_hf.graph import MAX_SLOT, Operator, OperatorGraph
from younger_hf.identity.colours import Ints

_SLOTS: Final = MAX_SLOT + 1


@dataclass(frozen=True, eq=False)
class Batch:
    """G graphs with N nodes and E edges in all; positions of nodes count within their own graph.

    Attributes:
        digests: int64 [N, 2], what tells the nodes' labels apart.
        scope: int64 [N].
        edge_index: int64 [2, E].
        edge_slot: int64 [2, E].
        node_ends: int64 [G], where each graph's nodes end.
        edge_ends: int64 [G], where each graph's edges end.
    """

    digests: Ints
    scope: Ints
    edge_index: Ints
    edge_slot: Ints
    node_ends: Ints
    edge_ends: Ints

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, as_compiled(getattr(self, field.name)))

    @classmethod
    def of(cls, graphs: Sequence[OperatorGraph], attributes: bool = True) -> Batch:
        """At least one graph; `attributes` says whether labels are whole or by operator type alone."""
        return cls(
            label_digests(chain.from_iterable(graph.operator for graph in graphs), attributes),
            np.concatenate([graph.scope for graph in graphs]),
            np.concatenate([graph.edge_index for graph in graphs], axis=1),
            np.concatenate([graph.edge_slot for graph in graphs], axis=1),
            np.cumsum([graph.num_nodes for graph in graphs]),
            np.cumsum([graph.num_edges for graph in graphs]),
        )

    def reordered(self, order: Ints) -> Batch:
        """The same graphs in another order of their nodes, edges sorted by consumer and input slot.

        Args:
            order: int64 [N]: the node, within its graph, that comes to each position.
        """
        first = starts(self.node_ends)
        first_of_node = np.repeat(first, np.diff(self.node_ends, prepend=0))
        first_of_edge = np.repeat(first, np.diff(self.edge_ends, prepend=0))
        nodes = order + first_of_node
        position = np.empty_like(order)
        position[nodes] = np.arange(len(order)) - first_of_node
        edge_index = position[self.edge_index + first_of_edge]
        # An input slot is fed once, so that this key has no ties.
        by_slot = np.argsort((edge_index[1] + first_of_edge) * _SLOTS + self.edge_slot[1])
        scope = self.scope[nodes]
        inside = np.flatnonzero(scope >= 0)
        scope[inside] = position[scope[inside] + first_of_node[inside]]
        return Batch(
            self.digests[nodes],
            scope,
            edge_index[:, by_slot],
            self.edge_slot[:, by_slot],
            self.node_ends,
            self.edge_ends,
        )


def starts(ends: Ints) -> Ints:
    """Where the parts begin, given where they end."""
    return np.concatenate(([0], ends))[:-1]


def as_compiled(array: Ints) -> Ints:
    """The array as compiled functions are compiled for it: one layout, so that no other is compiled later on."""
    return np.require(array, np.int64, ["C", "A", "W"])


def label_digests(operators: Iterable[Operator], attributes: bool = True) -> Ints:
    """int64 [N, 2]: the digest of each operator's label, or of its type alone."""
    digests = b"".join([operator.digest if attributes else operator.type_digest for operator in operators])
    return np.frombuffer(digests, dtype="<i8").astype(np.int64, copy=False).reshape(-1, 2)
