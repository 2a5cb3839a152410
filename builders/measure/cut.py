"""The subgraphs of one graph: its communities with their boundaries, each with the key that says which are the same.

In goes a graph, or its record in the spool; out come `Subgraphs`, small enough to hand from process to
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.measure.facts import Identity
from builders.measure.spool import graph_in, unfed_in
from younger_hf.communities import cut_subgraphs, find_communities
from younger_hf.graph import MAX_SLOT, IntArray, Operator, OperatorGraph, Unfed
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

    Two that have one key are equal array for array, save that operators may be numbered differently, and for `unfed`.

    Attributes:
        keys: of each; the fingerprint, in which the boundary counts as part of the label.
        exact: for each, whether the search for its canonical form came to an end.
        operators: the distinct operators of the graph.
        node: int32 [n], positions in `operators`.
        boundary: bool [n].
        scope: int32 [n], positions within the node's own subgraph, or -1.
        edge_index: int32 [2, e], positions within the edge's own subgraph.
        edge_slot: int32 [2, e].
        unfed: int32 [3, u], of each slot that no node of the subgraph feeds the position within the slot's own
            subgraph, the slot and `Unfed`. It is no part of the key.
        node_starts: int64 [S + 1], where each subgraph's nodes begin, and where the last ones end.
        edge_starts: int64 [S + 1].
        unfed_starts: int64 [S + 1].
    """

    keys: list[str]
    exact: list[bool]
    operators: list[Operator]
    node: Int32s
    boundary: NDArray[np.bool_]
    scope: Int32s
    edge_index: Int32s
    edge_slot: Int32s
    unfed: Int32s
    node_starts: NDArray[np.int64]
    edge_starts: NDArray[np.int64]
    unfed_starts: NDArray[np.int64]


def find_subgraphs(
    graph: OperatorGraph, attributes: bool = True, *, unfed: IntArray | None = None, work: Work | None = None
) -> Subgraphs:
    """Find the communities of a graph and cut out those that have a boundary.

    Args:
        graph: an operator graph, in canonical order.
        attributes: whether operators are told apart by their attributes too.
        unfed: int64 [3, U]: node, input slot and `Unfed` of the slots of the graph that no node feeds; None for none.
        work: nodes and edges that may be visited for the canonical forms of all subgraphs together. Those for which
            nothing is left of it are not exact, and so are merged with no other.
    """
    subgraphs = cut_subgraphs(graph, find_communities(graph), attributes)
    size = subgraphs.batch.digests.shape[0] + subgraphs.batch.edge_index.shape[1]
    forms = canonical_forms(subgraphs.batch, work or Work(SEARCH_BUDGET + ROUNDS * size))
    batch = subgraphs.batch.reordered(forms.order)
    ends = batch.node_ends
    order = forms.order + np.repeat(starts(ends), np.diff(ends, prepend=0))
    own_unfed, unfed_starts = _unfed_slots(graph, unfed, subgraphs.node[order], batch)
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
        unfed=own_unfed.astype(np.int32),
        node_starts=np.append(0, batch.node_ends),
        edge_starts=np.append(0, batch.edge_ends),
        unfed_starts=unfed_starts,
    )


def _unfed_slots(
    graph: OperatorGraph, unfed: IntArray | None, node: IntArray, batch: Batch
) -> tuple[IntArray, IntArray]:
    """The slots of subgraphs that no node of theirs feeds, and where those of each subgraph begin.

    Args:
        graph: what they are cut from.
        unfed: of the graph.
        node: int64 [n], the node of the graph that each node is.
        batch: the subgraphs.
    """
    known = np.empty((3, 0), np.int64) if unfed is None else unfed
    outside = np.full(graph.num_edges, Unfed.OUTSIDE)
    slots = np.concatenate((known, np.stack((graph.edge_index[1], graph.edge_slot[1], outside))), axis=1)
    slots = slots[:, np.lexsort((slots[1], slots[0]))]
    first = np.searchsorted(slots[0], np.arange(graph.num_nodes + 1))
    times = np.diff(first)[node]
    place = np.repeat(np.arange(len(node)), times)
    at = np.arange(len(place)) + np.repeat(first[node] - (np.cumsum(times) - times), times)
    _, slot, kind = slots[:, at]
    node_starts = starts(batch.node_ends)
    consumer = batch.edge_index[1] + np.repeat(node_starts, np.diff(batch.edge_ends, prepend=0))
    width = MAX_SLOT + 1
    is_fed = np.isin(place * width + slot, consumer * width + batch.edge_slot[1])
    place, slot, kind = place[~is_fed], slot[~is_fed], kind[~is_fed]
    own = np.repeat(node_starts, np.diff(batch.node_ends, prepend=0))
    ends = np.searchsorted(place, batch.node_ends)
    return np.stack((place - own[place], slot, kind)), np.append(0, ends)


def find_subgraphs_in(attributes: bool, record: pa.RecordBatch) -> Subgraphs:
    """As `find_subgraphs`, for a record of a spool."""
    return find_subgraphs(graph_in(record), attributes, unfed=unfed_in(record))


def _evidence(batch: Batch, number: int) -> str:
    """A hash of one graph of a batch as it stands."""
    nodes = slice(starts(batch.node_ends)[number], batch.node_ends[number])
    edges = slice(starts(batch.edge_ends)[number], batch.edge_ends[number])
    digest = blake2b(digest_size=16)
    for part in (batch.digests[nodes], batch.scope[nodes], batch.edge_index[:, edges], batch.edge_slot[:, edges]):
        digest.update(part.size.to_bytes(8, "little"))
        digest.update(part.astype("<i8").tobytes())
    return digest.hexdigest()
