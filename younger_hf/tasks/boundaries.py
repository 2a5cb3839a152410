"""The boundary of a subgraph: in both directions, as the paper's text has it, or successors alone, as its code had.

In go subgraphs as a release has them, communities with their boundary in both directions; out come the same, or what is
left of them where a boundary is of successors. The paper's code took `networkx.node_boundary` of a `DiGraph`: nodes
outside that an edge from inside leads to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from younger_hf.graph import IntArray
from younger_hf.tasks.graph_table import GraphTable, GraphUnion

BOUNDARIES: Final = ("both", "successors")

_PART: Final = 1 << 12


def with_boundary(graphs: GraphUnion, boundary: str) -> tuple[GraphUnion, IntArray]:
    """Subgraphs with a boundary of a kind.

    Args:
        graphs: B subgraphs with N nodes.
        boundary: "both" or "successors"; the latter drops what only feeds the community.

    Returns:
        The subgraphs with n nodes, and int64 [n], the position of each in its row of the release.
    """
    graph = np.repeat(np.arange(graphs.num_graphs), np.diff(graphs.ptr))
    position = np.arange(graphs.num_nodes) - graphs.ptr[graph]
    if boundary == "both":
        return graphs, position
    is_boundary = np.zeros(graphs.num_nodes, dtype=bool)
    is_boundary[graphs.boundary] = True
    producer, consumer = graphs.edge_index
    stays = ~is_boundary
    stays[consumer[~is_boundary[producer]]] = True
    new = np.cumsum(stays) - 1
    edges = stays[producer] & stays[consumer]
    left = replace(
        graphs,
        x=graphs.x[stays],
        edge_index=new[graphs.edge_index[:, edges]],
        edge_slot=graphs.edge_slot[:, edges],
        ptr=np.concatenate(([0], np.cumsum(stays)))[graphs.ptr],
        boundary=new[graphs.boundary[stays[graphs.boundary]]],
    )
    return left, position[stays]


def labelled_rows(table: GraphTable, boundary: str) -> IntArray:
    """The rows, ascending, in which a boundary of a kind has a node at least."""
    rows = [np.empty(0, np.int64)]
    for part in table.parts(_PART):
        graphs, _ = with_boundary(table.union(part), boundary)
        rows.append(part[np.unique(np.searchsorted(graphs.ptr, graphs.boundary, side="right") - 1)])
    return np.concatenate(rows)
