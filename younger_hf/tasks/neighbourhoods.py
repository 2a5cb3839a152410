"""Neighbourhoods of nodes as 64-bit keys, equal where two nodes see the same operators over the same slots.

In goes a `GraphUnion`; out comes a key for each node and number of hops: a hop is one round of Weisfeiler and Lehman's
refinement, in both directions, with slots. The mixing is one of fixed integers, the same on every platform.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.tasks.graph_table import GraphUnion

Keys = NDArray[np.uint64]

# The constants of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2: Final = np.uint64(0x94D049BB133111EB)


def neighbourhood_keys(graphs: GraphUnion, x: IntArray, hops: int) -> list[Keys]:
    """The keys of all nodes, at 0, 1, …, hops.

    Args:
        graphs: N operators.
        x: int64 [N], what a node is seen as; masked nodes have one id.
        hops: how far a node sees.

    Returns:
        uint64 [N] each.
    """
    producer, consumer = graphs.edge_index
    slots = _mixed(graphs.edge_slot[0].astype(np.uint64) << np.uint64(32) | graphs.edge_slot[1].astype(np.uint64))
    keys = [_mixed(x.astype(np.uint64))]
    for _ in range(hops):
        here = keys[-1]
        # Sums of mixed values stand for multisets.
        fed, feeds = np.zeros_like(here), np.zeros_like(here)
        np.add.at(fed, consumer, _mixed(here[producer] + slots))
        np.add.at(feeds, producer, _mixed(here[consumer] ^ slots))
        keys.append(_mixed(_mixed(here * _MULTIPLY_1 + fed) + feeds))
    return keys


def _mixed(values: Keys) -> Keys:
    """The output function of splitmix64, of each value."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLY_1
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLY_2
    return np.asarray(values ^ (values >> np.uint64(31)))
