"""`Draft`: a graph in the making, and which decision may come next.

In go decisions, one after the other; out comes a `SlottedGraph`. With the schema's mask, only decisions are allowed
from which a sound graph can still be reached: every slot is one that the operator has, required ones are filled,
element types unify as V2 asks, and what is left of the size suffices to join all pieces. Without it, all that can be
written down is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from younger_hf.tasks.generation.operator_rules import OperatorRules
from younger_hf.tasks.generation.slotted import ABSENT, KINDS, MOST_OUTPUTS, SlottedGraph
from younger_hf.vocabulary import MASK_ID, UNKNOWN_ID

_MOST_SLOTS = 128  # of a node that is made; real ones have been seen with a hundred


class Rulebook:
    """The rules of a vocabulary, laid out for drafts.

    Args:
        rules: of each operator id, V of them.
    """

    def __init__(self, rules: Sequence[OperatorRules]) -> None:
        self.rules = list(rules)
        names = sorted({name for rule in rules for allowed in rule.types.values() for name in allowed})
        bit = {name: 1 << number for number, name in enumerate(names)}
        self.types = [{name: sum(bit[each] for each in allowed) for name, allowed in r.types.items()} for r in rules]
        self.most_inputs = np.array([min(rule.most_inputs, _MOST_SLOTS) for rule in rules])
        self.allowed = np.array([not rule.has_bodies for rule in rules])
        self.allowed[[UNKNOWN_ID, MASK_ID]] = False


class Draft:
    """A graph in the making.

    Args:
        book: the rules.
        most_nodes: how many nodes it may have.
        size: how many it is to have with the mask; None leaves that open.
        masked: whether only what can become sound is allowed.
        start: a graph to go on from; its last node may get further slots.
    """

    def __init__(
        self,
        book: Rulebook,
        most_nodes: int,
        size: int | None = None,
        *,
        masked: bool = True,
        start: SlottedGraph | None = None,
    ) -> None:
        self._book, self._masked, self._most = book, masked, size if masked and size else most_nodes
        self._size = size if masked else None
        self.operator: list[int] = []
        self.sources: list[list[int]] = []
        self.outputs: list[list[int]] = []
        self.uses: list[int] = []
        self.done = False
        self._piece: list[int] = []
        self._pieces = 0
        self._variables: dict[tuple[int, str], int] = {}
        self._leader: list[int] = []
        self._types: list[int] = []
        if start is not None:
            for node in range(start.num_nodes):
                self.place(int(start.operator[node]))
                for at in range(start.first[node], start.first[node + 1]):
                    self.fill(int(start.source[at]), int(start.output[at]))

    @property
    def num_nodes(self) -> int:
        """How many nodes are placed."""
        return len(self.operator)

    @property
    def num_slots(self) -> int:
        """How many slots of the last node are decided."""
        return len(self.sources[-1]) if self.sources else 0

    @property
    def unused(self) -> int:
        """How many nodes feed nothing."""
        return self.uses.count(0)

    def place(self, operator: int) -> None:
        """Place the next node."""
        self.operator.append(operator)
        self.sources.append([])
        self.outputs.append([])
        self.uses.append(0)
        self._piece.append(len(self._piece))
        self._pieces += 1

    def fill(self, source: int, output: int = 0) -> None:
        """Decide the next slot of the last node: a node and its output, or what `KINDS` lists."""
        node, slot = self.num_nodes - 1, self.num_slots
        self.sources[-1].append(source)
        self.outputs[-1].append(output)
        if source < 0:
            return
        self.uses[source] += 1
        one, other = self._piece_of(source), self._piece_of(node)
        if one != other:
            self._piece[one] = other
            self._pieces -= 1
        ends = self._ends(source, output, slot)
        if ends is not None:
            first, second = ends
            if first != second:
                common = self._types[first] & self._types[second]
                self._leader[first] = second
                self._types[second] = common or self._types[second]

    def end(self) -> None:
        """Say that nothing follows."""
        self.done = True

    def may(self) -> tuple[bool, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """What may come next.

        Returns:
            Whether it may end; bool [5], what `KINDS` lists as the next slot; bool [V], the next operators; and bool
            [N], the nodes that may feed the next slot.
        """
        placed = self.num_nodes
        kinds, nodes = np.zeros(len(KINDS), dtype=bool), np.zeros(placed, dtype=bool)
        operators = np.ones(len(self._book.rules), dtype=bool)
        if not placed:
            return False, kinds, self._operators(0), nodes
        if not self._masked:
            can_fill = self.num_slots < _MOST_SLOTS
            kinds[:] = can_fill
            nodes[:-1] = can_fill
            operators[:] = placed < self._most
            return True, kinds, operators, nodes
        rule, slot = self._book.rules[self.operator[-1]], self.num_slots
        # Every node behind can join two pieces; what is more than that, this one has to join.
        surplus = self._pieces - 1 - (self._most - placed)
        left = int(self._book.most_inputs[self.operator[-1]]) - slot
        complete = slot >= rule.least_inputs and surplus <= 0
        if left > 0:
            if left > surplus:
                kinds[:] = True
                kinds[-1 - ABSENT] = not rule.is_required(slot)
            nodes[:-1] = self._can_feed(slot, joins=left <= surplus)
            if not (kinds.any() or nodes.any()):  # no type fits: what joins comes first
                nodes[:-1] = self._can_feed(slot, joins=left <= surplus, any_type=True)
        may_end = complete and self._pieces == 1 and (self._size is None or placed == self._size)
        if complete and placed < self._most:
            operators = self._operators(self._pieces - 1 - (self._most - placed - 1))
        else:
            operators[:] = False
        return may_end, kinds, operators, nodes

    def outputs_of(self, source: int) -> NDArray[np.bool_]:
        """Which outputs, bool [MOST_OUTPUTS], of a node may feed the next slot."""
        may = np.ones(MOST_OUTPUTS, dtype=bool)
        if self._masked:
            may[self._book.rules[self.operator[source]].most_outputs :] = False
            fits = np.array([bool(may[at]) and self._fits(source, at, self.num_slots) for at in range(MOST_OUTPUTS)])
            may = fits if fits.any() else may
        return may

    def graph(self) -> SlottedGraph:
        """The graph as it stands."""
        lengths = [len(slots) for slots in self.sources]
        return SlottedGraph(
            np.array(self.operator, np.int64),
            np.append(0, np.cumsum(lengths, dtype=np.int64)),
            np.array([each for slots in self.sources for each in slots], np.int64),
            np.array([each for slots in self.outputs for each in slots], np.int64),
        )

    def _operators(self, surplus: int) -> NDArray[np.bool_]:
        """The operators that can come next, if the piece of the new node is one more than `surplus` allows for."""
        if not self._masked:
            return self._book.allowed
        return self._book.allowed & (self._book.most_inputs >= max(surplus + 1, 0))

    def _can_feed(self, slot: int, *, joins: bool, any_type: bool = False) -> list[bool]:
        own = self._piece_of(self.num_nodes - 1)
        return [
            (not joins or self._piece_of(node) != own) and (any_type or self._fits(node, None, slot))
            for node in range(self.num_nodes - 1)
        ]

    def _fits(self, source: int, output: int | None, slot: int) -> bool:
        """Whether the element types of an output, or of any, and of a slot of the last node have one in common."""
        node = self.num_nodes - 1
        name = self._book.rules[self.operator[node]].input_type(slot)
        rule = self._book.rules[self.operator[source]]
        if name is None:
            return True
        wanted = self._type_of(node, name)
        for at in range(max(1, len(rule.outputs))) if output is None else (output,):
            made = rule.output_type(at)
            if made is None or wanted & self._type_of(source, made):
                return True
        return False

    def _type_of(self, node: int, name: str) -> int:
        number = self._variables.get((node, name))
        return self._types[self._find(number)] if number is not None else self._book.types[self.operator[node]][name]

    def _ends(self, source: int, output: int, slot: int) -> tuple[int, int] | None:
        node = self.num_nodes - 1
        name = self._book.rules[self.operator[node]].input_type(slot)
        made = self._book.rules[self.operator[source]].output_type(output)
        if name is None or made is None:
            return None
        return self._variable(node, name), self._variable(source, made)

    def _variable(self, node: int, name: str) -> int:
        number = self._variables.get((node, name))
        if number is None:
            number = self._variables[node, name] = len(self._leader)
            self._leader.append(number)
            self._types.append(self._book.types[self.operator[node]][name])
        return self._find(number)

    def _find(self, number: int) -> int:
        while self._leader[number] != number:
            number = self._leader[number]
        return number

    def _piece_of(self, node: int) -> int:
        while self._piece[node] != node:
            node = self._piece[node]
        return node
