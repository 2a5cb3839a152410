"""The samples of a whole graph: its communities, each with its boundary, as operator design sees them.

In go a graph and a way to cut it (`younger_hf.communities` has it; it is handed in, so that nothing here needs
the pipeline); out comes a `GraphBatch` of the graph's samples.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.batches import GraphBatch


class Graphs(Protocol):
    """S graphs one after the other, n nodes and e edges in all; positions of nodes count within their own graph."""

    @property
    def edge_index(self) -> IntArray:
        """int64 [2, e]."""

    @property
    def edge_slot(self) -> IntArray:
        """int64 [2, e]."""

    @property
    def node_ends(self) -> IntArray:
        """int64 [S], where each graph's nodes end."""

    @property
    def edge_ends(self) -> IntArray:
        """int64 [S], where each graph's edges end."""


class Samples(Protocol):
    """The samples of one graph."""

    @property
    def node(self) -> IntArray:
        """int64 [n], the node of the graph that each node is."""

    @property
    def boundary(self) -> NDArray[np.bool_]:
        """Bool [n], whether it stands outside of the community."""

    @property
    def batch(self) -> Graphs:
        """The samples as graphs."""


Cut: TypeAlias = Callable[[OperatorGraph], Samples]


def sample_batch(graph: OperatorGraph, ids: IntArray, cut: Cut) -> tuple[GraphBatch, torch.Tensor]:
    """The samples of a graph.

    Args:
        graph: N operators, in canonical order.
        ids: int64 [N], the operators' vocabulary ids.
        cut: finds the communities and cuts the samples.

    Returns:
        A batch of n nodes, and int64 [n], the node of the graph that each is; the whole graph where no community has a
        boundary.
    """
    samples = cut(graph)
    if not len(samples.node):
        return whole_batch(graph, ids)
    graphs = samples.batch
    ptr = np.concatenate(([0], graphs.node_ends))
    edges = graphs.edge_index + np.repeat(ptr[:-1], np.diff(graphs.edge_ends, prepend=0))
    batch = _batch(ids[samples.node], np.flatnonzero(samples.boundary), edges, graphs.edge_slot, ptr)
    return batch, torch.from_numpy(samples.node)


def whole_batch(graph: OperatorGraph, ids: IntArray) -> tuple[GraphBatch, torch.Tensor]:
    """As `sample_batch`, the graph itself as the one sample, which has no boundary."""
    nodes = np.arange(graph.num_nodes)
    batch = _batch(ids, nodes[:0], graph.edge_index, graph.edge_slot, np.array([0, graph.num_nodes]))
    return batch, torch.from_numpy(nodes)


def in_parts(batch: GraphBatch, most_nodes: int) -> Iterator[GraphBatch]:
    """The graphs of a batch in their order, in batches of so many nodes at most, or of one graph that has more."""
    ptr = batch.ptr.tolist()
    first = 0
    while first < batch.num_graphs:
        last = max(first + 1, bisect_right(ptr, ptr[first] + most_nodes) - 1)
        start, end = ptr[first], ptr[last]
        edges, boundary = ((ends >= start) & (ends < end) for ends in (batch.edge_index[0], batch.boundary))
        yield GraphBatch(
            batch.x[start:end],
            batch.edge_index[:, edges] - start,
            batch.edge_attr[edges],
            batch.ptr[first : last + 1] - start,
            batch.boundary[boundary] - start,
        )
        first = last


def _batch(ids: IntArray, boundary: IntArray, edge_index: IntArray, edge_slot: IntArray, ptr: IntArray) -> GraphBatch:
    """A batch of copies, since a graph's arrays are read-only and tensors are not."""
    tensors = [torch.from_numpy(np.array(array)) for array in (ids, edge_index, edge_slot.T, ptr, boundary)]
    return GraphBatch(*tensors)
