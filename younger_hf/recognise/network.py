"""`Network`: a model that rules can rewrite, value by value.

In goes a `FlatModel`; out comes one again. In between a value knows who makes it and who uses it, its shape and element
type where these are known, and, for a structural constant, its array. A rule says what to put in place of a node as a
`Make`; `Network.replace` does it and lets go of what nothing uses any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto

from younger_hf.extract.attribute_values import canonical_json
from younger_hf.extract.flat_model import ValueKind
from younger_hf.extract.operators import attribute_protos, canonical_operator
from younger_hf.graph import Operator
from younger_hf.work import Work

OPSET: Final = 24
"""The version of ONNX's default operator set that the normal form is written in."""

Array = NDArray[Any]
Dim = int | str | None
Shape = tuple[Dim, ...]
Attributes = Mapping[str, Any]


class Value:
    """What a node makes, or a graph input, a body's formal input or a tensor.

    Attributes:
        kind: which of these.
        producer: the node that makes it, or None.
        slot: which of its producer's outputs it is.
        users: the nodes that use it, each with the number of its input slots that do.
        returned: how often a graph or body returns it.
        shape: its dimensions, a name where one is symbolic and None where nothing is known of it; None if the rank is
            not known.
        dtype: its element type as `TensorProto.DataType`; 0 if it is not known.
        array: the values of a structural constant.
        tensor: the tensor that it is in the model.
        formula: for a parameter that a rule made, how it follows from the model's own.
        feeds: for a formal input, the node that owns the body, and the input slot of it that is handed in.
    """

    __slots__ = (
        "array",
        "dtype",
        "feeds",
        "formula",
        "kind",
        "producer",
        "returned",
        "shape",
        "slot",
        "tensor",
        "users",
    )

    def __init__(self, kind: ValueKind, shape: Shape | None = None, dtype: int = 0) -> None:
        self.kind = kind
        self.producer: Node | None = None
        self.slot = 0
        self.users: dict[Node, int] = {}
        self.returned = 0
        self.shape = shape
        self.dtype = dtype
        self.array: Array | None = None
        self.tensor: TensorProto | None = None
        self.formula: Formula | None = None
        self.feeds: tuple[Node, int] | None = None

    @property
    def is_tensor(self) -> bool:
        """Whether it is a parameter or a constant."""
        return self.kind == ValueKind.TENSOR

    @property
    def static_shape(self) -> tuple[int, ...] | None:
        """Its shape if every dimension is known as a number."""
        if self.shape is None:
            return None
        for dim in self.shape:
            if not isinstance(dim, int):
                return None
        return self.shape  # type: ignore[return-value]

    @property
    def rank(self) -> int | None:
        """The number of its dimensions, if known."""
        return None if self.shape is None else len(self.shape)


Lookup = Callable[[Value], Array]
Formula = Callable[[Lookup], Array]
"""Computes a parameter from others, given what looks up the array of a value."""


class Node:
    """An operator and its wiring.

    Attributes:
        operator: what it computes.
        opset: the version of its domain that it means.
        inputs: None for an optional input that is left out; none of those at the end.
        outputs: None for an optional output that is left out.
        home: the body that it stands in.
        bodies: its subgraph attributes.
        unseen: attributes that the normal form does not show, such as an epsilon, as the value that holds each.
        module: where it is from, a position in a `ModuleTree`, or -1.
        alive: False once it has been replaced.
    """

    __slots__ = ("alive", "bodies", "home", "inputs", "module", "operator", "opset", "outputs", "unseen")

    def __init__(
        self,
        operator: Operator,
        opset: int,
        inputs: list[Value | None],
        outputs: list[Value | None],
        home: NetworkBody,
        unseen: Mapping[str, Value] | None = None,
    ) -> None:
        self.operator = operator
        self.opset = opset
        self.inputs = inputs
        self.outputs = outputs
        self.home = home
        self.bodies: list[NetworkBody] = []
        self.unseen = unseen or {}
        self.module = -1
        self.alive = True

    @property
    def attributes(self) -> Attributes:
        """The canonical attributes; not to be changed."""
        return _attributes(self.operator)

    @property
    def op_type(self) -> str:
        """The name of an operator of the default domain at the normal form's opset; "" for any other."""
        return self.operator.op_type if self.opset == OPSET and not self.operator.domain else ""

    def input(self, slot: int) -> Value | None:
        """The value at an input slot, None where it is left out."""
        return self.inputs[slot] if slot < len(self.inputs) else None

    @property
    def output(self) -> Value:
        """The first output that is not left out."""
        return next(value for value in self.outputs if value is not None)


