"""`FlatModel`: a model as values and nodes, with names resolved and functions inlined.

A value is a number. It is made by a node, or it is a graph input, a body's formal input, or a tensor (initializer
or Constant). The flat model keeps bodies as lists of nodes, so that the operator graph, which has none, and the
skeleton, which has them nested as the model did, are both read off it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from onnx import AttributeProto, NodeProto, TensorProto, ValueInfoProto

from younger_hf.graph import Operator

EMPTY: Final = -1
NOT_READ: Final = Operator("", "NotRead")

_LONGEST_INNER_NAME: Final = 256

Opsets = Mapping[str, int]
FunctionKey = tuple[str, str, str]


class ValueKind(IntEnum):
    """Where a value comes from."""

    NODE = 0
    INPUT = 1
    FORMAL = 2
    TENSOR = 3
    UNKNOWN = 4  # named before it is known who makes it; an error if it stays so


@dataclass(slots=True)
class Body:
    """A graph: the main one, or a subgraph attribute of a control-flow node.

    Attributes:
        attribute: the name of the attribute; "" for the main graph.
        inputs: the values of its inputs, parameters apart; `input_protos` are their declarations.
        outputs: the values of its outputs; `output_protos` are their declarations.
        tensors: the initializers and Constants that stand in it, those of the functions it calls included.
        nodes: its own nodes, in file order.
    """

    attribute: str
    inputs: list[int]
    outputs: list[int]
    tensors: list[int]
    nodes: list[FlatNode]
    input_protos: Sequence[ValueInfoProto]
    output_protos: Sequence[ValueInfoProto]


@dataclass(slots=True, eq=False)
class FlatNode:
    """A node after inlining.

    Attributes:
        domain: that of its operator, normalised.
        op_type: its operator's name, as the file has it.
        opset: the version of its domain that the model, or the function it comes from, imports.
        inputs: values, EMPTY for an optional input that is left out; none of those at the end.
        outputs: values, EMPTY for an optional output that is left out.
        proto: the node as the file has it.
        frame: where it stands.
        bodies: its subgraph attributes, by attribute name.
        index: its position in topological order.
        operator: what it computes, once `read_operators` has been over the model.
    """

    domain: str
    op_type: str
    opset: int
    inputs: list[int]
    outputs: list[int]
    proto: NodeProto
    frame: Frame
    bodies: list[Body]
    index: int = -1
    operator: Operator = NOT_READ

    @property
    def name(self) -> str:
        """What the model calls it, or else its first output; in a local function, after the call's name and a slash."""
        return self.frame.name_of(self.proto)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the model says of it besides; of a local function's node, what it says of the call."""
        return self.frame.metadata_of(self.proto)


@dataclass(slots=True)
class FlatModel:
    """A model as values and nodes.

    Attributes:
        name: what to call the model in an error.
        main: the main graph, as a body.
        nodes: every node in topological order, a body's before its owner.
        kind: where each value comes from.
        producer: the node that makes each value, None where no node does.
        slot: which of its producer's outputs each value is.
        source: for a formal input that its owner feeds, the value that it hands in.
        tensor: the tensors behind the values of kind TENSOR.
        constant_node: the Constant node that holds a tensor, where it is not an initializer.
        called: the local functions that are used, by (domain, name, overload).
        opsets: the model's own imports, by normalised domain.
    """

    name: str
    main: Body
    nodes: list[FlatNode]
    kind: list[ValueKind]
    producer: list[FlatNode | None]
    slot: list[int]
    source: dict[int, int]
    tensor: dict[int, TensorProto]
    constant_node: dict[int, NodeProto]
    called: frozenset[FunctionKey]
    opsets: Opsets
    ir_version: int

    def fed_value(self, value: int) -> int:
        """The value behind a formal input, through any number of owners; EMPTY if its owner feeds nothing."""
        while self.is_formal(value):
            value = self.source.get(value, EMPTY)
        return value

    def is_formal(self, value: int) -> bool:
        """Whether a value is a formal input of a body."""
        return value != EMPTY and self.kind[value] == ValueKind.FORMAL


@dataclass(slots=True)
class Frame:
    """Where a node stands: in the model itself, or in a function that is called.

    Attributes:
        opsets: the imports that hold there.
        bound: in a function, the attributes that the call gives it, by name.
        metadata: in a function, what the model says of the call.
        calls: in a function, the names of the calls around, with slashes between them.
    """

    opsets: Opsets
    bound: Mapping[str, AttributeProto] | None = None
    metadata: Mapping[str, str] | None = None
    calls: str = ""

    def name_of(self, proto: NodeProto) -> str:
        """What the model calls a node that stands here, or else its first output."""
        name = proto.name or next(filter(None, proto.output), "")
        # A function's nodes are made at every call, so that long names would take up memory without end.
        return f"{self.calls}/{name}"[:_LONGEST_INNER_NAME] if self.calls else name

    def metadata_of(self, proto: NodeProto) -> Mapping[str, str]:
        """What the model says of a node that stands here."""
        if self.metadata is not None:
            return self.metadata
        return {entry.key: entry.value for entry in proto.metadata_props}
