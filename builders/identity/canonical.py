"""The canonical form of an operator graph: the same for isomorphic graphs, different for all others.

The form is an array: the digest of each node's label, its owner, and the edges with their slots, nodes in canonical
order. The fingerprint is its hash (DESIGN section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Final

import numpy as np

from builders.identity.colours import Ints
from builders.identity.search import canonical_batch
from younger_hf.graph import InvalidGraphError, OperatorGraph

IDENTITY_VERSION: Final = 1
BUDGET: Final = 1 << 27
"""Nodes and edges that the search for one graph may visit: some seconds."""


@dataclass(frozen=True)
class CanonicalForm:
    """A graph in canonical order.

    Attributes:
        graph: the graph, its nodes in canonical order and its edges by consumer and input slot.
        fingerprint: 32 hexadecimal digits, equal exactly when graphs are isomorphic (if both are exact).
        exact: False if the budget ran out: then the fingerprint is that of the stable colours; isomorphic graphs
            share it, but so may others.
        num_searched: how many colourings the search refined; 0 where colours alone told every node apart.
    """

    graph: OperatorGraph
    fingerprint: str
    exact: bool
    num_searched: int


def canonicalize(graph: OperatorGraph, attributes: bool = True, *, budget: int = BUDGET) -> CanonicalForm:
    """Put a graph in canonical order.

    Args:
        graph: any operator graph.
        attributes: whether nodes are told apart by their whole label, or by operator type alone.
        budget: nodes and edges that the search may visit.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    ((order, fingerprint, exact, searched),) = _forms([graph], attributes, budget)
    return CanonicalForm(graph.reordered(order), fingerprint, exact, searched)


def canonical_digests(
    graphs: Sequence[OperatorGraph], attributes: bool = True, *, budget: int = BUDGET
) -> list[tuple[str, bool]]:
    """The fingerprint of each graph and whether it is exact, without making the reordered graphs.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    return [(fingerprint, exact) for _, fingerprint, exact, _ in _forms(graphs, attributes, budget)]


def _forms(graphs: Sequence[OperatorGraph], attributes: bool, budget: int) -> Iterator[tuple[Ints, str, bool, int]]:
    """Order, fingerprint, exactness and colourings searched of each graph."""
    if not graphs:
        return
    operators = chain.from_iterable(graph.operator for graph in graphs)
    labels = b"".join([o.digest if attributes else o.type_digest for o in operators])
    node_ends = np.cumsum([graph.num_nodes for graph in graphs])
    edge_ends = np.cumsum([graph.num_edges for graph in graphs])
    orders, arrays, outcomes = canonical_batch(
        np.frombuffer(labels, dtype="<i8").reshape(-1, 2),
        np.concatenate([graph.scope for graph in graphs]),
        np.concatenate([graph.edge_index for graph in graphs], axis=1),
        np.concatenate([graph.edge_slot for graph in graphs], axis=1),
        node_ends,
        edge_ends,
        budget,
    )
    content = memoryview(arrays.astype("<i8", copy=False).view(np.uint8).data)
    first, start = 0, 0
    for nodes_end, edges_end, outcome in zip(node_ends.tolist(), edge_ends.tolist(), outcomes.tolist(), strict=True):
        if outcome == _DOUBLY_FED:
            raise InvalidGraphError("two data flows go into one input slot")
        exact = outcome >= 0
        end = 8 * (3 * nodes_end + 4 * edges_end)
        # The two sizes give the length of every field of the form.
        sizes = (nodes_end - first).to_bytes(8, "little") + (end - start).to_bytes(8, "little")
        digest = blake2b(_EXACT if exact else _COLOURS, digest_size=16)
        digest.update(sizes)
        digest.update(content[start:end])
        yield orders[first:nodes_end], digest.hexdigest(), exact, outcome if exact else -1 - outcome
        first, start = nodes_end, end


_DOUBLY_FED: Final = int(np.iinfo(np.int64).min)
_EXACT: Final = f"younger graph {IDENTITY_VERSION}: canonical form\n".encode()
_COLOURS: Final = f"younger graph {IDENTITY_VERSION}: stable colours\n".encode()
