"""Which pairs of operators data flow design is about, and along which edges messages pass meanwhile.

In goes a batch of graphs; out come its `Links`: pairs with and without a data flow, as many of each. Parallel edges are
one pair, and pass messages together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from younger_hf.graph import IntArray
from younger_hf.recipes.batches import GraphBatch


@dataclass(frozen=True)
class Links:
    """What is to be predicted of a batch of graphs.

    Attributes:
        is_message: bool [E], the edges that messages pass along.
        pairs: int64 [2, P]: producer, consumer, positions in the batch.
        y: float32 [P], 1 where there is a data flow, and 0 where there is none.
    """

    is_message: torch.Tensor
    pairs: torch.Tensor
    y: torch.Tensor

    def to(self, device: torch.device | str) -> Links:
        """The same on another device."""
        return Links(self.is_message.to(device), self.pairs.to(device), self.y.to(device))


def split_links(batch: GraphBatch, held_out: float | None, generators: Sequence[np.random.Generator]) -> Links:
    """Choose the pairs to predict, and the edges that pass messages.

    Args:
        batch: B graphs.
        held_out: the share of each graph's pairs that is to be predicted and passes no messages, one at least; None
            predicts all pairs while messages pass along all edges, as the paper did.
        generators: B of them: each graph's choices are its own.
    """
    edges, ptr = batch.edge_index.numpy(), batch.ptr.numpy()
    graph_of_edge = np.searchsorted(ptr, edges[0], side="right") - 1
    ends = np.searchsorted(graph_of_edge, np.arange(batch.num_graphs + 1))
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
        labels.append(np.repeat(np.array([1, 0], np.float32), len(positive)))
    return Links(
        torch.from_numpy(is_message),
        torch.from_numpy(np.concatenate(pairs, axis=1)),
        torch.from_numpy(np.concatenate(labels)),
    )


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
