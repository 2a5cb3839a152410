"""Which pairs of operators data flow design is about, and along which edges messages pass meanwhile.

In go graphs; out come their `Links`: pairs with and without a data flow, as many of each. Parallel edges are one pair,
and pass messages together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.tasks.graph_table import GraphUnion


@dataclass(frozen=True, eq=False)
class Links:
    """What is to be predicted of some graphs.

    Attributes:
        is_message: bool [E], the edges that messages pass along.
        pairs: int64 [2, P]: producer, consumer, positions in the union of the graphs.
        y: bool [P], whether there is a data flow.
    """

    is_message: NDArray[np.bool_]
    pairs: IntArray
    y: NDArray[np.bool_]


def split_links(graphs: GraphUnion, held_out: float | None, generators: Sequence[np.random.Generator]) -> Links:
    """Choose the pairs to predict, and the edges that pass messages.

    Args:
        graphs: B of them.
        held_out: the share of each graph's pairs that is to be predicted and passes no messages, one at least; None
            predicts all pairs while messages pass along all edges, as the paper did.
        generators: B of them: each graph's choices are its own.
    """
    edges, ptr = graphs.edge_index, graphs.ptr
    graph_of_edge = np.searchsorted(ptr, edges[0], side="right") - 1
    ends = np.searchsorted(graph_of_edge, np.arange(graphs.num_graphs + 1))
    is_message, pairs, labels = np.ones(edges.shape[1], dtype=bool), [], []
    for graph, generator in enumerate(generators):
        of_graph = slice(ends[graph], ends[graph + 1])
        num_nodes = int(ptr[graph + 1] - ptr[graph])
        codes, pair_of_edge = np.unique(_encode(edges[:, of_graph] - ptr[graph], num_nodes), return_inverse=True)
        positive = codes
        if held_out is not None:
            chosen = np.zeros(len(codes), dtype=bool)
            chosen[generator.permutation(len(codes))[: max(1, round(held_out * len(codes)))]] = True
            is_message[of_graph] = ~chosen[pair_of_edge]
            positive = codes[chosen]
        negative = _absent(codes, num_nodes, len(positive), generator)
        pairs.append(_decode(np.concatenate((positive, negative)), num_nodes) + ptr[graph])
        labels.append(np.repeat(np.array([True, False]), len(positive)))
    return Links(is_message, np.concatenate(pairs, axis=1), np.concatenate(labels))


def evaluation_links(graph: GraphUnion, fingerprint: str, held_out: float | None, seed: int) -> Links:
    """What is predicted of a graph in validation and test: a function of the graph, its fingerprint and the seed.

    Args:
        graph: one.
        fingerprint: of the graph.
        held_out: as `split_links` takes it.
        seed: of the choice.
    """
    return split_links(graph, held_out, [np.random.default_rng([seed, *fingerprint.encode()])])


def negative_pairs(edge_index: IntArray, num_nodes: int, num_pairs: int, generator: np.random.Generator) -> IntArray:
    """Pairs of different nodes without an edge from the first to the second, drawn uniformly, none of them twice.

    Args:
        edge_index: int64 [2, E], without loops.
        num_nodes: N.
        num_pairs: P, at most N (N - 1) - E; an acyclic graph has E pairs at least.
        generator: what they are drawn from.

    Returns:
        int64 [2, P].
    """
    return _decode(_absent(np.unique(_encode(edge_index, num_nodes)), num_nodes, num_pairs, generator), num_nodes)


def _absent(codes: IntArray, num_nodes: int, num_pairs: int, generator: np.random.Generator) -> IntArray:
    """The codes of pairs that are not among the sorted `codes`."""
    ranks = generator.choice(num_nodes * (num_nodes - 1) - len(codes), num_pairs, replace=False)
    # How many absent pairs come before each present one: the absent pair of a rank comes after so many present ones.
    return ranks + np.searchsorted(codes - np.arange(len(codes)), ranks, side="right")


def _encode(pairs: IntArray, num_nodes: int) -> IntArray:
    """Number the pairs of different nodes from 0 to N (N - 1) - 1."""
    first, second = pairs
    return first * (num_nodes - 1) + second - (second > first)  # type: ignore[no-any-return]


def _decode(codes: IntArray, num_nodes: int) -> IntArray:
    first, second = np.divmod(codes, max(num_nodes - 1, 1))
    return np.stack((first, second + (second >= first)))
