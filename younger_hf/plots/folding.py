"""What repeats in an architecture, so that a picture shows it once: a ResNet's blocks, a transformer's layers.

In goes an `OperatorGraph`; out comes a `Folding`: the graph as a sequence of stretches, in which stretches that follow
one another and are isomorphic are one `Repeat`. A stretch ends where a single value is handed on, apart from values
that are carried over a good part of the network (masks, positions, the long skips of a U-Net).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.identity.batch import Batch, label_digests
from younger_hf.identity.canonical import canonical_forms
from younger_hf.operator_groups import operator_group
from younger_hf.work import Work

_FAR: Final = 4
"""A value that is used over more than this part of the depth is carried, and ends no stretch."""
_LEAST_SPAN: Final = 24
_LONGEST_PERIOD: Final = 128
_LEAST_SAVING: Final = 3
_SEARCH_BUDGET: Final = 1 << 22
_ROUNDS: Final = 32
"""Nodes and edges that the canonical forms of all stretches may visit together; rounds over all that come besides."""
_COMPARISONS: Final = 1 << 22
_SCANS: Final = 8
"""Pairs of stretches that may be compared, for all that is folded; scans over all that come besides."""
_DEEPEST: Final = 100


@dataclass(frozen=True, eq=False)
class Stretch:
    """Operators between two places where a single value is handed on.

    Attributes:
        nodes: int64 [n], positions in the graph, in canonical order of the stretch.
    """

    nodes: IntArray


@dataclass(frozen=True, eq=False)
class Repeat:
    """Parts that follow one another several times.

    Attributes:
        times: how often, two at least.
        parts: what is repeated, as it stands in the graph the first time.
    """

    times: int
    parts: tuple[Part, ...]


Part: TypeAlias = Stretch | Repeat


@dataclass(frozen=True, eq=False)
class Folding:
    """A graph of N operators with its repetitions folded.

    Attributes:
        parts: in the order of the data flow.
        counterpart: int64 [N], for each node the one that stands for it: itself where it is not folded away.
        stretch: int64 [N], the number of the stretch that each node is in, before folding.
        level: int64 [N], where it stands in the order of the data flow; stretches are intervals of it.
    """

    parts: tuple[Part, ...]
    counterpart: IntArray
    stretch: IntArray
    level: IntArray


def fold(graph: OperatorGraph) -> Folding:
    """Fold what repeats in a graph.

    Args:
        graph: N operators.
    """
    level = late_levels(graph)
    if not graph.num_nodes:
        return Folding((), level, level, level)
    stretch = _stretches(graph, level)
    kinds, members = _kinds(graph, stretch)
    counterpart = np.arange(graph.num_nodes)
    work = Work(_COMPARISONS + _SCANS * _LONGEST_PERIOD * len(kinds))
    parts = tuple(_fold(kinds, members, counterpart, 0, len(kinds), work))
    while (resolved := counterpart[counterpart]).tolist() != counterpart.tolist():
        counterpart = resolved
    return Folding(parts, counterpart, stretch, level)


def folded(graph: OperatorGraph) -> tuple[OperatorGraph, IntArray, IntArray]:
    """A graph of its own in which every repetition is there once.

    Args:
        graph: N operators.

    Returns:
        The graph of the K operators that stand for all; int64 [K], where each stands in the order of the data flow; and
        int64 [K], how many operators each stands for.
    """
    graph, _ = without_fillers(graph)
    folding = fold(graph)
    kept, stands_for = np.unique(folding.counterpart, return_counts=True)
    position = np.full(graph.num_nodes, -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    flows = position[folding.counterpart[graph.edge_index]]
    # What a repetition hands to the next one would run backwards.
    flows, first = np.unique(np.where(flows[0] < flows[1], flows, -1), axis=1, return_index=True)
    forward = flows[0] >= 0
    scope = graph.scope[kept]
    owner = np.where(scope >= 0, position[folding.counterpart[scope]], -1)
    smaller = OperatorGraph(
        tuple(graph.operator[node] for node in kept.tolist()),
        flows[:, forward],
        graph.edge_slot[:, first[forward]],
        np.where(owner > np.arange(len(kept)), owner, -1),
    )
    return smaller, folding.level[kept], stands_for.astype(np.int64)


def without_fillers(graph: OperatorGraph) -> tuple[OperatorGraph, IntArray]:
    """The graph without nodes that nothing feeds and that only move data: the way of a parameter into the network.

    Returns:
        The graph, and int64 [K], the nodes that it has left.
    """
    fed = np.zeros(graph.num_nodes, dtype=bool)
    fed[graph.edge_index[1]] = True
    moves = {operator: operator_group(operator) == "data movement" for operator in set(graph.operator)}
    keep = fed | ~np.fromiter(map(moves.__getitem__, graph.operator), bool, graph.num_nodes)
    keep[graph.scope[keep & (graph.scope >= 0)]] = True
    if keep.all() or not keep.any():
        return graph, np.arange(graph.num_nodes)
    position = np.cumsum(keep) - 1
    flows = keep[graph.edge_index].all(axis=0)
    scope = graph.scope[keep]
    left = OperatorGraph(
        tuple(operator for operator, kept in zip(graph.operator, keep.tolist(), strict=True) if kept),
        position[graph.edge_index[:, flows]],
        graph.edge_slot[:, flows],
        np.where(scope >= 0, position[scope], -1),
    )
    return left, np.flatnonzero(keep)


def late_levels(graph: OperatorGraph) -> IntArray:
    """Where each node stands on the way from input to output: right before its first consumer.

    Returns:
        int64 [N]: the level of `OperatorGraph.levels` for a node without consumers, else one less than the lowest among
        its consumers. So the computation of a shape stands where it is used.
    """
    level = graph.levels().tolist()
    latest: list[int | None] = [None] * graph.num_nodes
    producer, consumer = graph.edge_index
    order = np.argsort(-producer, kind="stable")
    for source, target in zip(producer[order].tolist(), consumer[order].tolist(), strict=True):
        # Consumers come after producers, so that the level of a consumer is final here.
        at = latest[target]
        before = (level[target] if at is None else at) - 1
        here = latest[source]
        latest[source] = before if here is None else min(here, before)
    return np.array([at if late is None else late for at, late in zip(level, latest, strict=True)], dtype=np.int64)


def _stretches(graph: OperatorGraph, level: IntArray) -> IntArray:
    """The number of the stretch of each node, int64 [N], from 0 in the order of levels."""
    depth = int(level.max(initial=0)) + 1
    producer, consumer = graph.edge_index
    last = level.copy()
    np.maximum.at(last, producer, level[consumer])
    near = (last - level) * _FAR <= max(depth, _FAR * _LEAST_SPAN)
    alive = np.zeros(depth + 1, dtype=np.int64)
    np.add.at(alive, level[near], 1)
    np.add.at(alive, last[near], -1)
    # A cut after a level at which at most one near value is alive.
    ends = np.cumsum(alive)[:depth] <= 1
    number_of_level = np.concatenate(([0], np.cumsum(ends[:-1])))
    used = np.unique(number_of_level[level], return_inverse=True)[1]
    return used.astype(np.int64)


def _kinds(graph: OperatorGraph, stretch: IntArray) -> tuple[list[str], list[IntArray]]:
    """The fingerprint of each stretch as a graph of its own, and its nodes in canonical order."""
    by_stretch = np.argsort(stretch, kind="stable")
    ends = np.cumsum(np.bincount(stretch))
    first = np.concatenate(([0], ends[:-1]))
    position = np.empty_like(by_stretch)
    position[by_stretch] = np.arange(graph.num_nodes) - first[stretch[by_stretch]]
    producer, consumer = graph.edge_index
    inside = np.flatnonzero(stretch[producer] == stretch[consumer])
    inside = inside[np.argsort(stretch[producer[inside]], kind="stable")]
    owner = graph.scope
    owned = (owner >= 0) & (stretch[owner] == stretch)
    scope = np.where(owned, position[owner], -1)[by_stretch]
    batch = Batch(
        label_digests(graph.operator)[by_stretch],
        scope,
        position[graph.edge_index[:, inside]],
        graph.edge_slot[:, inside],
        ends,
        np.cumsum(np.bincount(stretch[producer[inside]], minlength=len(ends))),
    )
    forms = canonical_forms(batch, Work(_SEARCH_BUDGET + _ROUNDS * (graph.num_nodes + graph.num_edges)))
    order = by_stretch[forms.order + np.repeat(first, np.diff(ends, prepend=0))]
    # Where the search gave up, two stretches of one fingerprint may differ: each is a kind of its own.
    kinds = [name if exact else f"{name} {i}" for i, (name, exact) in enumerate(zip(*forms[1:3], strict=True))]
    return kinds, np.split(order, ends[:-1])


def _fold(
    kinds: Sequence[str],
    members: Sequence[IntArray],
    counterpart: IntArray,
    begin: int,
    end: int,
    work: Work,
    depth: int = 0,
) -> Iterator[Part]:
    """The parts of the stretches from `begin` to before `end`; notes in `counterpart` what is folded away.

    What there is no work left for stays as it is.
    """
    pending = [(begin, end)]
    while pending:
        begin, end = pending.pop()
        cost = (end - begin) * min(_LONGEST_PERIOD, end - begin)
        found = None
        if cost <= work.left and depth < _DEEPEST:
            work.spend(cost)
            found = _longest_repeat(kinds[begin:end], [len(nodes) for nodes in members[begin:end]])
        if found is None:
            yield from (Stretch(nodes) for nodes in members[begin:end])
            continue
        start, period, times = found
        start += begin
        for number in range(start + period, start + period * times):
            counterpart[members[number]] = members[start + (number - start) % period]
        if begin < start:
            yield from _fold(kinds, members, counterpart, begin, start, work, depth + 1)
        yield Repeat(times, tuple(_fold(kinds, members, counterpart, start, start + period, work, depth + 1)))
        if start + period * times < end:
            pending.append((start + period * times, end))


def _longest_repeat(kinds: Sequence[str], sizes: Sequence[int]) -> tuple[int, int, int] | None:
    """What folds most operators away: (start, period, times); the shorter period of two that do. None if nothing."""
    numbers: dict[str, int] = {}
    sequence = np.array([numbers.setdefault(kind, len(numbers)) for kind in kinds], dtype=np.int64)
    weight = np.concatenate(([0], np.cumsum(sizes)))
    best, saved = None, _LEAST_SAVING - 1
    for period in range(1, min(_LONGEST_PERIOD, len(sequence) // 2) + 1):
        alike = np.concatenate(([False], sequence[:-period] == sequence[period:], [False]))
        (begins,), (ends,) = np.nonzero(alike[1:] & ~alike[:-1]), np.nonzero(alike[:-1] & ~alike[1:])
        times = (ends - begins) // period + 1
        savings = weight[begins + period * times] - weight[begins + period]
        savings[times < 2] = 0
        if savings.size and savings.max() > saved:
            at = int(savings.argmax())
            best, saved = (int(begins[at]), period, int(times[at])), int(savings[at])
    return best
