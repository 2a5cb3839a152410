"""From a ModelProto to a `FlatModel`: functions inlined, names resolved to values, bodies linked to their owners.

A value is a number. It is made by a node, or it is a graph input, a body's formal input, or a tensor (initializer
or Constant). The flat model keeps bodies as lists of nodes, so that the operator graph, which has none, and the
skeleton, which has them nested as the model did, are both read off it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from typing import Final

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
    ValueInfoProto,
)

from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.operator_rules import SHAPE_PRESERVING, WEIGHT_INPUT
from younger_hf.extract.operators import DEFAULT_DOMAIN, attribute_type, canonical_operator, normal_domain
from younger_hf.graph import MAX_NODES, MAX_SLOT, Operator

EMPTY: Final = -1

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
        operator: what it computes.
        opset: the version of its domain that the model, or the function it comes from, imports.
        inputs: values, EMPTY for an optional input that is left out; none of those at the end.
        outputs: values, EMPTY for an optional output that is left out.
        metadata: what the model says of it besides; of a local function's node, what it says of the call.
        name: what the model calls it, or else its first output; of a local function's node, after the call's and a
            slash.
        bodies: its subgraph attributes, by attribute name.
        index: its position in topological order.
    """

    operator: Operator
    opset: int
    inputs: list[int]
    outputs: list[int]
    metadata: Mapping[str, str]
    name: str
    bodies: list[Body] = field(default_factory=list)
    index: int = -1


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
        source: for a formal input, the value that its owner hands in, or EMPTY.
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
    source: list[int]
    tensor: dict[int, TensorProto]
    constant_node: dict[int, NodeProto]
    called: frozenset[FunctionKey]
    opsets: Opsets
    ir_version: int

    def fed_value(self, value: int) -> int:
        """The value behind a formal input, through any number of owners; EMPTY if its owner feeds nothing."""
        while value != EMPTY and self.kind[value] == ValueKind.FORMAL:
            value = self.source[value]
        return value


def _walk(nodes: Iterable[FlatNode]) -> Iterator[FlatNode]:
    for node in nodes:
        for body in node.bodies:
            yield from _walk(body.nodes)
        yield node


def flatten(model: ModelProto, name: str = "the model") -> FlatModel:
    """Read a model's structure.

    Args:
        model: with or without its weights; tensor payloads are not looked at.
        name: what to call the model in an error.

    Raises:
        InvalidModelError: a value that nothing makes, or that is made twice; functions that call each other in a
            circle; more than 5 million nodes or 32,767 slots.
    """
    try:
        return _Flattener(model, name).run()
    except RecursionError:
        raise InvalidModelError(name, None, "its functions and bodies are nested too deeply") from None


class _Names:
    """The names that a graph or function defines, in front of those of the graphs around it.

    `tensors` collects the tensors that stand in the graph, or in the graph that the function is called from.
    """

    __slots__ = ("outer", "own", "tensors")

    def __init__(self, outer: _Names | None, tensors: list[int]) -> None:
        self.own: dict[str, int] = {}
        self.outer = outer
        self.tensors = tensors

    def get(self, name: str) -> int | None:
        names: _Names | None = self
        while names is not None:
            value = names.own.get(name)
            if value is not None:
                return value
            names = names.outer
        return None


@dataclass(slots=True)
class _Frame:
    """Where a node stands: the imports that hold there; attributes, metadata and names of the function calls around."""

    opsets: Opsets
    bound: Mapping[str, AttributeProto] | None = None
    metadata: Mapping[str, str] | None = None
    calls: str = ""

    def name_of(self, proto: NodeProto) -> str:
        name = proto.name or next(filter(None, proto.output), "")
        # A function's nodes are made at every call, so that long names would take up memory without end.
        return f"{self.calls}/{name}"[:_LONGEST_INNER_NAME] if self.calls else name

    def metadata_of(self, proto: NodeProto) -> Mapping[str, str]:
        if self.metadata is not None:
            return self.metadata
        return {entry.key: entry.value for entry in proto.metadata_props} or _NO_METADATA


