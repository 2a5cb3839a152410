"""Signatures of fixed length of a graph, for nearest neighbours without training.

In goes an operator graph, that of a normal form; out comes of what its nodes are and stand among, which are the
neighbourhoods of Weisfeiler and Lehman (Shervashidze et al., JMLR 12, 2011), a histogram hashed to a fixed length
(feature hashing: Weinberger et al., ICML 2009), or a MinHash of those that there are. How much a bucket of the
histogram counts for is decided where sketches are compared.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import OperatorGraph

SKETCH_LENGTH: Final = 256
SKETCH_DEPTH: Final = 3
MINHASH_LENGTH: Final = 128

Counts = NDArray[np.int32]
Hashes = NDArray[np.uint8]
_Colours = NDArray[np.uint64]

_PRODUCER: Final = np.uint64(0xA0761D6478BD642F)
_CONSUMER: Final = np.uint64(0xE7037ED1A0B428DB)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def sketch(graph: OperatorGraph) -> Counts:
    """Count the nodes of a graph by operator, and by operators around.

    Args:
        graph: N nodes.

    Returns:
        int32 [SKETCH_LENGTH]: how many nodes have each hashed feature: the operator with attributes, the operator
        alone, and its neighbourhoods of 1 to SKETCH_DEPTH hops, producers and consumers apart. It sums to
        N * (2 + SKETCH_DEPTH).
    """
    buckets = _features(graph) % np.uint64(SKETCH_LENGTH)
    return np.bincount(buckets.astype(np.int64), minlength=SKETCH_LENGTH).astype(np.int32)


def minhash(graph: OperatorGraph) -> Hashes:
    """A MinHash of the features that `sketch` counts, once each.

    Of every minimum (Broder, SEQUENCES 1997) eight bits are kept (Li and König, WWW 2010).

    Args:
        graph: N nodes.

    Returns:
        uint8 [MINHASH_LENGTH]. Two graphs have equal numbers in as many places, or one in 256 more, as they share of
        all features that either has: their Jaccard index. Zeros for a graph without nodes.
    """
    features = np.unique(_features(graph))
    if not len(features):
        return np.zeros(MINHASH_LENGTH, np.uint8)
    least = [
        _scramble(part[:, None] ^ _SEEDS).min(axis=0) for part in np.split(features, range(256, len(features), 256))
    ]
    return np.asarray(np.min(least, axis=0) & np.uint64(0xFF), np.uint8)


def _features(graph: OperatorGraph) -> _Colours:
    """Of every node its operator, with and without attributes, and what is around it, a hop more each."""
    found = [_digests([operator.digest for operator in graph.operator]), *refined_colours(graph, SKETCH_DEPTH)]
    return np.concatenate([_scramble(each + np.uint64(depth)) for depth, each in enumerate(found)])


def refined_colours(graph: OperatorGraph, depth: int, *, attributes: bool = False) -> list[_Colours]:
    """Of each node, a number for its operator and what is around it.

    Args:
        graph: N nodes.
        depth: hops.
        attributes: whether attributes count.

    Returns:
        depth + 1 arrays, uint64 [N]: the first for the operators alone, each next one for a hop more.
    """
    colour = _digests([operator.digest if attributes else operator.type_digest for operator in graph.operator])
    found = [colour]
    producer, consumer = graph.edge_index
    slot = graph.edge_slot[1].astype(np.uint64)
    for _ in range(depth):
        # Sums of scrambled colours are multisets: they know no order among consumers.
        before, after = np.zeros_like(colour), np.zeros_like(colour)
        np.add.at(before, consumer, _scramble(_scramble(colour[producer] ^ _PRODUCER) + slot))
        np.add.at(after, producer, _scramble(_scramble(colour[consumer] ^ _CONSUMER) + slot))
        colour = _scramble(_scramble(_scramble(colour) + before) + after)
        found.append(colour)
    return found


def _digests(digests: list[bytes]) -> _Colours:
    joined = b"".join(digest[:8] for digest in digests)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def _scramble(value: _Colours) -> _Colours:
    """A bijection of 64-bit integers (SplitMix64's), element by element."""
    value = value + _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


_SEEDS: Final = _scramble(np.arange(MINHASH_LENGTH, dtype=np.uint64))
