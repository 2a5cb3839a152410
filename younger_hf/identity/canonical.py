"""The canonical form of an operator graph: the same for isomorphic graphs, different for all others.

The form is an array: the digest of each node's label, its owner, and the edges with their slots, nodes in canonical
order. The fingerprint is its hash (DESIGN section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from younger_hf.graph import InvalidGraphError, OperatorGraph
from younger_hf.identity.batch import Batch
from younger_hf.identity.colours import Ints
from younger_hf.identity.search import canonical_batch

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


class Forms(NamedTuple):
    """The canonical forms of G graphs with N nodes in all; see `CanonicalForm`.

    Attributes:
        order: int64 [N]: the node, within its graph, at each canonical position.
        fingerprints: of each graph.
        exact: for each graph.
        num_searched: for each graph.
    """

    order: Ints
    fingerprints: list[str]
    exact: list[bool]
    num_searched: list[int]


def canonicalize(graph: OperatorGraph, attributes: bool = True, *, budget: int = BUDGET) -> CanonicalForm:
    """Put a graph in canonical order.

    Args:
        graph: any operator graph.
        attributes: whether nodes are told apart by their whole label, or by operator type alone.
        budget: nodes and edges that the search may visit.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    forms = canonical_forms(Batch.of([graph], attributes), budget)
    return CanonicalForm(graph.reordered(forms.order), forms.fingerprints[0], forms.exact[0], forms.num_searched[0])


def canonical_forms(batch: Batch, budget: int = BUDGET) -> Forms:
    """Find the canonical order of each graph of a batch.

    Args:
        batch: G graphs with N nodes in all.
        budget: nodes and edges that the search for one graph may visit.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    orders, arrays, outcomes = canonical_batch(
        batch.digests, batch.scope, batch.edge_index, batch.edge_slot, batch.node_ends, batch.edge_ends, budget
    )
    content = memoryview(arrays.astype("<i8", copy=False).view(np.uint8).data)
    forms = Forms(orders, [], [], [])
    first, start = 0, 0
    for nodes_end, edges_end, outcome in zip(
        batch.node_ends.tolist(), batch.edge_ends.tolist(), outcomes.tolist(), strict=True
    ):
        if outcome == _DOUBLY_FED:
            raise InvalidGraphError("two data flows go into one input slot")
        exact = outcome >= 0
        end = 8 * (3 * nodes_end + 4 * edges_end)
        # The two sizes give the length of every field of the form.
        sizes = (nodes_end - first).to_bytes(8, "little") + (end - start).to_bytes(8, "little")
        digest = blake2b(_EXACT if exact else _COLOURS, digest_size=16)
        digest.update(sizes)
        digest.update(content[start:end])
        forms.fingerprints.append(digest.hexdigest())
        forms.exact.append(exact)
        forms.num_searched.append(outcome if exact else -1 - outcome)
        first, start = nodes_end, end
    return forms


_DOUBLY_FED: Final = int(np.iinfo(np.int64).min)
_EXACT: Final = f"younger graph {IDENTITY_VERSION}: canonical form\n".encode()
_COLOURS: Final = f"younger graph {IDENTITY_VERSION}: stable colours\n".encode()
