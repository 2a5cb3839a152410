"""From a `FlatModel` to a `Network` and back."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, TypeProto

from younger_hf.extract.constants import constant_value, tensor_roles
from younger_hf.extract.flat_model import EMPTY, Body, FlatModel, FlatNode, Frame, ValueKind
from younger_hf.extract.flatten import flatten
from younger_hf.extract.order import topological_order
from younger_hf.graph import IntArray
from younger_hf.recognise.network import OPSET, Network, NetworkBody, Node, Shape, Value

_NO_FRAME: Final = Frame({})
_NO_PROTO: Final = NodeProto()


def read_network(model: ModelProto, name: str = "the model", modules: IntArray | None = None) -> Network:
    """Read a model; tensors keep a reference to their payload, which nothing but a proof by execution looks at.

    Args:
        model: what to read.
        name: what an error calls it.
        modules: int64 [N], for each node of the `FlatModel` the module that it is from.

    Raises:
        InvalidModelError: the model is not sound, see `younger_hf.extract.flatten`.
    """
    return _Reader(flatten(model, name), modules).read()


class _Reader:
    def __init__(self, flat: FlatModel, modules: IntArray | None) -> None:
        self.flat = flat
        self.modules = None if modules is None or len(modules) != len(flat.nodes) else modules.tolist()
        self.roles = tensor_roles(flat)
        self.values = [Value(kind) for kind in flat.kind]
        self.constants: dict[int, Value] = {}
        self.nodes: dict[int, Node] = {}
        for number, tensor in flat.tensor.items():
            _describe(self.values[number], tensor)

    def read(self) -> Network:
        flat = self.flat
        main = self._body(flat.main)
        for owner in flat.nodes:
            slots = {number: slot for slot, number in reversed([*enumerate(owner.inputs)])} if owner.bodies else {}
            for formal in (formal for body in owner.bodies for formal in body.inputs if formal in flat.source):
                slot = slots.get(flat.source[formal])
                self.values[formal].feeds = None if slot is None else (self.nodes[owner.index], slot)
        return Network(flat.name, main, dict(flat.opsets), flat.ir_version)

    def _body(self, body: Body) -> NetworkBody:
        inputs = [self.values[number] for number in body.inputs]
        for value, proto in zip(inputs, body.input_protos, strict=True):
            value.shape, value.dtype = shape_of(proto.type)
        result = NetworkBody(body.attribute, inputs, [], [], [*body.input_protos], [*body.output_protos])
        for flat_node in sorted(body.nodes, key=lambda node: node.index):
            result.nodes.append(self._node(flat_node, result))
        for number in body.outputs:
            value = self.values[number]
            value.returned += 1
            result.outputs.append(value)
        return result

    def _node(self, flat_node: FlatNode, home: NetworkBody) -> Node:
        inputs = [self._input(flat_node, slot, number) for slot, number in enumerate(flat_node.inputs)]
        outputs = [None if number == EMPTY else self.values[number] for number in flat_node.outputs]
        node = Node(flat_node.operator, flat_node.opset, inputs, outputs, home)
        node.module = -1 if self.modules is None else self.modules[flat_node.index]
        self.nodes[flat_node.index] = node
        for used in inputs:
            if used is not None:
                used.users[node] = used.users.get(node, 0) + 1
        for slot, value in enumerate(outputs):
            if value is not None:
                value.producer, value.slot = node, slot
        node.bodies = [self._body(body) for body in flat_node.bodies]
        return node

    def _input(self, flat_node: FlatNode, slot: int, number: int) -> Value | None:
        """A tensor that is used both as structure and as a parameter is two values."""
        if number == EMPTY:
            return None
        if (flat_node.index, slot) not in self.roles.structural_uses:
            return self.values[number]
        if number not in self.constants:
            tensor = self.flat.tensor[number]
            kept = constant_value(self.flat, number, self.roles)
            value = self.constants[number] = Value(ValueKind.TENSOR)
            _describe(value, tensor)
            if kept is not None:
                value.array = onnx.numpy_helper.to_array(kept)
        return self.constants[number]


def _describe(value: Value, tensor: TensorProto) -> None:
    value.tensor = tensor
    value.shape, value.dtype = tuple(tensor.dims), tensor.data_type


def shape_of(proto: TypeProto) -> tuple[Shape | None, int]:
    """The dimensions and the element type that a declaration gives."""
    if not proto.HasField("tensor_type"):
        return None, 0
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return None, tensor.elem_type
    dims = (
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None if dim.HasField("dim_param") else None)
        for dim in tensor.shape.dim
    )
    return tuple(dims), tensor.elem_type


def write_flat(network: Network) -> FlatModel:
    """The network as a `FlatModel`, from which a skeleton or an operator graph is made."""
    return _Writer(network).write()


def write_flat_with_modules(network: Network) -> tuple[FlatModel, IntArray]:
    """As `write_flat`; and for each node of the `FlatModel` the module that it is from, int64 [N]."""
    writer = _Writer(network)
    flat = writer.write()
    return flat, np.array([writer.module[id(node)] for node in flat.nodes], np.int64)


class _Writer:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.number: dict[Value, int] = {}
        self.kind: list[ValueKind] = []
        self.producer: list[FlatNode | None] = []
        self.slot: list[int] = []
        self.source: dict[int, int] = {}
        self.tensor: dict[int, TensorProto] = {}
        self.tensors: list[int] = []
        self.module: dict[int, int] = {}

    def write(self) -> FlatModel:
        main = self._body(self.network.main)
        for value, number in list(self.number.items()):
            if value.feeds is not None:
                owner, slot = value.feeds
                fed = owner.input(slot)
                if fed is not None:
                    self.source[number] = self._number(fed)
        nodes = topological_order(main, self.producer, self.source, self.network.name)
        opsets = {**self.network.opsets, "": OPSET}
        return FlatModel(
            self.network.name,
            main,
            nodes,
            self.kind,
            self.producer,
            self.slot,
            self.source,
            self.tensor,
            {},
            frozenset(),
            opsets,
            max(self.network.ir_version, _MIN_IR_VERSION),
        )

    def _number(self, value: Value | None) -> int:
        if value is None:
            return EMPTY
        if value not in self.number:
            number = self.number[value] = len(self.kind)
            self.kind.append(value.kind)
            self.producer.append(None)
            self.slot.append(value.slot)
            if value.is_tensor:
                self.tensor[number] = _tensor(value)
                self.tensors.append(number)
        return self.number[value]

    def _body(self, body: NetworkBody) -> Body:
        """Tensors stand in the main graph, whose values every body sees; but what a body returns is its own."""
        inputs = [self._number(value) for value in body.inputs]
        nodes = [self._node(node) for node in body.nodes]
        outputs = [self._number(value) for value in body.outputs]
        tensors = self.tensors
        if body.attribute:
            tensors = [number for number in dict.fromkeys(outputs) if number in self.tensor]
            self.tensors[:] = [number for number in self.tensors if number not in tensors]
        return Body(body.attribute, inputs, outputs, tensors, nodes, body.input_protos, body.output_protos)

    def _node(self, node: Node) -> FlatNode:
        inputs = [self._number(value) for value in node.inputs]
        operator = node.operator
        flat_node = FlatNode(
            operator.domain, operator.op_type, node.opset, inputs, [], _NO_PROTO, _NO_FRAME, [], operator=operator
        )
        self.module[id(flat_node)] = node.module
        for value in node.outputs:
            number = self._number(value)
            flat_node.outputs.append(number)
            if number != EMPTY:
                self.producer[number] = flat_node
        flat_node.bodies = [self._body(body) for body in node.bodies]
        return flat_node


_MIN_IR_VERSION: Final = 10


def _tensor(value: Value) -> TensorProto:
    if value.array is not None:
        return onnx.numpy_helper.from_array(value.array)
    dims = [dim if isinstance(dim, int) else 0 for dim in value.shape or ()]
    return TensorProto(data_type=value.dtype, dims=dims)
