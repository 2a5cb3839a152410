"""`OperatorGraph`: the one in-memory form of a neural-network architecture.

Extraction makes it from ONNX, identity reads it, a row of the release is its columns, and PyG, NetworkX and
ONNX objects are made from it. It is a directed acyclic multigraph: a node is an operator, an edge a data flow
from one output slot of its producer to one input slot of its consumer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import Any, ClassVar, Final
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import UsageError, YoungerError

MAX_NODES: Final = 5_000_000
MAX_SLOT: Final = 32_767

IntArray = NDArray[np.int64]


class Unfed(IntEnum):
    """What is in an input slot that no node of a graph feeds, as the column `unfed_kind` has it."""

    INPUT = 0  # a graph input
    PARAMETER = 1  # a parameter, or a constant that the skeleton keeps
    ABSENT = 2  # nothing: an optional input that is left out
    OUTSIDE = 3  # of a subgraph: a node that the subgraph leaves out


class InvalidGraphError(YoungerError):
    """The arrays are not an operator graph: wrong shapes, a cycle, slots out of range."""


class Operator:
    """What a node computes, without its parameters. Interned: equal operators are the same object.

    Attributes:
        domain: the operator set's domain; "" is ONNX's default domain.
        op_type: the operator's name within the domain, such as `Conv`.
        attributes: the canonical attributes as ASCII JSON with sorted keys and no spaces; "{}" for none.
        type_label: `Conv`, or `com.microsoft::Gelu` outside the default domain.
        label: `type_label` followed by `attributes`. Two nodes with one label compute the same function of
            their inputs and parameters.
        digest: 16 bytes, the BLAKE2b of `label`.
        type_digest: 16 bytes, the BLAKE2b of `type_label`.
    """

    __slots__ = ("__weakref__", "attributes", "digest", "domain", "label", "op_type", "type_digest", "type_label")

    domain: str
    op_type: str
    attributes: str
    type_label: str
    label: str
    digest: bytes
    type_digest: bytes

    _interned: ClassVar[WeakValueDictionary[str, Operator]] = WeakValueDictionary()

    def __new__(cls, domain: str, op_type: str, attributes: str = "{}") -> Operator:
        """Return the one operator with these three fields."""
        type_label = f"{domain}::{op_type}" if domain else op_type
        label = type_label + attributes
        operator = cls._interned.get(label)
        if operator is None:
            operator = super().__new__(cls)
            for name, value in (
                ("domain", domain),
                ("op_type", op_type),
                ("attributes", attributes),
                ("type_label", type_label),
                ("label", label),
                ("digest", blake2b(label.encode(), digest_size=16).digest()),
                ("type_digest", blake2b(type_label.encode(), digest_size=16).digest()),
            ):
                object.__setattr__(operator, name, value)
            cls._interned[label] = operator
        return operator

    @classmethod
    def from_label(cls, label: str) -> Operator:
        """Return the operator whose `label` this is.

        Raises:
            InvalidGraphError: the text is not a label.
        """
        type_label, brace, rest = label.partition("{")
        if not brace or not type_label:
            raise InvalidGraphError(f"not an operator label: {label!r}")
        domain, colons, op_type = type_label.rpartition("::")
        return cls(domain if colons else "", op_type, brace + rest)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Operator is immutable: cannot set {name}")

    def __reduce__(self) -> tuple[type[Operator], tuple[str, str, str]]:
        return Operator, (self.domain, self.op_type, self.attributes)

    def __repr__(self) -> str:
        return f"Operator({self.label})"


@dataclass(frozen=True)
class GraphMetadata:
    """Facts about the model besides its graph; not part of any fingerprint.

    Attributes:
        opset_imports: (domain, version) pairs, sorted by domain.
        ir_version: the version of ONNX's file format that the model declared.
        num_inputs: graph inputs that are not parameters.
        num_outputs: graph outputs.
        num_parameters: total number of elements of all parameters.
    """

    opset_imports: tuple[tuple[str, int], ...] = ()
    ir_version: int = 0
    num_inputs: int = 0
    num_outputs: int = 0
    num_parameters: int = 0

    @property
    def opset(self) -> int:
        """The version of the default domain, or 0 if the model does not import it."""
        return dict(self.opset_imports).get("", 0)


@dataclass(frozen=True, eq=False, repr=False)
class OperatorGraph:
    """An architecture: N operators and E data flows. Immutable; the arrays are read-only.

    Nodes stand in topological order. `younger_hf.identity.canonicalize` puts them in canonical order, which is
    the order of a release's rows.

    Attributes:
        operator: N interned `Operator`.
        edge_index: int64 [2, E]: producer, consumer; producer < consumer.
        edge_slot: int64 [2, E]: output slot of the producer, input slot of the consumer.
        scope: int64 [N]: the control-flow node whose body holds this node, or -1; scope[i] > i where not -1.
        metadata: counts and versions of the model that the graph came from.

    Raises:
        InvalidGraphError: if the arrays break one of the rules above.
    """

    operator: tuple[Operator, ...]
    edge_index: IntArray
    edge_slot: IntArray
    scope: IntArray
    metadata: GraphMetadata = field(default_factory=GraphMetadata)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operator", tuple(self.operator))
        for name in ("edge_index", "edge_slot", "scope"):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        nodes = len(self.operator)
        if nodes > MAX_NODES:
            raise InvalidGraphError(f"{nodes} nodes, and at most {MAX_NODES} are allowed")
        if self.edge_index.ndim != 2 or self.edge_index.shape[0] != 2:
            raise InvalidGraphError(f"edge_index must be [2, E], not {list(self.edge_index.shape)}")
        if self.edge_slot.shape != self.edge_index.shape:
            raise InvalidGraphError(
                f"edge_slot is {list(self.edge_slot.shape)}, edge_index {list(self.edge_index.shape)}"
            )
        if self.scope.shape != (nodes,):
            raise InvalidGraphError(f"scope must be [{nodes}], not {list(self.scope.shape)}")
        if self.edge_index.size:
            producer, consumer = self.edge_index
            if producer.min() < 0 or consumer.max() >= nodes or not (producer < consumer).all():
                raise InvalidGraphError("an edge must go from a node to a later node")
            if self.edge_slot.min() < 0 or self.edge_slot.max() > MAX_SLOT:
                raise InvalidGraphError(f"a slot must be between 0 and {MAX_SLOT}")
        inside = np.flatnonzero(self.scope != -1)
        owners = self.scope[inside]
        if inside.size and (owners.max() >= nodes or not (owners > inside).all()):
            raise InvalidGraphError("a body's node must stand before the control-flow node that owns it")

    @property
    def num_nodes(self) -> int:
        """The number of operators, N."""
        return len(self.operator)

    @property
    def num_edges(self) -> int:
        """The number of data flows, E, counting parallel ones separately."""
        return int(self.edge_index.shape[1])

    def operator_counts(self) -> dict[str, int]:
        """The number of nodes of each `type_label`, most frequent first, ties by name."""
        counts: dict[str, int] = {}
        for operator in self.operator:
            counts[operator.type_label] = counts.get(operator.type_label, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def levels(self) -> IntArray:
        """Where each node stands on the longest path that leads to it.

        Returns:
            int64 [N]: 0 for a node that no node feeds, else one more than the highest level among its producers.
        """
        producer, consumer = self.edge_index
        if (consumer[1:] < consumer[:-1]).any():
            by_consumer = np.argsort(consumer, kind="stable")
            producer, consumer = producer[by_consumer], consumer[by_consumer]
        level = [0] * self.num_nodes
        for source, target in zip(producer.tolist(), consumer.tolist(), strict=True):
            if level[target] <= level[source]:
                level[target] = level[source] + 1
        return np.array(level, dtype=np.int64)

    def without_attributes(self) -> OperatorGraph:
        """The same structure with every operator reduced to its type."""
        return OperatorGraph(
            tuple(Operator(o.domain, o.op_type) for o in self.operator),
            self.edge_index,
            self.edge_slot,
            self.scope,
            self.metadata,
        )

    def part(self, nodes: Sequence[int] | IntArray) -> OperatorGraph:
        """Some nodes of the graph, and the data flows between them.

        Args:
            nodes: positions, ascending.
        """
        place = np.full(self.num_nodes + 1, -1, np.int64)  # the last for what is in no body
        place[nodes] = np.arange(len(nodes))
        inside = (place[self.edge_index] >= 0).all(axis=0)
        return OperatorGraph(
            tuple(self.operator[node] for node in nodes),
            place[self.edge_index[:, inside]],
            self.edge_slot[:, inside],
            place[self.scope[nodes]],
            self.metadata,
        )

    def reordered(self, order: IntArray) -> OperatorGraph:
        """The same graph with node `order[i]` at position i, and edges sorted by consumer and input slot.

        Args:
            order: int64 [N], a permutation that is topological.
        """
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        producer, consumer = position[self.edge_index]
        by_slot = np.lexsort((self.edge_slot[0], producer, self.edge_slot[1], consumer))
        scope = self.scope[order]
        inside = scope != -1
        scope[inside] = position[scope[inside]]
        return OperatorGraph(
            tuple(self.operator[i] for i in order),
            np.stack((producer, consumer))[:, by_slot],
            self.edge_slot[:, by_slot],
            scope,
            self.metadata,
        )

    def __eq__(self, other: object) -> bool:
        """Whether both are the same arrays, node for node; isomorphism is `younger_hf.identity.is_isomorphic`."""
        if not isinstance(other, OperatorGraph):
            return NotImplemented
        return (
            self.operator == other.operator
            and np.array_equal(self.edge_index, other.edge_index)
            and np.array_equal(self.edge_slot, other.edge_slot)
            and np.array_equal(self.scope, other.scope)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        types = len({operator.type_label for operator in self.operator})
        return f"OperatorGraph(num_nodes={self.num_nodes}, num_edges={self.num_edges}, operator_types={types})"


def check_graph(function: str, given: object) -> None:
    """Refuse what is no `OperatorGraph`.

    Args:
        function: what was called, for the message.
        given: what it was called with.

    Raises:
        UsageError: it is no graph; the message says what makes one.
    """
    if not isinstance(given, OperatorGraph):
        raise UsageError(
            f"{function} takes an OperatorGraph, not {type(given).__name__}: "
            "to_graph makes one of a row, from_onnx of an ONNX file"
        )


def make_graph(
    operators: Iterable[Operator],
    edges: Iterable[tuple[int, int, int, int]],
    scope: Iterable[int] | None = None,
    **metadata: Any,
) -> OperatorGraph:
    """Build a graph from plain Python values.

    Args:
        operators: the nodes, in topological order.
        edges: (producer, consumer, output slot, input slot) of each data flow.
        scope: the owner of each node, or -1; no node has an owner if left out.
        metadata: fields of `GraphMetadata`.
    """
    nodes = tuple(operators)
    table = np.array(list(edges), dtype=np.int64).reshape(-1, 4).T
    owners = np.full(len(nodes), -1) if scope is None else np.array(list(scope), dtype=np.int64)
    return OperatorGraph(nodes, table[:2], table[2:], owners, GraphMetadata(**metadata))