class _Flattener:
    def __init__(self, model: ModelProto, name: str) -> None:
        self.model = model
        self.name = name
        self.functions: dict[FunctionKey, FunctionProto] = {
            (normal_domain(f.domain), f.name, f.overload): f for f in model.functions
        }
        self.kind: list[ValueKind] = []
        self.producer: list[FlatNode | None] = []
        self.slot: list[int] = []
        self.source: list[int] = []
        self.alias: dict[int, int] = {}
        self.tensor: dict[int, TensorProto] = {}
        self.constant_node: dict[int, NodeProto] = {}
        self.called: set[FunctionKey] = set()
        self.shapes: dict[int, list[int]] = {}
        self.operators: dict[tuple[object, ...], Operator] = {}
        self.unsized: list[tuple[FlatNode, str, Sequence[AttributeProto]]] = []

    def run(self) -> FlatModel:
        self._refuse_too_large()
        frame = _Frame(_opsets(self.model.opset_import))
        main = self._graph(self.model.graph, None, frame, "")
        if self.alias:
            self._settle(main)
        self._size_kernels()
        return FlatModel(
            self.name,
            main,
            self._sorted(main),
            self.kind,
            self.producer,
            self.slot,
            self.source,
            self.tensor,
            self.constant_node,
            frozenset(self.called),
            frame.opsets,
            self.model.ir_version,
        )

    def _error(self, reason: str) -> InvalidModelError:
        return InvalidModelError(self.name, None, reason)

    def _value(self, kind: ValueKind, producer: FlatNode | None = None, slot: int = 0) -> int:
        self.kind.append(kind)
        self.producer.append(producer)
        self.slot.append(slot)
        self.source.append(EMPTY)
        return len(self.kind) - 1

    def _define(self, names: _Names, name: str, value: int) -> None:
        if name in names.own:
            raise self._error(f"two nodes or inputs make the value {name!r}")
        names.own[name] = value

    def _graph(self, graph: GraphProto, outer: _Names | None, frame: _Frame, attribute: str) -> Body:
        names = _Names(outer, [])
        inputs = []
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        for sparse in graph.sparse_initializer:
            dense = TensorProto(name=sparse.values.name, data_type=sparse.values.data_type, dims=sparse.dims)
            tensors[dense.name] = dense
        for name, tensor in tensors.items():
            value = self._value(ValueKind.TENSOR)
            self.tensor[value] = tensor
            names.tensors.append(value)
            self._define(names, name, value)
        # Below IR version 4 a parameter is listed as an input as well; from 4 on that marks a default.
        true_inputs = [proto for proto in graph.input if proto.name not in tensors]
        for proto in true_inputs:
            value = self._value(ValueKind.INPUT if outer is None else ValueKind.FORMAL)
            shape = _static_shape(proto)
            if shape is not None:
                self.shapes[value] = shape
            self._define(names, proto.name, value)
            inputs.append(value)
        nodes = self._nodes(graph.node, names, frame)
        outputs = [self._lookup(names, proto.name) for proto in graph.output]
        return Body(attribute, inputs, outputs, names.tensors, nodes, true_inputs, graph.output)

    def _nodes(self, protos: Iterable[NodeProto], names: _Names, frame: _Frame) -> list[FlatNode]:
        """Two passes, so that a node may use what a later one makes: files are not always sorted."""
        pending: list[tuple[NodeProto, FlatNode | list[int], str, str]] = []
        for proto in protos:
            domain = normal_domain(proto.domain)
            op_type = proto.op_type
            if domain == DEFAULT_DOMAIN and op_type == "Constant":
                self._constant(proto, names, frame)
                continue
            outputs = []
            if self.functions and (domain, op_type, proto.overload) in self.functions:
                for name in proto.output:
                    value = self._value(ValueKind.UNKNOWN) if name else EMPTY
                    if name:
                        self._define(names, name, value)
                    outputs.append(value)
                pending.append((proto, outputs, domain, op_type))
                continue
            version, metadata = frame.opsets.get(domain, 1), frame.metadata_of(proto)
            node = FlatNode(_NOT_READ, version, [], outputs, metadata, frame.name_of(proto))
            for slot, name in enumerate(proto.output):
                if name:
                    value = self._value(ValueKind.NODE, node, slot)
                    self._define(names, name, value)
                    outputs.append(value)
                else:
                    outputs.append(EMPTY)
            pending.append((proto, node, domain, op_type))
        nodes: list[FlatNode] = []
        for proto, target, domain, op_type in pending:
            inputs = [self._lookup(names, name) if name else EMPTY for name in proto.input]
            if isinstance(target, FlatNode):
                self._finish(proto, target, domain, inputs, names, frame)
                nodes.append(target)
            else:
                self.called.add((domain, op_type, proto.overload))
                function = self.functions[domain, op_type, proto.overload]
                nodes.extend(self._call(function, proto, inputs, target, names, frame))
        return nodes

    def _lookup(self, names: _Names, name: str) -> int:
        value = names.get(name)
        if value is None:
            raise self._error(f"nothing makes the value {name!r}, which is used")
        return value

    def _finish(
        self, proto: NodeProto, node: FlatNode, domain: str, inputs: list[int], names: _Names, frame: _Frame
    ) -> None:
        while inputs and inputs[-1] == EMPTY:
            inputs.pop()
        node.inputs = inputs
        op_type = proto.op_type
        attributes = _bind(proto.attribute, frame.bound)
        graphs = [attribute for attribute in attributes if attribute_type(attribute) in ("GRAPH", "GRAPHS")]
        if graphs:
            self._bodies(node, op_type, domain, graphs, names, frame)
        described_by = WEIGHT_INPUT.get(op_type) if domain == DEFAULT_DOMAIN else None
        if described_by and all(attribute.name != described_by[0] for attribute in attributes):
            self.unsized.append((node, op_type, attributes))
        elif graphs:
            node.operator = canonical_operator(domain, op_type, node.opset, attributes, _no_shape)
        else:
            key = (
                domain,
                op_type,
                node.opset,
                *[a.SerializeToString(deterministic=True) for a in attributes],
            )
            operator = self.operators.get(key)
            if operator is None:
                operator = canonical_operator(domain, op_type, node.opset, attributes, _no_shape)
                self.operators[key] = operator
            node.operator = operator
        slots = len(inputs) + sum(len(body.outputs) for body in node.bodies)
        if max(slots, len(node.outputs)) > MAX_SLOT + 1:
            raise self._error(f"a {op_type} node has more than {MAX_SLOT + 1} input or output slots")

    def _bodies(
        self,
        node: FlatNode,
        op_type: str,
        domain: str,
        attributes: Sequence[AttributeProto],
        names: _Names,
        frame: _Frame,
    ) -> None:
        """Read the bodies, in attribute-name order, and link their formal inputs to what the owner hands in."""
        first_formal, shift = 0, None
        if domain == DEFAULT_DOMAIN:
            if op_type == "Loop":  # the iteration number and the condition come from the loop itself
                first_formal, shift = 2, 0
            elif op_type in ("Scan", "SequenceMap"):  # Scan 8 takes sequence_lens before its states
                shift = 1 if op_type == "Scan" and node.opset < 9 else 0
        for attribute in sorted(attributes, key=lambda a: a.name):
            for graph in [attribute.g] if attribute_type(attribute) == "GRAPH" else attribute.graphs:
                body = self._graph(graph, names, frame, attribute.name)
                node.bodies.append(body)
                if shift is not None:
                    for formal, value in zip(
                        body.inputs[first_formal:], node.inputs[first_formal + shift :], strict=False
                    ):
                        self.source[formal] = value

    def _constant(self, proto: NodeProto, names: _Names, frame: _Frame) -> None:
        if len(proto.output) != 1 or not proto.output[0]:
            raise self._error("a Constant must have one output")
        value = self._value(ValueKind.TENSOR)
        self.tensor[value] = constant_tensor(_bind(proto.attribute, frame.bound))
        self.constant_node[value] = proto
        names.tensors.append(value)
        self._define(names, proto.output[0], value)

    def _call(
        self,
        function: FunctionProto,
        proto: NodeProto,
        inputs: list[int],
        outputs: list[int],
        caller: _Names,
        frame: _Frame,
    ) -> list[FlatNode]:
        """The nodes of a function's body, in the caller's place."""
        bound = {attribute.name: attribute for attribute in function.attribute_proto}
        bound |= {attribute.name: attribute for attribute in _bind(proto.attribute, frame.bound)}
        names = _Names(None, caller.tensors)
        for position, formal in enumerate(function.input):
            names.own[formal] = inputs[position] if position < len(inputs) else EMPTY
        inner = _Frame(_opsets(function.opset_import), bound, frame.metadata_of(proto), frame.name_of(proto))
        nodes = self._nodes(function.node, names, inner)
        for name, value in zip(function.output, outputs, strict=False):
            if value != EMPTY:
                self.alias[value] = self._lookup(names, name)
        return nodes

    def _settle(self, body: Body) -> None:
        """Replace the outputs of calls by the values inside the function that they stand for."""
        body.outputs = [self._settled(value) for value in body.outputs]
        for node in body.nodes:
            node.inputs = [self._settled(value) for value in node.inputs]
            while node.inputs and node.inputs[-1] == EMPTY:
                node.inputs.pop()
            for inner in node.bodies:
                for formal in inner.inputs:
                    self.source[formal] = self._settled(self.source[formal])
                self._settle(inner)

    def _settled(self, value: int) -> int:
        for _ in range(len(self.alias) + 1):
            if value not in self.alias:
                if value != EMPTY and self.kind[value] == ValueKind.UNKNOWN:
                    raise self._error("a function call gives a value that its function does not make")
                return value
            value = self.alias[value]
        raise self._error("a function call takes its own output as its input")

    def _shape(self, value: int) -> Sequence[int] | None:
        """The shape of the parameter behind a value, through operators that leave shapes alone."""
        for _ in range(len(self.kind)):
            while value != EMPTY and self.kind[value] == ValueKind.FORMAL:
                value = self.source[value]
            if value == EMPTY:
                return None
            if value in self.tensor:
                return list(self.tensor[value].dims)
            node = self.producer[value]
            if node is None or node.operator.op_type not in SHAPE_PRESERVING or not node.inputs:
                return self.shapes.get(value)
            value = node.inputs[0]
        return None

    def _sorted(self, main: Body) -> list[FlatNode]:
        """Every node in topological order: the file's own where that is one, as it nearly always is."""
        nodes = list(_walk(main.nodes))
        for index, node in enumerate(nodes):
            node.index = index
        before = [self._needs(node) for node in nodes]
        if all(needed < index for index, needs in enumerate(before) for needed in needs):
            return nodes
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
            raise self._error(f"its graph has a cycle, through a {stuck.operator.op_type} node")
        return order

    def _needs(self, node: FlatNode) -> list[int]:
        """The positions of the nodes that must stand before this one: producers, and the nodes of its bodies."""
        values = node.inputs
        needs = []
        for body in node.bodies:
            values = values + body.outputs
            needs += [inner.index for inner in body.nodes]
        for value in values:
            while value != EMPTY and self.kind[value] == ValueKind.FORMAL:
                value = self.source[value]
            producer = self.producer[value] if value != EMPTY else None
            if producer is not None:
                needs.append(producer.index)
        return needs

    def _size_kernels(self) -> None:
        """Read the operators whose attributes a weight's shape completes: now every value is settled."""
        for node, op_type, attributes in self.unsized:

            def shape(slot: int, node: FlatNode = node) -> Sequence[int] | None:
                return self._shape(node.inputs[slot]) if slot < len(node.inputs) else None

            node.operator = canonical_operator(DEFAULT_DOMAIN, op_type, node.opset, attributes, shape)

    def _refuse_too_large(self) -> None:
        """Count what inlining will make before making it: few bytes of functions can call up many nodes."""
        sizes: dict[FunctionKey, int] = {}
        calling: list[FunctionKey] = []

        def size(nodes: Iterable[NodeProto]) -> int:
            total = 0
            for node in nodes:
                key = (normal_domain(node.domain), node.op_type, node.overload)
                total += call(key) if key in self.functions else 1
                for attribute in node.attribute:
                    for graph in (attribute.g, *attribute.graphs):
                        total += size(graph.node)
            return total

        def call(key: FunctionKey) -> int:
            if key in calling:
                raise self._error(f"the function {key[1]!r} calls itself")
            if key not in sizes:
                calling.append(key)
                sizes[key] = size(self.functions[key].node)
                calling.pop()
            return sizes[key]

        total = size(self.model.graph.node) if self.functions else len(self.model.graph.node)
        if total > MAX_NODES:
            raise self._error(f"it has {total} nodes, and at most {MAX_NODES} are allowed")


