"""The canonical form of an operator graph: the same for isomorphic graphs, different for all others.

The form is an array: the digest of each node's label, its owner, and the edges with their slots, nodes in canonical
order. The fingerprint is its hash (DESIGN section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from younger_hf.compiled import INTERPRETED, runs_compiled, wrapping
from younger_hf.graph import InvalidGraphError, OperatorGraph
from younger_hf.identity.batch import Batch
from younger_hf.identity.colours import Ints
from younger_hf.identity.search import BY_COLOURS, BY_PARTS, DOUBLY_FED, TIED, UNSTABLE, order_batch, search_order
from younger_hf.work import Work

IDENTITY_VERSION: Final = 2
BUDGET: Final = 1 << 27
"""Nodes and edges that may be visited for the canonical form of one graph: some seconds."""


@dataclass(frozen=True)
class CanonicalForm:
    """A graph in canonical order.

    Attributes:
        graph: the graph, its nodes in canonical order and its edges by consumer and input slot.
        order: int64 [N]: the node of the graph as it was given, at each position.
        fingerprint: 32 hexadecimal digits, equal exactly when graphs are isomorphic (if both are exact).
        exact: False if the budget ran out: then the fingerprint is that of the colours; isomorphic graphs share it, but
            so may others.
        num_searched: how many colourings the search tried; 0 where colours and parts told every node apart.
    """

    graph: OperatorGraph
    order: Ints
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


def canonicalize(graph: OperatorGraph, attributes: bool = True, *, budget: int | Work = BUDGET) -> CanonicalForm:
    """Put a graph in canonical order.

    Args:
        graph: any operator graph.
        attributes: whether nodes are told apart by their whole label, or by operator type alone.
        budget: nodes and edges that the search may visit; or work that is shared with other computations, and of which
            a search that is given up leaves nothing.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    forms = canonical_forms(Batch.of([graph], attributes), budget)
    return CanonicalForm(
        graph.reordered(forms.order), forms.order, forms.fingerprints[0], forms.exact[0], forms.num_searched[0]
    )


def canonical_forms(batch: Batch, budget: int | Work = BUDGET) -> Forms:
    """Find the canonical order of each graph of a batch.

    Args:
        batch: G graphs with N nodes in all.
        budget: nodes and edges that the search for one graph may visit; or work that all graphs share.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    # Without a budget there are colours still.
    for_colours = budget.left if isinstance(budget, Work) else max(budget, BUDGET)
    orders, arrays, outcomes, visited = _order_batch(batch, for_colours, isinstance(budget, Work))
    forms = Forms(orders, [], [], [])
    nodes, edges = slice(0), slice(0)
    for nodes_end, edges_end, outcome, steps in zip(
        batch.node_ends.tolist(), batch.edge_ends.tolist(), outcomes.tolist(), visited.tolist(), strict=True
    ):
        nodes, edges = slice(nodes.stop, nodes_end), slice(edges.stop, edges_end)
        if outcome == DOUBLY_FED:
            raise InvalidGraphError("two data flows go into one input slot")
        work = budget if isinstance(budget, Work) else Work(budget)
        array = arrays[3 * nodes.start + 4 * edges.start : 3 * nodes.stop + 4 * edges.stop]
        exact, searched = outcome in (BY_COLOURS, BY_PARTS), 0
        if work is budget:
            work.spent = min(work.spent + steps, work.limit)
        if outcome == TIED:
            parts = batch.digests[nodes], batch.scope[nodes], batch.edge_index[:, edges], batch.edge_slot[:, edges]
            found = search_order(*parts, work)
            if found is not None:
                exact = True
                orders[nodes], array, searched = found
        forms.fingerprints.append(_fingerprint(exact, nodes.stop - nodes.start, array))
        forms.exact.append(exact)
        forms.num_searched.append(searched)
    return forms


def _order_batch(batch: Batch, budget: int, is_shared: bool) -> tuple[Ints, Ints, Ints, Ints]:
    """`order_batch`: in Python where that is soon done, and compiled where it is not."""
    arrays = batch.digests, batch.scope, batch.edge_index, batch.edge_slot, batch.node_ends, batch.edge_ends
    steps = len(batch.scope) + batch.edge_index.shape[1]
    if not runs_compiled(steps):
        few = min(budget, INTERPRETED // max(len(batch.node_ends), 1))
        with wrapping():
            found = order_batch(*arrays, few, False)
        if not np.isin(found[2], (TIED, UNSTABLE)).any():
            return found
        runs_compiled(INTERPRETED + 1)  # it takes a search, or many rounds
    return order_batch(*arrays, budget, is_shared)


def _fingerprint(exact: bool, num_nodes: int, array: Ints) -> str:
    content = array.astype("<i8", copy=False).tobytes()
    digest = blake2b(_EXACT if exact else _COLOURS, digest_size=16)
    # The two sizes give the length of every field of the form.
    digest.update(num_nodes.to_bytes(8, "little") + len(content).to_bytes(8, "little"))
    digest.update(content)
    return digest.hexdigest()


_EXACT: Final = f"younger graph {IDENTITY_VERSION}: canonical form\n".encode()
_COLOURS: Final = f"younger graph {IDENTITY_VERSION}: stable colours\n".encode()
