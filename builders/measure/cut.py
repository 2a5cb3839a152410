"""The subgraphs of one graph: its communities with their boundaries, each with the key that says which are the same.

In goes a graph, or its number in the spool; out come `Subgraphs`, small enough to hand from process to
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from builders.measure.facts import Identity
from builders.measure.spool import Spool
from younger_hf.communities import cut_subgraphs, find_communities
from younger_hf.graph import Operator, OperatorGraph
from younger_hf.identity.batch import Batch, starts
from younger_hf.identity.canonical import canonical_forms
from younger_hf.work import Work

SEARCH_BUDGET: Final = 1 << 25
"""Nodes and edges that the canonical forms of all subgraphs of a graph may visit together: a second."""
ROUNDS: Final = 32
"""Over all their nodes and edges, which large graphs have besides."""

Int32s = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Subgraphs:
    """The S subgraphs of one graph, one after the other, n nodes and e edges in all.

    Two that have one key are equal array for array, save that operators may be numbered differently.

    Attributes:
        keys: of each; the fingerprint, in which the boundary counts as part of the label.
        exact: for each, whether the search for its canonical form came to an end.
        operators: the distinct operators of the graph.
        node: int32 [n], positions in `operators`.
        boundary: bool [n].
        scope: int32 [n], positions within the node's own subgraph, or -1.
        edge_index: int32 [2, e], positions within the edge's own subgraph.
        edge_slot: int32 [2, e].
        node_starts: int64 [S + 1], where each subgraph's nodes begin, and where the last ones end.
        edge_starts: int64 [S + 1].
    """

    keys: list[str]
    exact: list[bool]
    operators: list[Operator]
    node: Int32s
    boundary: NDArray[np.bool_]
    scope: Int32s
    edge_index: Int32s
    edge_slot: Int32s
    node_starts: NDArray[np.int64]
    edge_starts: NDArray[np.int64]


def find_subgraphs(graph: OperatorGraph, attributes: bool = True, *, work: Work | None = None) -> Subgraphs:
    """Find the communities of a graph and cut out those that have a boundary.

    Args:
        graph: an operator graph, in canonical order.
        attributes: whether operators are told apart by their attributes too.
        work: nodes and edges that may be visited for the canonical forms of all subgraphs together. Those for which
            nothing is left of it are not exact, and so are merged with no other.
    """
    subgraphs = cut_subgraphs(graph, find_communities(graph), attributes)
    size = subgraphs.batch.digests.shape[0] + subgraphs.batch.edge_index.shape[1]
    forms = canonical_forms(subgraphs.batch, work or Work(SEARCH_BUDGET + ROUNDS * size))
    batch = subgraphs.batch.reordered(forms.order)
    ends = batch.node_ends
    order = forms.order + np.repeat(starts(ends), np.diff(ends, prepend=0))
    position = {operator: number for number, operator in enumerate(dict.fromkeys(graph.operator))}
    node = np.fromiter(map(position.__getitem__, graph.operator), np.int32, graph.num_nodes)
    return Subgraphs(
        keys=[
            Identity(fingerprint, "" if exact else _evidence(batch, number)).key
            for number, (fingerprint, exact) in enumerate(zip(forms.fingerprints, forms.exact, strict=True))
        ],
        exact=forms.exact,
        operators=list(position),
        node=node[subgraphs.node[order]],
        boundary=subgraphs.boundary[order],
        scope=batch.scope.astype(np.int32),
        edge_index=batch.edge_index.astype(np.int32),
        edge_slot=batch.edge_slot.astype(np.int32),
        node_starts=np.append(0, batch.node_ends),
        edge_starts=np.append(0, batch.edge_ends),
    )


def find_subgraphs_in(spool: Path, attributes: bool, number: int) -> Subgraphs:
    """As `find_subgraphs`, for a graph in a spool."""
    return find_subgraphs(Spool(spool).graph(number, attributes=attributes), attributes)


def _evidence(batch: Batch, number: int) -> str:
    """A hash of one graph of a batch as it stands."""
    nodes = slice(starts(batch.node_ends)[number], batch.node_ends[number])
    edges = slice(starts(batch.edge_ends)[number], batch.edge_ends[number])
    digest = blake2b(digest_size=16)
    for part in (batch.digests[nodes], batch.scope[nodes], batch.edge_index[:, edges], batch.edge_slot[:, edges]):
        digest.update(part.size.to_bytes(8, "little"))
        digest.update(part.astype("<i8").tobytes())
    return digest.hexdigest()
