"""NetworkX as the judge of isomorphism: slow, independent, and right."""

from __future__ import annotations

import networkx as nx
import numpy as np
from networkx.algorithms.isomorphism import categorical_multiedge_match, categorical_node_match

from younger_hf.graph import OperatorGraph


def isomorphic(a: OperatorGraph, b: OperatorGraph) -> bool:
    """Whether a bijection of nodes keeps labels, scopes, and edges with their slots."""
    return nx.is_isomorphic(
        _multigraph(a),
        _multigraph(b),
        node_match=categorical_node_match("label", None),
        edge_match=categorical_multiedge_match("kind", None),
    )


def _multigraph(graph: OperatorGraph) -> nx.MultiDiGraph:
    result = nx.MultiDiGraph()
    for node, operator in enumerate(graph.operator):
        result.add_node(node, label=operator.label)
    for (producer, consumer), slots in zip(graph.edge_index.T.tolist(), graph.edge_slot.T.tolist(), strict=True):
        result.add_edge(producer, consumer, kind=tuple(slots))
    for node, owner in enumerate(graph.scope.tolist()):
        if owner != -1:
            result.add_edge(node, owner, kind="scope")
    return result


def shuffled(graph: OperatorGraph, seed: int) -> OperatorGraph:
    """The same graph with its nodes in another topological order, drawn by seed."""
    generator = np.random.default_rng(seed)
    before: list[set[int]] = [set() for _ in graph.operator]
    for producer, consumer in graph.edge_index.T.tolist():
        before[consumer].add(producer)
    for node, owner in enumerate(graph.scope.tolist()):
        if owner != -1:
            before[owner].add(node)
    order: list[int] = []
    left = set(range(graph.num_nodes))
    while left:
        ready = sorted(node for node in left if not before[node] & left)
        order.append(ready[generator.integers(len(ready))])
        left.remove(order[-1])
    return graph.reordered(np.array(order, dtype=np.int64))
