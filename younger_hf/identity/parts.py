"""What ties leave of a graph: parts that hang together, which are put in order one by one.

Stable colours go in. A node whose colour is its own is settled, and what is settled tells nothing more: all nodes of
one colour have the same edges to it. The rest falls into parts that no edge joins. A part in which every colour occurs
once is known by its colours; parts with the same colours are then equal, and may stand in any order. So a thousand
equal branches, or a hundred thousand nodes without an edge, take no search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from younger_hf.compiled import compiled
from younger_hf.identity.colours import Colours, Ints, Wiring


@compiled
def split(colours: Colours, wiring: Wiring) -> tuple[Ints, NDArray[np.bool_]]:
    """Split what is tied into parts.

    Args:
        colours: uint64 [N], stable.
        wiring: the graph.

    Returns:
        int64 [N]: the number of each node's part, in the order of their first nodes; -1 for a node that is settled.
        bool [P]: for each part, whether some colour occurs in it more than once.
    """
    nodes = colours.shape[0]
    by_colour = np.argsort(colours, kind="mergesort")
    tied = np.zeros(nodes, np.bool_)
    for at in range(1, nodes):
        if colours[by_colour[at]] == colours[by_colour[at - 1]]:
            tied[by_colour[at]] = True
            tied[by_colour[at - 1]] = True
    parent = np.arange(nodes)
    for node in range(nodes):
        if not tied[node]:
            continue
        for e in range(wiring.into[node], wiring.into[node + 1]):
            if tied[wiring.producer[e]]:
                unite(parent, node, wiring.producer[e])
        owner = wiring.scope[node]
        if owner >= 0 and tied[owner]:
            unite(parent, node, owner)
    part = np.full(nodes, -1, np.int64)
    parts = 0
    for node in range(nodes):
        if tied[node]:
            root = find(parent, node)
            if part[root] < 0:
                part[root] = parts
                parts += 1
            part[node] = part[root]
    repeats = np.zeros(parts, np.bool_)
    last = np.full(parts, -1, np.int64)
    for node in by_colour:
        if tied[node]:
            if last[part[node]] >= 0 and colours[last[part[node]]] == colours[node]:
                repeats[part[node]] = True
            last[part[node]] = node
    return part, repeats


@compiled
def order_known(colours: Colours, part: Ints, repeats: NDArray[np.bool_], orbits: Ints) -> Ints:
    """Order what is known by colours alone: settled nodes first, then the parts without a repeated colour.

    Args:
        colours: uint64 [N].
        part: int64 [N], as `split` gives it.
        repeats: bool [P], likewise.
        orbits: int64 [N], a forest as `unite` makes it, in place: nodes that equal parts have in one place are united.

    Returns:
        The nodes, without those of parts with a repeated colour.
    """
    by_colour = np.argsort(colours, kind="mergesort")
    # A part's least colour comes first, so that numbering parts by it sorts them; equal ones follow one another.
    rank = np.full(repeats.shape[0], -1, np.int64)
    size = np.zeros(repeats.shape[0] + 1, np.int64)
    ranks = 0
    settled = 0
    for node in by_colour:
        at = part[node]
        if at < 0:
            settled += 1
        elif not repeats[at]:
            if rank[at] < 0:
                rank[at] = ranks
                ranks += 1
            size[rank[at] + 1] += 1
    start = np.cumsum(size) + settled
    order = np.empty(start[ranks], np.int64)
    position = 0
    for node in by_colour:
        at = part[node]
        if at < 0:
            order[position] = node
            position += 1
        elif not repeats[at]:
            order[start[rank[at]]] = node
            start[rank[at]] += 1
    previous = np.int64(-1)
    for node in by_colour:
        if part[node] >= 0 and not repeats[part[node]]:
            if previous >= 0 and colours[previous] == colours[node]:
                unite(orbits, previous, node)
            previous = node
    return order


@compiled
def induce(members: Ints, colours: Colours, wiring: Wiring, place: Ints) -> tuple[Colours, Wiring]:
    """The subgraph of some nodes, ascending: their colours, and the edges and scopes among them.

    `place` is room to work in, int64 [N], all -1, and is so again afterwards.
    """
    nodes = members.shape[0]
    edges = 0
    for at in range(nodes):
        place[members[at]] = at
        edges += wiring.into[members[at] + 1] - wiring.into[members[at]]
    into = np.zeros(nodes + 1, np.int64)
    outof = np.zeros(nodes + 1, np.int64)
    producer = np.empty(edges, np.int64)
    output_slot = np.empty(edges, np.int64)
    input_slot = np.empty(edges, np.int64)
    consumer = np.empty(edges, np.int64)
    scope = np.full(nodes, -1, np.int64)
    level = np.empty(nodes, np.int64)
    end = 0
    for at in range(nodes):
        node = members[at]
        for e in range(wiring.into[node], wiring.into[node + 1]):
            source = place[wiring.producer[e]]
            if source >= 0:
                producer[end], consumer[end] = source, at
                output_slot[end], input_slot[end] = wiring.output_slot[e], wiring.input_slot[e]
                outof[source + 1] += 1
                end += 1
        into[at + 1] = end
        level[at] = wiring.level[node]
        if wiring.scope[node] >= 0:
            scope[at] = place[wiring.scope[node]]
    for at in range(nodes):
        outof[at + 1] += outof[at]
    place[members] = -1
    outgoing = np.empty(end, np.int64)
    filled = outof[:-1].copy()
    for e in range(end):
        outgoing[filled[producer[e]]] = e
        filled[producer[e]] += 1
    sub = Wiring(
        into,
        producer[:end].copy(),
        output_slot[:end].copy(),
        input_slot[:end].copy(),
        outof,
        outgoing,
        consumer[:end].copy(),
        scope,
        level,
    )
    return colours[members], sub


@compiled
def find(parent: Ints, node: int) -> int:
    """The root of a node in a forest, whose paths are made shorter on the way."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled
def unite(parent: Ints, a: int, b: int) -> None:
    """Join the trees of two nodes."""
    a, b = find(parent, a), find(parent, b)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@compiled
def unite_all(parent: Ints, a: Ints, b: Ints) -> None:
    """Join the trees of nodes pair by pair."""
    for at in range(a.shape[0]):
        unite(parent, a[at], b[at])