@dataclass(slots=True, eq=False)
class NetworkBody:
    """The main graph (`attribute` is ""), or a subgraph attribute; `nodes` stand in topological order."""

    attribute: str
    inputs: list[Value]
    outputs: list[Value]
    nodes: list[Node]
    input_protos: list[ValueInfoProto]
    output_protos: list[ValueInfoProto]


@dataclass(frozen=True, slots=True)
class Make:
    """A node to be made: an operator of the default domain at the normal form's opset.

    Attributes:
        op_type: its name.
        inputs: values, nodes to be made themselves (their first outputs), or None.
        attributes: those that differ from the defaults.
        shape: that of the first output, where it is not that of the value that it replaces.
        dtype: as `shape`; 0 for that of the first input.
        unseen: see `Node`.
        num_outputs: how many there are.
    """

    op_type: str
    inputs: tuple[Value | Make | None, ...]
    attributes: Attributes = field(default_factory=dict)
    shape: Shape | None = None
    dtype: int = 0
    unseen: Mapping[str, Value] | None = None
    num_outputs: int = 1


Replacement = Value | Make | tuple[Value | Make | None, ...]
"""What stands for a node: for its only used output, or one for each output."""


@dataclass(slots=True, eq=False)
class Network:
    """A model as values and nodes that can be rewritten."""

    name: str
    main: NetworkBody
    opsets: dict[str, int]
    ir_version: int

    def bodies(self) -> Iterator[NetworkBody]:
        """The main graph and every body in it, an owner's before those within."""
        stack = [self.main]
        while stack:
            body = stack.pop()
            yield body
            stack.extend(inner for node in body.nodes for inner in node.bodies)

    def nodes(self) -> Iterator[Node]:
        """Every node; a body's stand together, before those of bodies within."""
        for body in self.bodies():
            yield from body.nodes

    def ordered_nodes(self) -> list[Node]:
        """Every node, a body's before its owner: of a network that was just read, in the order of its `FlatModel`."""
        found: list[Node] = []
        stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(self.main.nodes)]
        while stack:
            node, done = stack.pop()
            if done or not node.bodies:
                found.append(node)
                continue
            stack.append((node, True))
            stack.extend((inner, False) for body in reversed(node.bodies) for inner in reversed(body.nodes))
        return found

    @property
    def num_nodes(self) -> int:
        """The number of nodes, bodies included."""
        return sum(len(body.nodes) for body in self.bodies())

    def replace(self, node: Node, by: Replacement, work: Work | None = None) -> list[Node] | None:
        """Put something in a node's place.

        Args:
            node: what to replace.
            by: what to put there.
            work: what pays for searching the slots and the graph outputs that use what the node made.

        Returns:
            The nodes that were made, in topological order, to be put where the node stood; None if it cannot be done,
            since a body would return what is not its own.

        Raises:
            WorkLimitError: the work is spent.
        """
        parts = by if isinstance(by, tuple) else (by,)
        for old, new in zip(node.outputs, parts, strict=False):
            # A body returns what it makes itself, once; for anything else it needs an operator that passes it on.
            given = old is not None and old.returned and node.home.attribute
            if (
                given
                and isinstance(new, Value)
                and (new.returned or new.producer is None or new.producer.home is not node.home)
            ):
                return None
        made: list[Node] = []
        seen: dict[int, Value] = {}
        for old, part in zip(node.outputs, parts, strict=False):
            if part is None or old is None:
                continue
            new = _realise(part, node.home, made, seen)
            if new.shape is None or (None in new.shape and old.shape is not None and None not in old.shape):
                new.shape = old.shape if new.array is None else new.shape
            new.dtype = new.dtype or old.dtype
            _redirect(old, new, node.home, work or Work(_UNLIMITED))
        if node.module >= 0:
            origins = _origins(node)
            for each in made:
                each.module = origins.get(each.operator.op_type, node.module)
        self.release(node)
        return made

    def release(self, node: Node) -> None:
        """Take out a node that nothing uses, and all that is then used by nothing."""
        stack = [node]
        while stack:
            last = stack.pop()
            if not last.alive or any(value is not None and (value.users or value.returned) for value in last.outputs):
                continue
            last.alive = False
            inner = [each for body in last.bodies for each in _within(body)]
            for body in last.bodies:
                for value in body.outputs:
                    value.returned -= 1
            for each in (last, *inner):
                each.alive = False
                let_go = [used for used in each.inputs if used is not None and used.users.pop(each, None) is not None]
                stack.extend(used.producer for used in let_go if used.producer is not None)


