"""Rows and graphs as NetworkX multigraphs, and back.

Node i of a graph is node i in NetworkX. On the way back nodes may have any names and stand in any order. Attributes
are text and numbers alone, so that networkx writes such a graph to GraphML, GEXF and JSON as it is.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np

from younger_hf.dataset import check_row, to_graph
from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.graph import GraphMetadata, IntArray, InvalidGraphError, Operator, OperatorGraph
from younger_hf.vocabulary import Vocabulary

try:
    import networkx as nx
except ImportError as error:
    raise MissingExtraError("networkx", "networkx") from error

_OPERATOR: Final = {"domain": str, "op_type": str, "attributes": str}
_SLOTS: Final = {"output_slot": int, "input_slot": int}


def to_networkx(
    row_or_graph: Mapping[str, Any] | OperatorGraph, vocabulary: Vocabulary | None = None
) -> nx.MultiDiGraph[int]:
    """Turn a row or a graph into a NetworkX multigraph.

    Args:
        row_or_graph: an `OperatorGraph`, or a row as `younger_hf.to_graph` takes it.
        vocabulary: the release's, for a row; None reads it from the release directory `younger`.

    Returns:
        Nodes 0 to N-1 in the graph's order, each with `domain`, `op_type`, `attributes` (canonical JSON),
        `label` and `scope` (the control-flow node whose body holds it, or -1); edges with `output_slot` and
        `input_slot`; those fields of `GraphMetadata` that are known as attributes of the graph (`opset_imports` as a
        JSON object, version by domain).

    Raises:
        UsageError: it is neither a row nor a graph, or a row without a graph; the message says what to call instead.
    """
    if not isinstance(row_or_graph, OperatorGraph):
        check_row("to_networkx", row_or_graph)
        row_or_graph = to_graph(row_or_graph, vocabulary)
    source = row_or_graph
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    graph.graph.update(_known_metadata(source.metadata))
    graph.add_nodes_from(
        (
            node,
            {
                "domain": operator.domain,
                "op_type": operator.op_type,
                "attributes": operator.attributes,
                "label": operator.label,
                "scope": owner,
            },
        )
        for node, (operator, owner) in enumerate(zip(source.operator, source.scope.tolist(), strict=True))
    )
    graph.add_edges_from(
        (producer, consumer, {"output_slot": output_slot, "input_slot": input_slot})
        for producer, consumer, output_slot, input_slot in zip(
            *source.edge_index.tolist(), *source.edge_slot.tolist(), strict=True
        )
    )
    return graph


def from_networkx(graph: nx.MultiDiGraph[Any]) -> OperatorGraph:
    """Restore the graph that a NetworkX multigraph was made from.

    Args:
        graph: with node and edge attributes as in `to_networkx` (`label` is ignored). `scope` is -1, or the owner's
            node in this graph.

    Returns:
        A graph with nodes in topological order, keeping the order of `graph` where there is a choice, and edges
        sorted by consumer and input slot.

    Raises:
        UsageError: it is no graph of networkx.
        InvalidGraphError: the graph has a cycle, or an attribute is missing.
    """
    if not isinstance(graph, nx.Graph):
        raise UsageError(f"from_networkx takes a graph of networkx, not {type(graph).__name__}")
    if not graph.is_directed():
        raise InvalidGraphError("the NetworkX graph is undirected, and data flows have a direction")
    position: dict[Hashable, int] = {node: number for number, node in enumerate(graph)}
    operators, scope = [], []
    for node, attributes in graph.nodes(data=True):
        domain, op_type, canonical = _values(f"node {node!r}", attributes, _OPERATOR)
        operators.append(Operator(domain, op_type, canonical))
        (owner,) = _values(f"node {node!r}", attributes, {"scope": Hashable})
        # GraphML and GEXF bring nodes back by names of text, and attributes as numbers.
        named = owner if owner in position else str(owner)
        if owner != -1 and named not in position:
            raise InvalidGraphError(f"node {node!r} has scope {owner!r}, which is no node of the graph")
        scope.append(-1 if owner == -1 else position[named])
    edges = np.empty((graph.number_of_edges(), 4), dtype=np.int64)
    for number, (producer, consumer, attributes) in enumerate(graph.edges(data=True)):
        slots = _values(f"edge {producer!r} -> {consumer!r}", attributes, _SLOTS)
        edges[number] = (position[producer], position[consumer], *slots)
    return _in_topological_order(operators, edges.T, np.array(scope, dtype=np.int64), _metadata(graph))


def _values(where: str, attributes: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[Any]:
    for name, kind in kinds.items():
        if name not in attributes:
            raise InvalidGraphError(f"{where} has no attribute {name!r}")
        if not isinstance(attributes[name], kind):
            raise InvalidGraphError(f"{where} has {name}={attributes[name]!r}, which is not {kind}")
    return [attributes[name] for name in kinds]


def _known_metadata(metadata: GraphMetadata) -> dict[str, str | int]:
    """What is known of a graph; a 0 is what a row does not say."""
    known = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    known["opset_imports"] = json.dumps(dict(metadata.opset_imports)) if metadata.opset_imports else ""
    return {name: value for name, value in known.items() if value}


def _metadata(graph: nx.MultiDiGraph[Any]) -> GraphMetadata:
    names = {field.name for field in fields(GraphMetadata)}
    known = {name: value for name, value in graph.graph.items() if name in names}
    try:
        imports = json.loads(known.pop("opset_imports", "{}"))
        return GraphMetadata(tuple((domain, int(version)) for domain, version in imports.items()), **known)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidGraphError("opset_imports of the NetworkX graph is no JSON object of versions") from error


def _in_topological_order(
    operators: list[Operator], edges: IntArray, scope: IntArray, metadata: GraphMetadata
) -> OperatorGraph:
    inside = np.flatnonzero(scope != -1)
    before = np.concatenate((edges[:2], np.stack((inside, scope[inside]))), axis=1)
    order = _topological_order(len(operators), before)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    producer, consumer = position[edges[:2]]
    by_slot = np.lexsort((edges[2], producer, edges[3], consumer))
    scope = scope[order]
    scope[scope != -1] = position[scope[scope != -1]]
    return OperatorGraph(
        tuple(operators[node] for node in order),
        np.stack((producer, consumer))[:, by_slot],
        edges[2:, by_slot],
        scope,
        metadata,
    )


def _topological_order(num_nodes: int, before: IntArray) -> IntArray:
    """The order that respects [first, later] of every column of `before`, lowest node first among free ones."""
    if (before[0] < before[1]).all():
        return np.arange(num_nodes)
    later = before[1][np.argsort(before[0], kind="stable")].tolist()
    starts = np.searchsorted(np.sort(before[0]), np.arange(num_nodes + 1)).tolist()
    waiting = np.bincount(before[1], minlength=num_nodes).tolist()
    free = [node for node in range(num_nodes) if not waiting[node]]
    order = []
    while free:
        node = heapq.heappop(free)
        order.append(node)
        for successor in later[starts[node] : starts[node + 1]]:
            waiting[successor] -= 1
            if not waiting[successor]:
                heapq.heappush(free, successor)
    if len(order) < num_nodes:
        raise InvalidGraphError(f"the NetworkX graph has a cycle among {num_nodes - len(order)} of its nodes")
    return np.array(order, dtype=np.int64)
