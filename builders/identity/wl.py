"""The Weisfeiler-Lehman hash by which the paper de-duplicated, kept for comparison.

Equal to `networkx.weisfeiler_lehman_graph_hash(iterations=3, digest_size=16)` of networkx 3.5 and later on the simple
directed graph whose nodes are labelled by operator. It sees three hops and no operand order: `fingerprint` decides
what is a duplicate.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Final

from younger_hf.graph import OperatorGraph

ITERATIONS: Final = 3
DIGEST_BYTES: Final = 16


def wl_hash(graph: OperatorGraph, attributes: bool = True) -> str:
    """Weisfeiler-Lehman subtree hash, 3 iterations (Shervashidze et al., JMLR 12, 2011, section 3.1).

    Args:
        graph: its parallel edges count once here.
        attributes: label nodes by operator with attributes, or by type alone.

    Returns:
        32 hexadecimal digits.
    """
    labels = [operator.label if attributes else operator.type_label for operator in graph.operator]
    successors: list[list[int]] = [[] for _ in labels]
    predecessors: list[list[int]] = [[] for _ in labels]
    for producer, consumer in set(zip(*graph.edge_index.tolist(), strict=True)):
        successors[producer].append(consumer)
        predecessors[consumer].append(producer)
    histogram: list[tuple[str, int]] = []
    for _ in range(ITERATIONS):
        labels = [
            _hash(
                label
                + "".join(sorted(["s_" + labels[node] for node in after]))
                + "".join(sorted(["p_" + labels[node] for node in before]))
            )
            for label, after, before in zip(labels, successors, predecessors, strict=True)
        ]
        histogram += sorted(Counter(labels).items())
    return _hash(str(tuple(histogram)))


def _hash(text: str) -> str:
    return blake2b(text.encode("ascii"), digest_size=DIGEST_BYTES).hexdigest()
