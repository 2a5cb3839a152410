"""Communities of a graph, each cut out with its boundary: the subgraphs that operators are designed on.

In goes a graph; out come its communities (Clauset, Newman and Moore, "Finding community structure in very large
networks", Physical Review E 70, 066111, 2004) and, for each that has a boundary, the subgraph induced on both. The
boundary of a community is every node outside with a data flow from or to a node inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import MissingExtraError
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.identity.batch import Batch, label_digests

try:
    import igraph
except ModuleNotFoundError as error:
    raise MissingExtraError("igraph", "inspect") from error

MOST_NEIGHBOURS: Final = 500
"""A node with more neighbours is a community by itself: igraph's time grows with the cube of their number."""

_CANDIDATES: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class CommunitySubgraphs:
    """The subgraphs of the communities of one graph, one after the other; n nodes in all.

    Attributes:
        node: int64 [n], the node of the graph that each node is; ascending within a subgraph.
        boundary: bool [n], whether it stands outside of the community.
        batch: the subgraphs as graphs. Whether a node is boundary tells labels apart, too, and the owner of a node is
            -1 where it is not in the subgraph.
    """

    node: IntArray
    boundary: NDArray[np.bool_]
    batch: Batch


def find_communities(graph: OperatorGraph) -> IntArray:
    """Communities by greedy modularity, resolution 1, on the undirected simple graph.

    Args:
        graph: N operators. The order of its nodes decides between merges that are equally good: let it be canonical.

    Returns:
        int64 [N], the number of each node's community, from 0 on.
    """
    nodes = graph.num_nodes
    producer, consumer = graph.edge_index
    edges = np.unique(producer * nodes + consumer)
    ends = np.stack((edges // nodes, edges % nodes), axis=1)
    hubs = np.bincount(ends.ravel(), minlength=nodes) > MOST_NEIGHBOURS
    simple = igraph.Graph(nodes, ends[~hubs[ends].any(axis=1)])
    return np.array(simple.community_fastgreedy().as_clustering().membership, dtype=np.int64)


def cut_subgraphs(graph: OperatorGraph, community: IntArray, attributes: bool = True) -> CommunitySubgraphs:
    """Cut the subgraph of each community that has a boundary, in the order of their numbers.

    Args:
        graph: N operators.
        community: int64 [N], from 0 on.
        attributes: whether labels are told apart by attributes too.
    """
    members, boundary = _members(graph, community)
    edge, subgraph = _induced_edges(graph, members)
    start, end = (members.position(subgraph, ends[edge])[0] for ends in graph.edge_index)
    scope = np.full(len(members.node), -1)
    owned = np.flatnonzero(graph.scope[members.node] >= 0)
    owner, has_owner = members.position(members.subgraph[owned], graph.scope[members.node[owned]])
    scope[owned[has_owner]] = owner[has_owner]
    digests = label_digests(graph.operator, attributes)[members.node]
    digests[boundary] = ~digests[boundary]
    batch = Batch(
        digests,
        scope,
        np.stack((start, end)),
        graph.edge_slot[:, edge],
        np.append(members.first, len(members.node))[1:],
        np.cumsum(np.bincount(subgraph, minlength=len(members.first))),
    )
    return CommunitySubgraphs(members.node, boundary, batch)


@dataclass(frozen=True, eq=False)
class _Members:
    """Which nodes are in which subgraph, sorted by subgraph and node; S subgraphs, n nodes in all, N in the graph.

    Attributes:
        key: int64 [n], subgraph times N plus node.
        subgraph: int64 [n].
        node: int64 [n].
        first: int64 [S], where each subgraph begins.
        num_nodes: N.
    """

    key: IntArray
    subgraph: IntArray
    node: IntArray
    first: IntArray
    num_nodes: int

    def position(self, subgraph: IntArray, node: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """Where nodes stand within subgraphs, and whether they do."""
        key = subgraph * self.num_nodes + node
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return at - self.first[subgraph], self.key[at] == key


def _members(graph: OperatorGraph, community: IntArray) -> tuple[_Members, NDArray[np.bool_]]:
    """The members of each subgraph, and bool [n], which of them are boundary."""
    nodes = graph.num_nodes
    producer, consumer = graph.edge_index
    cut = np.flatnonzero(community[producer] != community[consumer])
    source, target = producer[cut], consumer[cut]
    outside = np.unique(np.concatenate((community[source] * nodes + target, community[target] * nodes + source)))
    bounded = np.unique(outside // nodes)  # the communities that have a boundary: these give the subgraphs
    inside = np.flatnonzero(np.isin(community, bounded))
    key = np.concatenate((community[inside] * nodes + inside, outside))
    order = np.argsort(key)
    subgraph = np.searchsorted(bounded, key[order] // nodes)
    node = key[order] % nodes
    first = np.searchsorted(subgraph, np.arange(len(bounded)))
    return _Members(subgraph * nodes + node, subgraph, node, first, nodes), order >= len(inside)


def _induced_edges(graph: OperatorGraph, members: _Members) -> tuple[IntArray, IntArray]:
    """The edges with both ends in a subgraph: the number of the edge and of the subgraph, by subgraph, then by edge."""
    producer, consumer = graph.edge_index
    times = np.bincount(members.node, minlength=graph.num_nodes)
    subgraphs_of_node = members.subgraph[np.argsort(members.node, kind="stable")]
    begin = np.cumsum(times) - times
    # The subgraphs of an edge are among those of either end: look through the end that is in fewer.
    fewer = np.where(times[producer] <= times[consumer], producer, consumer)
    edges, subgraphs = [], []
    # In parts, since a graph that is both large and dense has far more candidates than edges.
    until = np.cumsum(times[fewer])
    for part in np.split(np.arange(graph.num_edges), np.flatnonzero(np.diff(until // _CANDIDATES)) + 1):
        edge = np.repeat(part, times[fewer[part]])
        nth = np.arange(len(edge)) - np.repeat(np.cumsum(times[fewer[part]]) - times[fewer[part]], times[fewer[part]])
        subgraph = subgraphs_of_node[begin[fewer[edge]] + nth]
        _, has_producer = members.position(subgraph, producer[edge])
        _, has_consumer = members.position(subgraph, consumer[edge])
        edges.append(edge[has_producer & has_consumer])
        subgraphs.append(subgraph[has_producer & has_consumer])
    edge, subgraph = np.concatenate(edges), np.concatenate(subgraphs)
    order = np.lexsort((edge, subgraph))
    return edge[order], subgraph[order]
