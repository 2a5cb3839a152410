"""A whole graph as operator design sees it: a batch of its subgraphs, each a community with its boundary.

In goes a graph; out comes a `GraphBatch`.
"""

from __future__ import annotations

import numpy as np
import torch

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.batches import GraphBatch
from younger_hf.tasks.graph_table import GraphUnion


def subgraph_batch(graph: OperatorGraph, ids: IntArray) -> tuple[GraphBatch, torch.Tensor]:
    """The subgraphs of a graph.

    Args:
        graph: N operators, in canonical order.
        ids: int64 [N], the operators' vocabulary ids.

    Returns:
        A batch of n nodes, and int64 [n], the node of the graph that each is; the whole graph where no community has a
        boundary.
    """
    from younger_hf.communities import cut_subgraphs, find_communities

    subgraphs = cut_subgraphs(graph, find_communities(graph))
    if not len(subgraphs.node):
        return whole_batch(graph, ids)
    graphs = subgraphs.batch
    ptr = np.concatenate(([0], graphs.node_ends))
    edges = graphs.edge_index + np.repeat(ptr[:-1], np.diff(graphs.edge_ends, prepend=0))
    batch = _batch(ids[subgraphs.node], np.flatnonzero(subgraphs.boundary), edges, graphs.edge_slot, ptr)
    return batch, torch.from_numpy(subgraphs.node)


def whole_batch(graph: OperatorGraph, ids: IntArray) -> tuple[GraphBatch, torch.Tensor]:
    """As `subgraph_batch`, the graph itself as the one subgraph, which has no boundary."""
    nodes = np.arange(graph.num_nodes)
    batch = _batch(ids, nodes[:0], graph.edge_index, graph.edge_slot, np.array([0, graph.num_nodes]))
    return batch, torch.from_numpy(nodes)


def _batch(ids: IntArray, boundary: IntArray, edge_index: IntArray, edge_slot: IntArray, ptr: IntArray) -> GraphBatch:
    """A batch of copies, since a graph's arrays are read-only and tensors are not."""
    return GraphBatch.of(GraphUnion(*map(np.array, (ids, edge_index, edge_slot, ptr, boundary))))
