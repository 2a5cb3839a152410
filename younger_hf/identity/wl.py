"""The Weisfeiler-Lehman hash by which the paper de-duplicated, kept for comparison.

Equal to `networkx.weisfeiler_lehman_graph_hash(iterations=3, digest_size=16)` of networkx 3.5 and later on the simple
directed graph whose nodes are labelled by operator. It sees three hops and no operand order: `fingerprint` decides
what is a duplicate.

Nodes that have the same label, and neighbours with the same labels, get the same hash: it is computed once for all of
them. Labels are numbers in the order of their texts, so that sorting the ones sorts the others.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np

from younger_hf.compiled import compiled, inlined, runs_compiled, wrapping
from younger_hf.graph import OperatorGraph, check_graph
from younger_hf.identity.colours import Ints

ITERATIONS: Final = 3
DIGEST_BYTES: Final = 16

_MIX: Final = 0x9E3779B97F4A7C15


def wl_hash(graph: OperatorGraph, attributes: bool = True) -> str:
    """Weisfeiler-Lehman subtree hash, 3 iterations (Shervashidze et al., JMLR 12, 2011, section 3.1).

    It needs no budget of work: each iteration sorts and hashes the labels of all nodes and edges once.

    Args:
        graph: its parallel edges count once here.
        attributes: label nodes by operator with attributes, or by type alone.

    Returns:
        32 hexadecimal digits.

    Raises:
        UsageError: it is no graph.
    """
    check_graph("wl_hash", graph)
    names, label = _number([operator.label if attributes else operator.type_label for operator in graph.operator])
    edges = np.unique(graph.edge_index[0] * graph.num_nodes + graph.edge_index[1])
    producer, consumer = np.divmod(edges, max(graph.num_nodes, 1))
    histogram: list[tuple[str, int]] = []
    runs_compiled(ITERATIONS * (len(label) + 2 * len(edges)))
    for _ in range(ITERATIONS):
        after, after_ends = _neighbours(producer, consumer, label)
        before, before_ends = _neighbours(consumer, producer, label)
        with wrapping():
            members, sizes = _alike(label, after, after_ends, before, before_ends)
        successor = ["s_" + name for name in names]
        predecessor = ["p_" + name for name in names]
        hashes = []
        for node in members[np.cumsum(sizes) - sizes].tolist():
            successors = [successor[i] for i in after[after_ends[node] : after_ends[node + 1]].tolist()]
            predecessors = [predecessor[i] for i in before[before_ends[node] : before_ends[node + 1]].tolist()]
            hashes.append(_hash("".join((names[label[node]], *successors, *predecessors))))
        names, number = _number(hashes)
        label = np.empty_like(label)
        label[members] = np.repeat(number, sizes)
        histogram += zip(names, np.bincount(label, minlength=len(names)).tolist(), strict=True)
    return _hash(str(tuple(histogram)))


def _number(texts: list[str]) -> tuple[list[str], Ints]:
    """The distinct texts in order, and the position of each text among them."""
    names = sorted(set(texts))
    position = {name: number for number, name in enumerate(names)}
    return names, np.fromiter(map(position.__getitem__, texts), np.int64, len(texts))


def _neighbours(node: Ints, neighbour: Ints, label: Ints) -> tuple[Ints, Ints]:
    """The sorted labels of each node's neighbours, one node after the other, and int64 [N + 1] where these end."""
    neighbour_label = label[neighbour]
    ends = np.concatenate(([0], np.cumsum(np.bincount(node, minlength=len(label)))))
    return neighbour_label[np.lexsort((neighbour_label, node))], ends


@compiled
def _alike(label: Ints, after: Ints, after_ends: Ints, before: Ints, before_ends: Ints) -> tuple[Ints, Ints]:
    """Group the nodes that have the same label and the same neighbours.

    Returns:
        The nodes, one group after the other, and the size of each group. Like nodes may be in two groups: that costs
        time and changes nothing.
    """
    mix = np.uint64(_MIX)
    keys = np.empty(label.shape[0], np.uint64)
    for node in range(label.shape[0]):
        key = np.uint64(label[node]) * mix
        for at in range(after_ends[node], after_ends[node + 1]):
            key = (key ^ (key >> np.uint64(29)) ^ np.uint64(2 * after[at] + 1)) * mix
        for at in range(before_ends[node], before_ends[node + 1]):
            key = (key ^ (key >> np.uint64(29)) ^ np.uint64(2 * before[at] + 2)) * mix
        keys[node] = key ^ (key >> np.uint64(32))
    order = np.argsort(keys, kind="mergesort")
    sizes = np.empty(label.shape[0], np.int64)
    groups = 0
    for at in range(order.shape[0]):
        node, last = order[at], order[at - 1]
        if (
            at > 0
            and label[node] == label[last]
            and _equal(after, after_ends, node, last)
            and _equal(before, before_ends, node, last)
        ):
            sizes[groups - 1] += 1
        else:
            sizes[groups] = 1
            groups += 1
    return order, sizes[:groups]


@inlined
def _equal(values: Ints, ends: Ints, a: int, b: int) -> bool:
    """Whether two nodes have the same values."""
    start, other = ends[a], ends[b]
    if ends[a + 1] - start != ends[b + 1] - other:
        return False
    for offset in range(ends[a + 1] - start):  # noqa: SIM110 - compiled: a loop is the fast form
        if values[start + offset] != values[other + offset]:
            return False
    return True


def _hash(text: str) -> str:
    return blake2b(text.encode("ascii"), digest_size=DIGEST_BYTES).hexdigest()
