"""From a ModelProto to a `FlatModel`: functions inlined, names resolved to values, bodies linked to their owners.

`flatten` reads the operators of the nodes as well; `flatten_wiring`, for those who need none, does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
)

from younger_hf.extract.attribute_values import attribute_type, constant_tensor
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import EMPTY, Body, FlatModel, FlatNode, Frame, FunctionKey, ValueKind
from younger_hf.extract.node_operators import bound_attributes, read_operators
from younger_hf.extract.operators import DEFAULT_DOMAIN, normal_domain
from younger_hf.extract.order import topological_order
from younger_hf.graph import MAX_NODES, MAX_SLOT
from younger_hf.work import WORK_LIMIT, Work

_CALL: Final = 8  # steps that a call takes, besides its function's inputs, outputs and attributes
_BYTES: Final = 16  # of an attribute that is handed to a function, in a step


def flatten(model: ModelProto, name: str = "the model", work: Work | None = None) -> FlatModel:
    """Read a model's structure: its nodes with their operators, and the values between them.

    Args:
        model: with or without its weights; tensor payloads are not looked at.
        name: what to call the model in an error.
        work: what reading it may take; `WORK_LIMIT` steps if left out.

    Raises:
        InvalidModelError: as `flatten_wiring`.
        WorkLimitError: as `flatten_wiring`.
    """
    flat = flatten_wiring(model, name, work)
    read_operators(flat)
    return flat


def flatten_wiring(model: ModelProto, name: str = "the model", work: Work | None = None) -> FlatModel:
    """Read a model's structure without the operators of its nodes.

    Args:
        model: with or without its weights; tensor payloads are not looked at.
        name: what to call the model in an error.
        work: what reading it may take; `WORK_LIMIT` steps if left out.

    Raises:
        InvalidModelError: a value that nothing makes, or that is made twice; functions that call each other in a
            circle; more than 5 million nodes or 32,767 slots.
        WorkLimitError: the work is spent: few bytes of functions can call up very much.
    """
    try:
        return _Flattener(model, name, Work(WORK_LIMIT) if work is None else work).run()
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
    def __init__(self, model: ModelProto, name: str, work: Work) -> None:
        self.model = model
        self.name = name
        self.work = work
        self.num_nodes = 0
        self.calling: list[FunctionKey] = []
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

    def run(self) -> FlatModel:
        self._refuse_too_large()
        frame = Frame(opset_versions(self.model.opset_import))
        main = self._graph(self.model.graph, None, frame, "")
        if self.alias:
            self._settle(main)
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
        self._spend(1 + len(graph.initializer) + len(graph.sparse_initializer) + len(graph.input) + len(graph.output))
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
            self._define(names, proto.name, value)
            inputs.append(value)
        nodes = self._nodes(graph.node, names, frame)
        outputs = [self._lookup(names, proto.name) for proto in graph.output]
        return Body(attribute, inputs, outputs, names.tensors, nodes, true_inputs, graph.output)

    def _nodes(self, protos: Sequence[NodeProto], names: _Names, frame: Frame) -> list[FlatNode]:
        """The nodes of a graph or function, in file order; a call's are where the call stands.

        They are counted here, where they are built: a function is built at each call, a body wherever it is handed to.
        """
        self._count(protos, frame)
        own, opsets = names.own, frame.opsets
        nodes: list[FlatNode] = []
        calls: list[tuple[int, NodeProto, FunctionKey, list[int]]] = []
        # What has to wait until all values have a name: files are not always sorted.
        unresolved: list[FlatNode] = []
        with_bodies: list[FlatNode] = []
        for proto in protos:
            op_type, domain = proto.op_type, proto.domain
            if domain:
                domain = normal_domain(domain)
            if op_type == "Constant" and domain == DEFAULT_DOMAIN:
                self._constant(proto, names, frame)
                continue
            if self.functions and (key := (domain, op_type, proto.overload)) in self.functions:
                calls.append((len(nodes), proto, key, self._call_outputs(proto, names)))
                continue
            self.num_nodes += 1
            node = FlatNode(domain, op_type, opsets.get(domain, 1), [], [], proto, frame, [])
            nodes.append(node)
            self._make(node, proto.output[:], own)
            try:
                node.inputs = [own[name] for name in proto.input[:]]
            except KeyError:
                unresolved.append(node)
            for attribute in proto.attribute if frame.bound is None else bound_attributes(proto, frame):
                if attribute.type not in _NO_GRAPH:
                    with_bodies.append(node)
                    break
        if self.num_nodes > MAX_NODES:
            raise self._error(f"it has more than {MAX_NODES} nodes, and at most that many are allowed")
        for node in unresolved:
            node.inputs = [self._lookup(names, name) if name else EMPTY for name in node.proto.input]
        for node in nodes:
            inputs = node.inputs
            while inputs and inputs[-1] == EMPTY:
                inputs.pop()
            if len(inputs) > MAX_SLOT + 1 or len(node.outputs) > MAX_SLOT + 1:
                raise self._too_many_slots(node)
        for node in with_bodies:
            self._bodies(node, names)
        return self._with_calls(nodes, calls, names, frame) if calls else nodes

    def _count(self, protos: Sequence[NodeProto], frame: Frame) -> None:
        self._spend(_steps(protos))
        if bound := frame.bound:
            handed = (bound.get(a.ref_attr_name) for proto in protos for a in proto.attribute if a.ref_attr_name)
            self._spend(sum(attribute.ByteSize() for attribute in handed if attribute is not None) // _BYTES)

    def _spend(self, steps: int) -> None:
        self.work.spend(steps, f"reading {self.name}")

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

    def _call_outputs(self, proto: NodeProto, names: _Names) -> list[int]:
        outputs = []
        for name in proto.output:
            value = self._value(ValueKind.UNKNOWN) if name else EMPTY
            self._define(names, name, value)
            outputs.append(value)
        return outputs

    def _with_calls(
        self,
        nodes: list[FlatNode],
        calls: list[tuple[int, NodeProto, FunctionKey, list[int]]],
        names: _Names,
        frame: Frame,
    ) -> list[FlatNode]:
        """Put what functions consist of in the places of their calls."""
        inlined: list[FlatNode] = []
        start = 0
        for end, proto, key, outputs in calls:
            inputs = [self._lookup(names, name) if name else EMPTY for name in proto.input]
            self.called.add(key)
            inlined += nodes[start:end]
            if key in self.calling:
                raise self._error(f"the function {key[1]!r} calls itself")
            self.calling.append(key)
            inlined += self._call(self.functions[key], proto, inputs, outputs, names, frame)
            self.calling.pop()
            start = end
        return inlined + nodes[start:]

    def _lookup(self, names: _Names, name: str) -> int:
        value = names.get(name) if name else None
        if value is None:
            raise self._error(f"nothing makes the value {name!r}, which is used")
        return value

    def _bodies(self, node: FlatNode, names: _Names) -> None:
        """Read the bodies, in attribute-name order, and link their formal inputs to what the owner hands in."""
        first_formal, shift = 0, None
        if node.domain == DEFAULT_DOMAIN:
            if node.op_type == "Loop":  # the iteration number and the condition come from the loop itself
                first_formal, shift = 2, 0
            elif node.op_type in ("Scan", "SequenceMap"):  # Scan 8 takes sequence_lens before its states
                shift = 1 if node.op_type == "Scan" and node.opset < 9 else 0
        attributes = bound_attributes(node.proto, node.frame)
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
        if len(node.inputs) + sum(len(body.outputs) for body in node.bodies) > MAX_SLOT + 1:
            raise self._too_many_slots(node)

    def _too_many_slots(self, node: FlatNode) -> InvalidModelError:
        return self._error(f"a {node.op_type} node has more than {MAX_SLOT + 1} input or output slots")

    def _constant(self, proto: NodeProto, names: _Names, frame: Frame) -> None:
        if len(proto.output) != 1 or not proto.output[0]:
            raise self._error("a Constant must have one output")
        value = self._value(ValueKind.TENSOR)
        self.tensor[value] = constant_tensor(bound_attributes(proto, frame))
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
        self._spend(_call_steps(function))
        bound = {attribute.name: attribute for attribute in function.attribute_proto}
        bound |= {attribute.name: attribute for attribute in bound_attributes(proto, frame)}
        names = _Names(None, caller.tensors)
        for position, formal in enumerate(function.input):
            if formal:
                names.own[formal] = inputs[position] if position < len(inputs) else EMPTY
        inner = Frame(opset_versions(function.opset_import), bound, frame.metadata_of(proto), frame.name_of(proto))
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
        passed: list[int] = []
        while value in self.alias:
            passed.append(value)
            if len(passed) > len(self.alias):
                raise self._error("a function call takes its own output as its input")
            value = self.alias[value]
        if value != EMPTY and self.kind[value] == ValueKind.UNKNOWN:
            raise self._error("a function call gives a value that its function does not make")
        self.alias.update(dict.fromkeys(passed, value))  # a long way is gone once
        return value

    def _refuse_too_large(self) -> None:
        """Refuse at once what functions alone make too large; bodies that are handed on count while they are built."""
        sizes: dict[FunctionKey, tuple[int, int]] = {}
        calling: list[FunctionKey] = []

        def size(nodes: Iterable[NodeProto]) -> tuple[int, int]:
            """How many nodes are built, and the least number of steps that calls of functions take."""
            total, steps = 0, 0
            for node in nodes:
                key = (normal_domain(node.domain), node.op_type, node.overload)
                built, taken = call(key) if key in self.functions else (1, 0)
                total, steps = total + built, steps + taken
                for attribute in node.attribute:
                    for graph in (attribute.g, *attribute.graphs):
                        built, taken = size(graph.node)
                        total, steps = total + built, steps + taken
            return total, steps

        def call(key: FunctionKey) -> tuple[int, int]:
            if key in calling:
                raise self._error(f"the function {key[1]!r} calls itself")
            if key not in sizes:
                calling.append(key)
                function = self.functions[key]
                total, steps = size(function.node)
                sizes[key] = total, steps + _call_steps(function) + _steps(function.node)
                calling.pop()
            return sizes[key]

        total, steps = size(self.model.graph.node) if self.functions else (len(self.model.graph.node), 0)
        if total > MAX_NODES:
            raise self._error(f"it has {total} nodes, and at most {MAX_NODES} are allowed")
        if steps > self.work.left:
            self._spend(steps)


def _steps(nodes: Sequence[NodeProto]) -> int:
    """The steps that building nodes takes, what their functions and bodies hold aside."""
    return sum([1 + len(node.input) + len(node.output) + len(node.attribute) for node in nodes])


def _call_steps(function: FunctionProto) -> int:
    """The steps that a call takes, whatever the function holds."""
    return _CALL + len(function.input) + len(function.output) + len(function.attribute_proto)


_NO_GRAPH: Final = frozenset(AttributeProto.AttributeType.values()) - {
    AttributeProto.UNDEFINED,
    AttributeProto.GRAPH,
    AttributeProto.GRAPHS,
}


def opset_versions(imports: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    """The version that is imported of each domain, by its normal name."""
    return {normal_domain(entry.domain): entry.version for entry in imports}
