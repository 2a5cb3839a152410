"""The canonical order of a graph's nodes: by colours where they suffice, by search where ties remain.

Each member of the smallest tied class is singled out in turn, the colours are refined again, and the smallest
resulting array wins: individualisation and refinement (McKay and Piperno, "Practical graph isomorphism, II", Journal
of Symbolic Computation 60, 2014, section 2), with their pruning by the automorphisms that are found on the way. The
search has a budget, counted in nodes and edges visited, so that its outcome never depends on the machine.

Compiled with numba, over a batch of graphs at once: most subgraphs are so small that calls would cost more than work.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from younger_hf.identity.colours import Colours, Ints, Wiring, refine, single_out, wire


@njit(cache=True)
def canonical_batch(
    digests: Ints,
    scope: Ints,
    edge_index: Ints,
    edge_slot: Ints,
    node_ends: Ints,
    edge_ends: Ints,
    budget: int,
) -> tuple[Ints, Ints, NDArray[np.int64]]:
    """Canonical order and array of each graph of a batch.

    Args:
        digests: int64 [N, 2], the label digest of each node of all graphs, one graph after the other.
        scope: int64 [N], positions within the node's own graph, or -1.
        edge_index: int64 [2, E], positions within the edge's own graph.
        edge_slot: int64 [2, E].
        node_ends: int64 [G], where each graph's nodes end.
        edge_ends: int64 [G], where each graph's edges end.
        budget: nodes and edges that the search for one graph may visit.

    Returns:
        int64 [N]: the node at each canonical position, within its graph.
        int64 [3 N + 4 E]: each graph's array, from three times its first node plus four times its first edge on:
            digests, scopes, edges as (consumer, input slot, producer, output slot); or, where the budget ran out,
            the sorted stable colours and zeros.
        int64 [G]: how many colourings were searched; -1 - that number where the budget ran out; or the smallest
            int64 where two data flows go into one input slot.
    """
    graphs = node_ends.shape[0]
    orders = np.empty(digests.shape[0], np.int64)
    arrays = np.zeros(3 * digests.shape[0] + 4 * edge_index.shape[1], np.int64)
    outcome = np.empty(graphs, np.int64)
    first_node, first_edge = 0, 0
    for graph in range(graphs):
        nodes, edges = slice(first_node, node_ends[graph]), slice(first_edge, edge_ends[graph])
        start = 3 * first_node + 4 * first_edge
        first_node, first_edge = node_ends[graph], edge_ends[graph]
        wiring, sound = wire(edge_index[:, edges], edge_slot[:, edges], scope[nodes])
        if not sound:
            outcome[graph] = np.iinfo(np.int64).min
            continue
        labels = digests[nodes]
        colours, classes, _ = refine(labels[:, 0].copy().view(np.uint64), wiring)
        if classes == labels.shape[0]:
            order = by_colour(colours, wiring.level)
            array = array_of(order, labels, wiring)
            outcome[graph] = 0
        else:
            order, array, searched = _search(colours, labels, wiring, budget)
            outcome[graph] = searched
            if searched < 0:
                order = by_colour(colours, wiring.level)
                array = np.sort(colours).view(np.int64)
        orders[nodes] = order
        arrays[start : start + array.shape[0]] = array
    return orders, arrays, outcome


@njit(cache=True)
def by_colour(colours: Colours, level: Ints) -> Ints:
    """The nodes sorted by (level, colour)."""
    starts = np.zeros(level.max() + 2 if level.shape[0] else 1, np.int64)
    for at in level:
        starts[at + 1] += 1
    starts = np.cumsum(starts)
    order = np.empty(level.shape[0], np.int64)
    for node in np.argsort(colours, kind="mergesort"):
        order[starts[level[node]]] = node
        starts[level[node]] += 1
    return order


@njit(cache=True)
def array_of(order: Ints, digests: Ints, wiring: Wiring) -> Ints:
    """The graph under an order of its nodes as one array, int64 [3 N + 4 E]: equal arrays, equal graphs."""
    nodes, edges = order.shape[0], wiring.producer.shape[0]
    position = np.empty(nodes, np.int64)
    for at in range(nodes):
        position[order[at]] = at
    array = np.empty(3 * nodes + 4 * edges, np.int64)
    end = 3 * nodes
    for at in range(nodes):
        node = order[at]
        array[2 * at] = digests[node, 0]
        array[2 * at + 1] = digests[node, 1]
        owner = wiring.scope[node]
        array[2 * nodes + at] = position[owner] if owner >= 0 else -1
        for e in range(wiring.into[node], wiring.into[node + 1]):
            array[end] = at
            array[end + 1] = wiring.input_slot[e]
            array[end + 2] = position[wiring.producer[e]]
            array[end + 3] = wiring.output_slot[e]
            end += 4
    return array


@njit(cache=True)
def _search(colours: Colours, digests: Ints, wiring: Wiring, budget: int) -> tuple[Ints, Ints, int]:
    """Explore the tree of singled-out nodes, depth first.

    A frame is a colouring with ties, its target cell, and which of the cell's members are done; `path` holds the
    member that each frame is at.
    """
    nodes = colours.shape[0]
    size = nodes + wiring.producer.shape[0]
    best_array, best_order = np.empty(0, np.int64), np.empty(0, np.int64)
    best_path = np.empty(0, np.int64)
    automorphisms = [np.arange(nodes)]  # the identity gives the list its type
    frame_colours, frame_cell, frame_done = [colours], [best_order], [np.zeros(0, np.bool_)]
    depth = 0  # frames in use; the lists grow and are overwritten, never shrunk
    path = np.empty(nodes, np.int64)
    searched, left = 0, budget
    current = colours
    while True:
        current, cell, rounds, colourings = _settle_twins(current, wiring, left // size)
        left -= rounds * size
        searched += colourings
        if left < 0:
            return best_order, best_array, -1 - searched
        if cell.shape[0] > 0:
            if depth == len(frame_cell):
                frame_colours.append(current)
                frame_cell.append(cell)
                frame_done.append(np.zeros(cell.shape[0], np.bool_))
            else:
                frame_colours[depth] = current
                frame_cell[depth] = cell
                frame_done[depth] = np.zeros(cell.shape[0], np.bool_)
            path[depth] = -1
            depth += 1
        else:
            order = by_colour(current, wiring.level)
            array = array_of(order, digests, wiring)
            comparison = -1 if best_array.shape[0] == 0 else _compare(array, best_array)
            if comparison < 0:
                best_array, best_order, best_path = array, order, path[:depth].copy()
            elif comparison == 0:
                image = np.empty(nodes, np.int64)
                image[best_order] = order
                automorphisms.append(image)
                # The branch repeats one that was explored: go back to where the two paths part.
                parting = 0
                while path[parting] == best_path[parting]:
                    parting += 1
                depth = parting + 1
        # Go on with the next member of the deepest cell that has one.
        node = np.int64(-1)
        while depth > 0:
            frame = depth - 1
            cell, done = frame_cell[frame], frame_done[frame]
            if path[frame] >= 0:
                done[np.searchsorted(cell, path[frame])] = True
            node = _next_member(cell, done, path[:frame], automorphisms)
            if node >= 0:
                break
            depth -= 1
        if node < 0:
            return best_order, best_array, searched
        path[depth - 1] = node
        current = frame_colours[depth - 1].copy()
        single_out(current, node, 0)
        current, _, rounds = refine(current, wiring)
        searched += 1
        left -= rounds * size


@njit(cache=True)
def _compare(a: Ints, b: Ints) -> int:
    for at in range(a.shape[0]):
        if a[at] != b[at]:
            return -1 if a[at] < b[at] else 1
    return 0


@njit(cache=True)
def _next_member(cell: Ints, done: NDArray[np.bool_], path: Ints, automorphisms: list[Ints]) -> int:
    """A member that is not done and that no known automorphism leaving the path alone carries a done one to; or -1."""
    reached = done.copy()
    growing = bool(done.any())
    while growing:
        growing = False
        for image in automorphisms:
            if not _fixes(image, path):
                continue
            for at in range(cell.shape[0]):
                if reached[at]:
                    target = np.searchsorted(cell, image[cell[at]])
                    if not reached[target]:
                        reached[target] = True
                        growing = True
    for at in range(cell.shape[0]):
        if not reached[at]:
            return int(cell[at])
    return -1


@njit(cache=True)
def _fixes(image: Ints, path: Ints) -> bool:
    for node in path:  # noqa: SIM110 - compiled: a loop is the fast form
        if image[node] != node:
            return False
    return True


@njit(cache=True)
def _settle_twins(colours: Colours, wiring: Wiring, most_rounds: int) -> tuple[Colours, Ints, int, int]:
    """Tell apart nodes that can be exchanged without changing anything else, in any order, and find a cell to search.

    Returns:
        The colours; the smallest tied class, sorted, empty if there is none; the rounds and colourings it took.
    """
    rounds, colourings = 0, 0
    owns = np.zeros(colours.shape[0], np.bool_)
    for owner in wiring.scope:
        if owner >= 0:
            owns[owner] = True
    while True:
        order = np.argsort(colours, kind="mergesort")
        smallest = np.empty(0, np.int64)
        changed = colours.copy()
        twins = False
        start = 0
        while start < order.shape[0]:
            end = start + 1
            while end < order.shape[0] and colours[order[end]] == colours[order[start]]:
                end += 1
            if end - start > 1:
                cell = order[start:end]
                if _are_twins(cell, wiring, owns):
                    twins = True
                    for mark in range(cell.shape[0]):
                        single_out(changed, cell[mark], mark)
                elif smallest.shape[0] == 0 or cell.shape[0] < smallest.shape[0]:
                    smallest = cell
            start = end
        if not twins or rounds > most_rounds:
            return colours, np.sort(smallest), rounds, colourings
        colours, _, took = refine(changed, wiring)
        rounds += took
        colourings += 1


@njit(cache=True)
def _are_twins(cell: Ints, wiring: Wiring, owns: NDArray[np.bool_]) -> bool:
    """Whether the nodes are fed by the same slots of the same producers, feed nothing and own nothing."""
    w = wiring
    first = cell[0]
    fed = w.into[first + 1] - w.into[first]
    for node in cell:
        if w.outof[node] != w.outof[node + 1] or w.scope[node] != w.scope[first] or owns[node]:
            return False
        if w.into[node + 1] - w.into[node] != fed:
            return False
        for offset in range(fed):
            a, b = w.into[first] + offset, w.into[node] + offset
            if (
                w.producer[a] != w.producer[b]
                or w.output_slot[a] != w.output_slot[b]
                or w.input_slot[a] != w.input_slot[b]
            ):
                return False
    return True