def _origins(node: Node) -> dict[str, int]:
    """The modules of a node and of those that feed it, by operator: what a rule makes of both is from its like."""
    origins = {
        value.producer.operator.op_type: value.producer.module
        for value in node.inputs
        if value is not None and value.producer is not None
    }
    return {**origins, node.operator.op_type: node.module}


_UNLIMITED: Final = 1 << 62
_SEARCHED_A_STEP: Final = 64


def _redirect(old: Value, new: Value, home: NetworkBody, work: Work) -> None:
    """Let everything that uses a value use another; `home` is the body that its producer stands in."""
    if old is new:
        return
    for user, count in old.users.items():
        _exchange(user.inputs, old, new, count, work)
        new.users[user] = new.users.get(user, 0) + count
    old.users = {}
    if old.returned:
        _exchange(home.outputs, old, new, old.returned, work)
        new.returned += old.returned
        old.returned = 0


def _exchange(values: list[Value | None] | list[Value], old: Value, new: Value, count: int, work: Work) -> None:
    work.spend(1 + len(values) // _SEARCHED_A_STEP, "normalising")
    at = -1
    for _ in range(count):
        at = values.index(old, at + 1)
        values[at] = new


def _within(body: NetworkBody) -> Iterator[Node]:
    for node in body.nodes:
        for inner in node.bodies:
            yield from _within(inner)
        yield node


def _realise(part: Value | Make, home: NetworkBody, made: list[Node], seen: dict[int, Value]) -> Value:
    """The value that a replacement stands for; nodes are made for it, inner ones first, one `Make` once."""
    if isinstance(part, Value):
        return part
    if id(part) in seen:
        return seen[id(part)]
    inputs = [None if each is None else _realise(each, home, made, seen) for each in part.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    first = inputs[0] if inputs else None
    dtype = part.dtype or (0 if first is None else first.dtype)
    outputs = [Value(ValueKind.NODE, part.shape if slot == 0 else None, dtype) for slot in range(part.num_outputs)]
    node = Node(operator_of(part.op_type, part.attributes), OPSET, list(inputs), [*outputs], home, part.unseen)
    for slot, value in enumerate(outputs):
        value.producer, value.slot = node, slot
    for used in inputs:
        if used is not None:
            used.users[node] = used.users.get(node, 0) + 1
    made.append(node)
    seen[id(part)] = outputs[0]
    return outputs[0]


def constant(array: Array | np.generic | Sequence[int] | int) -> Value:
    """A structural constant; Python's integers become int64."""
    values = array if isinstance(array, np.ndarray | np.generic) else np.asarray(array, np.int64)
    values = np.asarray(values)
    value = Value(ValueKind.TENSOR, tuple(values.shape), onnx.helper.np_dtype_to_tensor_dtype(values.dtype))
    value.array = values
    return value


def parameter(shape: Shape, dtype: int, formula: Formula) -> Value:
    """A parameter that follows from others."""
    value = Value(ValueKind.TENSOR, tuple(shape), dtype)
    value.formula = formula
    return value


def operator_of(op_type: str, attributes: Attributes) -> Operator:
    """An operator of the default domain at the normal form's opset, attributes completed with defaults."""
    return _complete(op_type, canonical_json(dict(attributes)))


@lru_cache(maxsize=1 << 14)
def _complete(op_type: str, attributes: str) -> Operator:
    protos = attribute_protos(Operator("", op_type, attributes), OPSET)
    return canonical_operator("", op_type, OPSET, protos, lambda _slot: None)


@lru_cache(maxsize=1 << 14)
def _attributes(operator: Operator) -> Attributes:
    found: Attributes = json.loads(operator.attributes)
    return found