_NOT_READ: Final = Operator("", "NotRead")
_NO_METADATA: Final[Mapping[str, str]] = {}


def _no_shape(_: int) -> None:
    return None


def _opsets(imports: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    return {normal_domain(entry.domain): entry.version for entry in imports}


def _bind(attributes: Sequence[AttributeProto], bound: Mapping[str, AttributeProto] | None) -> Sequence[AttributeProto]:
    """Attributes with references to those of the function call replaced; a reference to nothing is left out."""
    if bound is None:
        return attributes
    result = []
    for attribute in attributes:
        if not attribute.ref_attr_name:
            result.append(attribute)
        elif attribute.ref_attr_name in bound:
            copy = AttributeProto()
            copy.CopyFrom(bound[attribute.ref_attr_name])
            copy.name = attribute.name
            result.append(copy)
    return result


def constant_tensor(attributes: Iterable[AttributeProto]) -> TensorProto:
    """The tensor that a Constant node stands for, in whichever of its forms the value is given."""
    for attribute in attributes:
        name, kind = attribute.name, attribute_type(attribute)
        if name == "value" and kind == "TENSOR":
            return attribute.t
        if name == "sparse_value" and kind == "SPARSE_TENSOR":
            sparse = attribute.sparse_tensor
            return TensorProto(data_type=sparse.values.data_type, dims=sparse.dims)
        if name == "value_int":
            return TensorProto(data_type=TensorProto.INT64, int64_data=[attribute.i])
        if name == "value_float":
            return TensorProto(data_type=TensorProto.FLOAT, float_data=[attribute.f])
        if name == "value_string":
            return TensorProto(data_type=TensorProto.STRING, string_data=[attribute.s])
        if name == "value_ints":
            values = attribute.ints
            return TensorProto(data_type=TensorProto.INT64, dims=[len(values)], int64_data=values)
        if name == "value_floats":
            floats = attribute.floats
            return TensorProto(data_type=TensorProto.FLOAT, dims=[len(floats)], float_data=floats)
        if name == "value_strings":
            strings = attribute.strings
            return TensorProto(data_type=TensorProto.STRING, dims=[len(strings)], string_data=strings)
    return TensorProto()


def _static_shape(proto: ValueInfoProto) -> list[int] | None:
    """The shape of a graph input if every dimension is a number."""
    if not proto.type.tensor_type.HasField("shape"):
        return None
    dims = proto.type.tensor_type.shape.dim
    return [dim.dim_value for dim in dims] if all(dim.HasField("dim_value") for dim in dims) else None
