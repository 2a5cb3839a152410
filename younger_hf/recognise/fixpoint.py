"""The driver: applies rules to a network until none has anything left to say, or the budget is spent.

Nodes are visited in topological order, so that what one rule makes of a node is seen by those of its consumers within
the same sweep: a chain of any length collapses in one. A node that computes what an earlier one does is merged into it
on the way. The number of sweeps is bounded, and what they may take is in proportion to the size of the model, so that
the work grows with it and no faster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from younger_hf.recognise.network import Network, NetworkBody, Node, Replacement, Value
from younger_hf.recognise.shapes import infer_node
from younger_hf.work import Work

Function = Callable[[Node], Replacement | None]

_MOST_SWEEPS: Final = 24
_LEAST_WORK: Final = 100_000
_WORK_A_SLOT: Final = 64
"""Steps for each node and each of its slots: real models take a small part of it."""

_NOT_REPEATABLE: Final = frozenset(
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike Dropout".split()
)


@dataclass(frozen=True)
class Rule:
    """One rewriting of one kind of node.

    Attributes:
        name: what the documents call it.
        operators: the operators, of ONNX's default domain, that it is tried on: the last of its pattern.
        function: says what to put in the node's place, or None; it changes nothing itself.
    """

    name: str
    operators: tuple[str, ...]
    function: Function

    @property
    def meaning(self) -> str:
        """A line on what it does."""
        return (self.function.__doc__ or "").partition("\n")[0]


def budget(network: Network) -> Work:
    """The work that rewriting a model may take: steps in proportion to its nodes and their slots."""
    slots = sum(1 + len(node.inputs) + len(node.outputs) for node in network.nodes())
    return Work(_LEAST_WORK + _WORK_A_SLOT * slots)


def rewrite(network: Network, rules: Sequence[Rule], *, merge: bool = True, work: Work | None = None) -> bool:
    """Apply rules, in place, until none applies.

    Args:
        network: the model.
        rules: in order of precedence.
        merge: whether nodes that compute the same are merged too.
        work: what it may take: a step for every slot of a node that a rule looks at; `budget(network)` if left out.

    Returns:
        Whether anything changed.

    Raises:
        WorkLimitError: the work is spent; the network is then somewhere between the model and its normal form.
    """
    by_operator: dict[str, list[Rule]] = {}
    for rule in rules:
        for operator in rule.operators:
            by_operator.setdefault(operator, []).append(rule)
    work = budget(network) if work is None else work
    changed = False
    for _ in range(_MOST_SWEEPS):
        swept = [_sweep(network, body, by_operator, work, merge) for body in network.bodies()]
        if not any(swept):
            return changed
        changed = True
    return changed


def _sweep(network: Network, body: NetworkBody, rules: Mapping[str, Sequence[Rule]], work: Work, merge: bool) -> bool:
    changed = False
    kept: list[Node] = []
    same: dict[object, Node] = {}
    pending = deque(body.nodes)
    while pending:
        node = pending.popleft()
        network.release(node)
        if not node.alive:
            changed = True
            continue
        infer_node(node)
        made = _apply(network, node, rules.get(node.op_type, ()), work)
        if made is not None:
            changed = True
            pending.extendleft(reversed([node, *made] if node.alive else made))
            if node.alive:  # something still uses another output of it
                kept.append(pending.popleft())
            continue
        key = _key(node) if merge else None
        twin = None if key is None else same.setdefault(key, node)
        if twin is not None and not twin.alive:
            twin = same[key] = node
        if twin is not None and twin is not node and network.replace(node, tuple(twin.outputs), work) is not None:
            changed = True
            continue
        kept.append(node)
    body.nodes = [node for node in kept if node.alive]
    return changed


def _apply(network: Network, node: Node, rules: Sequence[Rule], work: Work) -> list[Node] | None:
    slots = 1 + len(node.inputs) + len(node.outputs)
    work.spend(slots, "normalising")
    for rule in rules:
        work.spend(slots, "normalising")
        by = rule.function(node)
        if by is not None:
            made = network.replace(node, by, work)
            if made is not None:
                return made
    return None


def _key(node: Node) -> object:
    """Equal for nodes that compute the same; None where that cannot be said."""
    if node.bodies or node.operator.op_type in _NOT_REPEATABLE:
        return None
    outputs = tuple(value is not None for value in node.outputs)
    return node.operator, node.opset, tuple(_same(value) for value in node.inputs), outputs, _unseen(node)


def _same(value: Value | None) -> object:
    if value is None or value.array is None:
        return value
    return value.dtype, value.array.shape, value.array.tobytes()


def _unseen(node: Node) -> object:
    return tuple(sorted((name, id(value)) for name, value in node.unseen.items()))
