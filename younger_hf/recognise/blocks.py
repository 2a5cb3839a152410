"""What tells two models apart, block by block: `compare_blocks`.

In go two operator graphs, which of their nodes are the same ones, and the modules of both; out come the modules that
are common, changed, replaced, removed and added, from the network inwards. A module's counterpart is one that is equal
within or, failing that, the one with which it has most nodes in the same place, below modules that are each other's: so
neither names nor how deep something stands have to be the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.module_tree import ModuleTree
from younger_hf.recognise.alignment import align
from younger_hf.recognise.order import exchangeable
from younger_hf.recognise.sketch import refined_colours

_NETWORK: Final = -1
_SPREAD: Final = 0.5
_LEAST_COMMON: Final = 0.25
_DEPTH: Final = 8  # hops that tell modules apart
_DEEPEST: Final = 64  # what stands deeper counts with what it stands in: work is in proportion to the models

Fate = Literal["common", "changed", "replaced", "removed", "added"]


@dataclass(frozen=True)
class BlockChange:
    """What became of a module.

    Attributes:
        fate: `common`, where what is in it is wired alike; `changed`, and what became of the modules in it follows;
            `replaced` by one with which it has less than a quarter of its operators in common; `removed`; `added`.
        path: where the first model has it, `layers.0.self_attn`; None for what was added.
        by: where the second model has it; None for what was removed.
        kind: its class in the first model, or in the second if it was added; "" if it is not known.
        depth: how many of the blocks in this list it stands in.
        num_nodes: operators of the normal form in it, in the first model and in the second.
        num_common: of these, how many are common.
    """

    fate: Fate
    path: str | None
    by: str | None
    kind: str
    depth: int
    num_nodes: tuple[int, int]
    num_common: int


def compare_blocks(
    graphs: tuple[OperatorGraph, OperatorGraph],
    there: IntArray,
    modules: tuple[ModuleTree | None, ModuleTree | None],
) -> tuple[BlockChange, ...]:
    """Compare the modules of two models.

    Args:
        graphs: two graphs, of N and M nodes.
        there: int64 [N], which node of the second graph stands in the place of each, or -1.
        modules: of the nodes of each. If those of one are not known, its nodes are in the modules of those that they
            are in the place of.

    Returns:
        Blocks in the order of the network, each followed by those in it if it is changed; none if no modules are known.
    """
    one, other = modules
    if one is None:
        if other is None:
            return ()
        one = ModuleTree(other.modules, np.where(there >= 0, other.node[there], _NETWORK))
    if other is None:
        node = np.full(graphs[1].num_nodes, _NETWORK, np.int64)
        node[there[there >= 0]] = one.node[there >= 0]
        other = ModuleTree(one.modules, node)
    twins = {node: twin for node, twin in enumerate(there.tolist()) if twin >= 0}
    return tuple(_Comparison(graphs, _Side(one), _Side(other)).within(_NETWORK, _NETWORK, twins, 0))


class _Side:
    """The modules of one model: of each the nodes in it, ascending, and the modules in it that have any, in order."""

    def __init__(self, tree: ModuleTree) -> None:
        self.modules = tree.modules
        depth: list[int] = []
        for module in tree.modules:  # each after its parent
            depth.append(0 if module.parent < 0 else depth[module.parent] + 1)
        nodes: list[list[int]] = [[] for _ in tree.modules]
        for node, at in enumerate(tree.node.tolist()):
            if at >= 0:
                nodes[at].append(node)
        for at in reversed(range(len(nodes))):
            parent = self.modules[at].parent
            if parent >= 0:
                nodes[parent] += nodes[at]
                nodes[at] = nodes[at] if depth[at] < _DEEPEST else []
        self.nodes = {at: sorted(inside) for at, inside in enumerate(nodes) if inside}
        self.inner: dict[int, list[int]] = {at: [] for at in (_NETWORK, *self.nodes)}
        for at in sorted(self.nodes, key=lambda at: self.nodes[at][0]):
            self.inner[self.modules[at].parent].append(at)
        self.nodes[_NETWORK] = [*range(len(tree.node))]

    def network(self) -> int:
        """The module that is all of the network, if there is one."""
        wrapped = self.wrapped(_NETWORK)
        return _NETWORK if wrapped is None else wrapped

    def wrapped(self, at: int) -> int | None:
        """The module in a module that has all of its nodes."""
        inner = self.inner[at]
        return inner[0] if len(inner) == 1 and len(self.nodes[inner[0]]) == len(self.nodes[at]) else None

    def opened(self, among: list[int], overlap: Mapping[int, Sequence[int]]) -> list[int]:
        """Some modules, with those in it for each whose nodes are spread over many of the other model."""
        result: list[int] = []
        for at in among:
            sizes = overlap.get(at, ())
            spread = self.inner[at] and sizes and max(sizes) < _SPREAD * sum(sizes)
            result += self.inner[at] if spread else [at]
        return result


class _Comparison:
    def __init__(self, graphs: tuple[OperatorGraph, OperatorGraph], one: _Side, other: _Side) -> None:
        self.graphs, self.one, self.other = graphs, one, other
        self.known: dict[tuple[int, int], bytes] = {}

    def within(self, at: int, twin: int, there: Mapping[int, int], depth: int) -> Iterator[BlockChange]:
        """The blocks in a module and its counterpart, of whose nodes it is known which stand in whose place."""
        ours, theirs = self._within(at, twin)
        while True:
            overlap = self._overlap(ours, theirs, there)
            pairs = self._equal(ours, theirs, overlap)
            sizes = _sizes(overlap, 0, {*pairs}), _sizes(overlap, 1, {*pairs.values()})
            opened = self.one.opened(ours, sizes[0]), self.other.opened(theirs, sizes[1])
            if opened == (ours, theirs):
                break
            ours, theirs = opened
        back = {their: our for our, their in pairs.items()}
        for our, their in sorted(overlap, key=lambda pair: -overlap[pair]):
            if our not in pairs and their not in back:
                pairs[our], back[their] = their, our
        position, place, added = {our: position for position, our in enumerate(ours)}, -1, defaultdict(list)
        for their in theirs:  # what was added stands behind what it stands behind in the second model
            if their in back:
                place = position[back[their]]
            else:
                added[place].append(their)
        yield from self._added(added[-1], depth)
        for our in ours:
            yield from self._block(our, pairs.get(our), depth)
            yield from self._added(added[position[our]], depth)

    def _added(self, theirs: list[int], depth: int) -> Iterator[BlockChange]:
        for their in theirs:
            yield from self._block(None, their, depth)

    def _within(self, at: int, twin: int) -> tuple[list[int], list[int]]:
        """The modules in both; where each only wraps another, those in that."""
        if at == _NETWORK:
            at, twin = self.one.network(), self.other.network()
        our, their = self.one.wrapped(at), self.other.wrapped(twin)
        while our is not None and their is not None:
            at, twin = our, their
            our, their = self.one.wrapped(at), self.other.wrapped(twin)
        return self.one.inner[at], self.other.inner[twin]

    def _overlap(self, ours: list[int], theirs: list[int], there: Mapping[int, int]) -> Counter[tuple[int, int]]:
        """How many nodes each module has in the places of each of the other model."""
        owner = {node: their for their in theirs for node in self.other.nodes[their]}
        pairs = ((our, owner.get(there.get(node, _NETWORK))) for our in ours for node in self.one.nodes[our])
        return Counter((our, their) for our, their in pairs if their is not None)

    def _equal(self, ours: list[int], theirs: list[int], overlap: Counter[tuple[int, int]]) -> dict[int, int]:
        """The modules that are equal: those in each other's place first, then in order."""
        pairs = {our: their for our, their in overlap if self._is_whole(our, their, overlap)}
        left: dict[bytes, deque[int]] = defaultdict(deque)
        for their in theirs:
            if their not in pairs.values():
                left[self._neighbourhoods(1, their)].append(their)
        for our in ours:
            if our not in pairs and left and (equal := left.get(self._neighbourhoods(0, our))):
                pairs[our] = equal.popleft()
        return pairs

    def _is_whole(self, our: int, their: int, overlap: Counter[tuple[int, int]]) -> bool:
        size = overlap[our, their]
        return size == len(self.one.nodes[our]) == len(self.other.nodes[their]) and self._are_equal(our, their)

    def _are_equal(self, our: int, their: int) -> bool:
        return self._neighbourhoods(0, our) == self._neighbourhoods(1, their)

    def _neighbourhoods(self, side: int, at: int) -> bytes:
        """Of what is in a module, and how it is wired within."""
        if (side, at) not in self.known:
            nodes = (self.one, self.other)[side].nodes[at]
            part = exchangeable(self.graphs[side].part(nodes))
            colours = refined_colours(part, _DEPTH, attributes=True)[-1]
            self.known[side, at] = np.sort(colours).tobytes()
        return self.known[side, at]

    def _block(self, our: int | None, their: int | None, depth: int) -> Iterator[BlockChange]:
        nodes = [] if our is None else self.one.nodes[our]
        twins = [] if their is None else self.other.nodes[their]
        there: dict[int, int] = {}
        fate: Fate = "changed"
        if our is None or their is None:
            fate = "added" if our is None else "removed"
        elif self._are_equal(our, their):
            fate = "common"
        else:
            found = align(self.graphs[0].part(nodes), self.graphs[1].part(twins)).tolist()
            there = {node: twins[twin] for node, twin in zip(nodes, found, strict=True) if twin >= 0}
        ones, others = self.graphs[0].operator, self.graphs[1].operator
        num_common = sum(ones[node] == others[twin] for node, twin in there.items())
        if fate == "common":
            num_common = len(nodes)
        elif fate == "changed" and num_common < _LEAST_COMMON * max(len(nodes), len(twins)):
            fate = "replaced"
        first = None if our is None else self.one.modules[our]
        second = None if their is None else self.other.modules[their]
        yield BlockChange(
            fate,
            first.path if first else None,
            second.path if second else None,
            (first.kind if first else "") or (second.kind if second else ""),
            depth,
            (len(nodes), len(twins)),
            num_common,
        )
        if fate == "changed" and our is not None and their is not None:
            yield from self.within(our, their, there, depth + 1)


def _sizes(overlap: Mapping[tuple[int, int], int], side: int, settled: set[int]) -> dict[int, list[int]]:
    """Of each module of one side that is not settled: how many nodes it shares with each of the other's."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for pair, size in overlap.items():
        if pair[side] not in settled:
            sizes[pair[side]].append(size)
    return sizes
