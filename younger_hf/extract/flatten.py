"""From a ModelProto to a `FlatModel`: functions inlined, names resolved to values, bodies linked to their owners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
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

from younger_hf.extract.attribute_values import attribute_type, constant_tensor
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import EMPTY, Body, FlatModel, FlatNode, Frame, FunctionKey, ValueKind
from younger_hf.extract.operator_rules import SHAPE_PRESERVING, WEIGHT_INPUT
from younger_hf.extract.operators import DEFAULT_DOMAIN, canonical_operator, normal_domain
from younger_hf.extract.order import topological_order
from younger_hf.graph import MAX_NODES, MAX_SLOT, Operator


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
        self.own: dict[str, int] = {"": EMPTY}
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
        self.source: dict[int, int] = {}
        self.alias: dict[int, int] = {}
        self.tensor: dict[int, TensorProto] = {}
        self.constant_node: dict[int, NodeProto] = {}
        self.called: set[FunctionKey] = set()
        self.shapes: dict[int, list[int]] = {}
        self.unsized: list[tuple[FlatNode, str, Sequence[AttributeProto]]] = []

    def run(self) -> FlatModel:
        self._refuse_too_large()
        frame = Frame(_opsets(self.model.opset_import))
        main = self._graph(self.model.graph, None, frame, "")
        if self.alias:
            self._settle(main)
        self._size_kernels()
        return FlatModel(
            self.name,
            main,
            topological_order(main, self.producer, self.source, self.name),
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

    def _value(self, kind: ValueKind) -> int:
        self._add(kind, 1)
        return len(self.kind) - 1

    def _add(self, kind: ValueKind, count: int) -> None:
        """Number values that no node makes."""
        self.kind += [kind] * count
        self.producer += [None] * count
        self.slot += [0] * count

    def _define(self, names: _Names, name: str, value: int) -> None:
        if not name:
            return  # it cannot be used
        if name in names.own:
            raise self._error(f"two nodes or inputs make the value {name!r}")
        names.own[name] = value

    def _graph(self, graph: GraphProto, outer: _Names | None, frame: Frame, attribute: str) -> Body:
        names = _Names(outer, [])
        inputs = []
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        for sparse in graph.sparse_initializer:
            dense = TensorProto(name=sparse.values.name, data_type=sparse.values.data_type, dims=sparse.dims)
            tensors[dense.name] = dense
        first = len(self.kind)
        self._add(ValueKind.TENSOR, len(tensors))
        names.tensors.extend(range(first, len(self.kind)))
        names.own |= {name: value for name, value in zip(tensors, names.tensors, strict=True) if name}
        self.tensor.update(zip(names.tensors, tensors.values(), strict=True))
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

    def _nodes(self, protos: Iterable[NodeProto], names: _Names, frame: Frame) -> list[FlatNode]:
        """Two passes, so that a node may use what a later one makes: files are not always sorted."""
        pending: list[tuple[NodeProto, FlatNode | list[int], str, str]] = []
        for proto in protos:
            op_type = proto.op_type
            domain = normal_domain(proto.domain)
            if op_type == "Constant" and domain == DEFAULT_DOMAIN:
                self._constant(proto, names, frame)
                continue
            outputs: list[int] = []
            if self.functions and (domain, op_type, proto.overload) in self.functions:
                for name in proto.output:
                    value = self._value(ValueKind.UNKNOWN) if name else EMPTY
                    if name:
                        self._define(names, name, value)
                    outputs.append(value)
                pending.append((proto, outputs, domain, op_type))
                continue
            node = FlatNode(_NOT_READ, frame.opsets.get(domain, 1), [], outputs, proto, frame, [])
            self._make(node, proto.output[:], names.own)
            pending.append((proto, node, domain, op_type))
        nodes: list[FlatNode] = []
        for proto, target, domain, op_type in pending:
            inputs = self._lookup_all(names, proto.input[:])
            if isinstance(target, FlatNode):
                self._finish(proto, target, domain, op_type, inputs, names)
                nodes.append(target)
            else:
                self.called.add((domain, op_type, proto.overload))
                function = self.functions[domain, op_type, proto.overload]
                nodes.extend(self._call(function, proto, inputs, target, names, frame))
        return nodes

    def _make(self, node: FlatNode, outputs: list[str], own: dict[str, int]) -> None:
        """Give a node its outputs."""
        kind, value = self.kind, len(self.kind)
        for slot, name in enumerate(outputs):
            if not name:
                node.outputs.append(EMPTY)
                continue
            if name in own:
                raise self._error(f"two nodes or inputs make the value {name!r}")
            own[name] = value
            node.outputs.append(value)
            kind.append(ValueKind.NODE)
            self.producer.append(node)
            self.slot.append(slot)
            value += 1

    def _lookup(self, names: _Names, name: str) -> int:
        value = names.get(name) if name else None
        if value is None:
            raise self._error(f"nothing makes the value {name!r}, which is used")
        return value

    def _lookup_all(self, names: _Names, wanted: list[str]) -> list[int]:
        own = names.own
        try:
            return [own[name] for name in wanted]
        except KeyError:  # what is outside, or nowhere
            return [self._lookup(names, name) if name else EMPTY for name in wanted]

    def _finish(
        self, proto: NodeProto, node: FlatNode, domain: str, op_type: str, inputs: list[int], names: _Names
    ) -> None:
        while inputs and inputs[-1] == EMPTY:
            inputs.pop()
        node.inputs = inputs
        attributes = _bind(proto.attribute, node.frame)
        described_by = WEIGHT_INPUT.get(op_type) if domain == DEFAULT_DOMAIN else None
        content: list[bytes] = []
        for attribute in attributes:
            if attribute.type not in _NO_GRAPH and attribute_type(attribute) in ("GRAPH", "GRAPHS"):
                self._bodies(node, op_type, domain, attributes, names)
                break
            content.append(attribute.SerializeToString())
        if described_by and all(attribute.name != described_by[0] for attribute in attributes):
            self.unsized.append((node, op_type, attributes))
        elif node.bodies or sum(map(len, content)) > _LONGEST_KNOWN:
            node.operator = canonical_operator(domain, op_type, node.opset, attributes, _no_shape)
        else:
            node.operator = _known_operator(domain, op_type, node.opset, *content)
        slots = len(inputs) + sum(len(body.outputs) for body in node.bodies) if node.bodies else len(inputs)
        if slots > MAX_SLOT + 1 or len(node.outputs) > MAX_SLOT + 1:
            raise self._error(f"a {op_type} node has more than {MAX_SLOT + 1} input or output slots")

    def _bodies(
        self,
        node: FlatNode,
        op_type: str,
        domain: str,
        attributes: Iterable[AttributeProto],
        names: _Names,
    ) -> None:
        """Read the bodies, in attribute-name order, and link their formal inputs to what the owner hands in."""
        first_formal, shift = 0, None
        if domain == DEFAULT_DOMAIN:
            if op_type == "Loop":  # the iteration number and the condition come from the loop itself
                first_formal, shift = 2, 0
            elif op_type in ("Scan", "SequenceMap"):  # Scan 8 takes sequence_lens before its states
                shift = 1 if op_type == "Scan" and node.opset < 9 else 0
        graphs = [attribute for attribute in attributes if attribute_type(attribute) in ("GRAPH", "GRAPHS")]
        for attribute in sorted(graphs, key=lambda a: a.name):
            for graph in [attribute.g] if attribute_type(attribute) == "GRAPH" else attribute.graphs:
                body = self._graph(graph, names, node.frame, attribute.name)
                node.bodies.append(body)
                if shift is not None:
                    for formal, value in zip(
                        body.inputs[first_formal:], node.inputs[first_formal + shift :], strict=False
                    ):
                        self.source[formal] = value

    def _constant(self, proto: NodeProto, names: _Names, frame: Frame) -> None:
        if len(proto.output) != 1 or not proto.output[0]:
            raise self._error("a Constant must have one output")
        value = self._value(ValueKind.TENSOR)
        self.tensor[value] = constant_tensor(_bind(proto.attribute, frame))
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
        frame: Frame,
    ) -> list[FlatNode]:
        """The nodes of a function's body, in the caller's place."""
        bound = {attribute.name: attribute for attribute in function.attribute_proto}
        bound |= {attribute.name: attribute for attribute in _bind(proto.attribute, frame)}
        names = _Names(None, caller.tensors)
        for position, formal in enumerate(function.input):
            if formal:
                names.own[formal] = inputs[position] if position < len(inputs) else EMPTY
        inner = Frame(_opsets(function.opset_import), bound, frame.metadata_of(proto), frame.name_of(proto))
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
                    if formal in self.source:
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
            while value in self.source:
                value = self.source[value]
            if value == EMPTY or self.kind[value] == ValueKind.FORMAL:
                return None
            if value in self.tensor:
                return list(self.tensor[value].dims)
            node = self.producer[value]
            if node is None or node.operator.op_type not in SHAPE_PRESERVING or not node.inputs:
                return self.shapes.get(value)
            value = node.inputs[0]
        return None

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
_LONGEST_KNOWN: Final = 1 << 10  # bytes of attributes, so that what is kept of models is bounded
_NO_GRAPH: Final = frozenset(AttributeProto.AttributeType.values()) - {
    AttributeProto.UNDEFINED,
    AttributeProto.GRAPH,
    AttributeProto.GRAPHS,
}


def _no_shape(_: int) -> None:
    return None


# Most nodes are like one that was seen before, in this model or in another.
@lru_cache(1 << 14)
def _known_operator(domain: str, op_type: str, opset: int, *attributes: bytes) -> Operator:
    return canonical_operator(domain, op_type, opset, map(AttributeProto.FromString, attributes), _no_shape)


def _opsets(imports: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    return {normal_domain(entry.domain): entry.version for entry in imports}


def _bind(attributes: Sequence[AttributeProto], frame: Frame) -> Sequence[AttributeProto]:
    """Attributes with references to those of the function call replaced; a reference to nothing is left out."""
    bound = frame.bound
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


def _static_shape(proto: ValueInfoProto) -> list[int] | None:
    """The shape of a graph input if every dimension is a number."""
    if not proto.type.tensor_type.HasField("shape"):
        return None
    dims = proto.type.tensor_type.shape.dim
    return [dim.dim_value for dim in dims] if all(dim.HasField("dim_value") for dim in dims) else None
