"""A `Network` as a ModelProto that says which value is which: for shape inference, and to run with parameters.

Values are called v0, v1, … A tensor is an initializer where its values are given, and a graph input where not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto

from younger_hf.extract.operators import attribute_protos
from younger_hf.graph import Operator
from younger_hf.recognise.network import OPSET, Array, Network, NetworkBody, Node, Shape, Value

_OTHER_OPSET: Final = "younger.other"
"""The domain that a node of the default domain is written in if it means another version than the model says."""

_IR_VERSION: Final = 10

Values = Callable[[Value], Array | None]


def write_proto(
    network: Network, values: Values | None = None, opset: int = OPSET
) -> tuple[ModelProto, dict[str, Value]]:
    """Write a model.

    Args:
        network: what to write.
        values: gives the array of a tensor, if it has one; None for structural constants alone.
        opset: of the default domain.

    Returns:
        The model, and each value by the name that it has there.
    """
    return _Writer(network, values or (lambda value: value.array), opset).write()


class _Writer:
    def __init__(self, network: Network, values: Values, opset: int) -> None:
        self.network = network
        self.opset = opset
        self.values = values
        self.names: dict[Value, str] = {}
        self.initializers: list[TensorProto] = []
        self.open: list[ValueInfoProto] = []
        self.passed_on = 0

    def write(self) -> tuple[ModelProto, dict[str, Value]]:
        graph = self._graph(self.network.main)
        graph.initializer.extend(self.initializers)
        graph.input.extend(self.open)
        opsets = {**self.network.opsets, "": self.opset, _OTHER_OPSET: 1}
        imports = [OperatorSetIdProto(domain=domain, version=version) for domain, version in opsets.items()]
        model = ModelProto(ir_version=_IR_VERSION, graph=graph, opset_import=imports)
        return model, {name: value for value, name in self.names.items()}

    def _name(self, value: Value | None) -> str:
        if value is None:
            return ""
        name = self.names.get(value)
        if name is None:
            name = self.names[value] = f"v{len(self.names)}"
            if value.is_tensor:
                array = self.values(value)
                if array is not None:
                    self.initializers.append(onnx.numpy_helper.from_array(np.asarray(array), name))
                else:
                    self.open.append(_declaration(name, value))
        return name

    def _graph(self, body: NetworkBody) -> GraphProto:
        graph = GraphProto(name="g")
        graph.input.extend(_declaration(self._name(value), value) for value in body.inputs)
        graph.node.extend(self._node(node) for node in body.nodes)
        for value, proto in zip(body.outputs, body.output_protos, strict=True):
            name = self._name(value)
            if body.attribute and value.is_tensor:  # it stands in the main graph, and a body returns its own alone
                self.passed_on += 1
                passed_on = f"t{self.passed_on}"
                graph.node.append(NodeProto(op_type="Identity", input=[name], output=[passed_on]))
                name = passed_on
            graph.output.append(ValueInfoProto(name=name, type=proto.type))
        return graph

    def _node(self, node: Node) -> NodeProto:
        domain = node.operator.domain
        if not domain and node.opset != self.opset:
            domain = _OTHER_OPSET
        attributes = [*_attributes(node.operator, node.opset)]
        if node.unseen:
            attributes = [proto for proto in attributes if proto.name not in node.unseen]
            for name, value in node.unseen.items():
                array = self.values(value)
                if array is not None:
                    number = float(np.asarray(array).reshape(-1)[0])
                    attributes.append(AttributeProto(name=name, type=AttributeProto.FLOAT, f=number))
        for body in node.bodies:
            attributes.append(AttributeProto(name=body.attribute, type=AttributeProto.GRAPH, g=self._graph(body)))
        return NodeProto(
            op_type=node.operator.op_type,
            domain=domain,
            input=[self._name(value) for value in node.inputs],
            output=[self._name(value) for value in node.outputs],
            attribute=attributes,
        )


@lru_cache(maxsize=1 << 14)
def _attributes(operator: Operator, opset: int) -> tuple[AttributeProto, ...]:
    return tuple(attribute_protos(operator, opset))


def _declaration(name: str, value: Value) -> ValueInfoProto:
    proto = ValueInfoProto(name=name)
    tensor = proto.type.tensor_type
    tensor.elem_type = value.dtype or TensorProto.FLOAT
    _set_shape(proto, value.shape)
    return proto


def _set_shape(proto: ValueInfoProto, shape: Shape | None) -> None:
    if shape is None:
        return
    proto.type.tensor_type.shape.SetInParent()
    for dim in shape:
        entry = proto.type.tensor_type.shape.dim.add()
        if isinstance(dim, int):
            entry.dim_value = dim
        elif isinstance(dim, str):
            entry.dim_param = dim


def single_node(node: Node) -> NodeProto:
    """A node without its bodies, whose input slot i is called xi and whose output slot i is called yi."""
    return NodeProto(
        op_type=node.operator.op_type,
        domain=node.operator.domain,
        input=[f"x{slot}" if value is not None else "" for slot, value in enumerate(node.inputs)],
        output=[f"y{slot}" if value is not None else "" for slot, value in enumerate(node.outputs)],
        attribute=_attributes(node.operator, node.opset),
    )


def single_node_model(node: Node, inputs: dict[str, Array]) -> ModelProto:
    """A model of one node, named as by `single_node`, whose first output it gives."""
    graph = GraphProto(name="g", node=[single_node(node)], output=[ValueInfoProto(name="y0")])
    for name, array in inputs.items():
        data_type = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        graph.input.append(onnx.helper.make_tensor_value_info(name, data_type, array.shape))
    opsets = [OperatorSetIdProto(domain="", version=node.opset)]
    return ModelProto(ir_version=_IR_VERSION, graph=graph, opset_import=opsets)
