"""The topological order of a model's nodes: the order of the file if it is sorted, as it nearly always is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain

from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import EMPTY, Body, FlatNode


def topological_order(
    main: Body, producer: Sequence[FlatNode | None], source: dict[int, int], name: str
) -> list[FlatNode]:
    """Every node, a body's before its owner; each is told its position.

    Args:
        main: the main graph.
        producer: as in `FlatModel`.
        source: as in `FlatModel`.
        name: what to call the model in an error.

    Raises:
        InvalidModelError: the graph has a cycle.
    """
    nodes = list(_walk(main.nodes))
    for index, node in enumerate(nodes):
        node.index = index
    if _is_sorted(nodes, producer, source):
        return nodes
    before = [_needs(node, producer, source) for node in nodes]
    after: list[list[int]] = [[] for _ in nodes]
    waiting = [len(needs) for needs in before]
    for index, needs in enumerate(before):
        for needed in needs:
            after[needed].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[FlatNode] = []
    while ready:
        index = heappop(ready)
        nodes[index].index = len(order)
        order.append(nodes[index])
        for consumer in after[index]:
            waiting[consumer] -= 1
            if not waiting[consumer]:
                heappush(ready, consumer)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waiting, strict=True) if count)
        raise InvalidModelError(name, None, f"its graph has a cycle, through a {stuck.op_type} node")
    return order


def _walk(nodes: Iterable[FlatNode]) -> Iterator[FlatNode]:
    for node in nodes:
        for body in node.bodies:
            yield from _walk(body.nodes)
        yield node


def _is_sorted(nodes: Sequence[FlatNode], producer: Sequence[FlatNode | None], source: dict[int, int]) -> bool:
    """Whether every producer stands before its consumers; the nodes of bodies stand before their owners anyway."""
    for index, node in enumerate(nodes):
        for value in chain(node.inputs, *(body.outputs for body in node.bodies)) if node.bodies else node.inputs:
            while value in source:
                value = source[value]
            if value != EMPTY and (made_by := producer[value]) is not None and made_by.index >= index:
                return False
    return True


def _needs(node: FlatNode, producer: Sequence[FlatNode | None], source: dict[int, int]) -> list[int]:
    """The positions of the nodes that must stand before this one: producers, and the nodes of its bodies."""
    needs = [inner.index for body in node.bodies for inner in body.nodes]
    for value in chain(node.inputs, *(body.outputs for body in node.bodies)):
        while value in source:
            value = source[value]
        if value != EMPTY and (made_by := producer[value]) is not None:
            needs.append(made_by.index)
    return needs
