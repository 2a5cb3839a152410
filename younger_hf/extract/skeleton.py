"""The skeleton: a weightless ModelProto, built anew from a `FlatModel`.

Nothing is copied from the model that was read: nodes come from canonical operators, types and shapes are spelt out
field by field, every name is given here. What a file hides in names, doc strings, metadata, unknown fields or
attributes has no way in.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
)

from younger_hf.extract.attribute_values import element_name
from younger_hf.extract.constants import TensorRoles, constant_value, tensor_roles
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import EMPTY, Body, FlatModel, FlatNode
from younger_hf.extract.operators import attribute_protos, body_names, operator_schema

# Initializers that are no graph inputs came with version 4 of the file format, local functions with version 8.
_MIN_IR_VERSION = 4
_MIN_IR_VERSION_WITH_FUNCTIONS = 8
_WRAPPER_DOMAIN = "younger"


def skeleton(flat: FlatModel) -> ModelProto:
    """Build the skeleton. Extracting it gives the fingerprint and skeleton_fingerprint of the model itself.

    Raises:
        InvalidModelError: a control-flow node of a local function means another operator than in the model's opset,
            which no ONNX file without that function can say.
    """
    return _Builder(flat).build()


def skeleton_nodes(flat: FlatModel) -> Iterator[FlatNode]:
    """The nodes in the order in which flattening the skeleton gives them."""
    yield from _in_order(flat.main)


def _in_order(body: Body) -> Iterator[FlatNode]:
    for node in sorted(body.nodes, key=lambda node: node.index):
        for inner in node.bodies:
            yield from _in_order(inner)
        yield node


class _Builder:
    def __init__(self, flat: FlatModel) -> None:
        self.flat = flat
        self.roles = tensor_roles(flat)
        self.uses = _uses(flat, self.roles)
        self.names: dict[int, str] = {EMPTY: ""}
        self.constants: dict[int, str] = {}
        self.dims: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.wrappers: dict[tuple[object, ...], FunctionProto] = {}
        self.opsets = dict(flat.opsets)
        for node in flat.nodes:
            self.opsets.setdefault(node.operator.domain, node.opset)

    def build(self) -> ModelProto:
        graph = self._graph(self.flat.main)
        ir_version = max(self.flat.ir_version, _MIN_IR_VERSION)
        if self.wrappers:
            ir_version = max(ir_version, _MIN_IR_VERSION_WITH_FUNCTIONS)
            self.opsets[_WRAPPER_DOMAIN] = 1
        model = ModelProto(ir_version=ir_version, graph=graph, functions=self.wrappers.values())
        used = {node.operator.domain for node in self.flat.nodes} | {"", _WRAPPER_DOMAIN}
        for domain, version in sorted(self.opsets.items()):
            if domain in used:
                model.opset_import.append(OperatorSetIdProto(domain=domain, version=version))
        return model

    def _name(self, value: int, prefix: str) -> str:
        """The value's name, given when it is first met: v0, v1, … in topological order."""
        if value not in self.names:
            self.names[value] = self._new_name(prefix)
        return self.names[value]

    def _new_name(self, prefix: str) -> str:
        count = self.counts.get(prefix, 0)
        self.counts[prefix] = count + 1
        return f"{prefix}{count}"

    def _graph(self, body: Body) -> GraphProto:
        graph = GraphProto(name="g")
        prefix = "f" if body.attribute else "in"
        for value, proto in zip(body.inputs, body.input_protos, strict=True):
            graph.input.append(ValueInfoProto(name=self._name(value, prefix), type=self._type(proto.type)))
        # In the order of their first use: converters declare them in any order, even from run to run.
        graph.initializer.extend(self._tensor(*use) for use in self.uses.get(id(body), ()))
        for node in sorted(body.nodes, key=lambda node: node.index):
            graph.node.append(self._node(node))
        declared = set()
        for value, proto in zip(body.outputs, body.output_protos, strict=True):
            if value not in declared or body.attribute:
                declared.add(value)
                graph.output.append(ValueInfoProto(name=self.names[value], type=self._type(proto.type)))
        return graph

    def _tensor(self, value: int, structural: bool) -> TensorProto:
        """What a tensor is as a constant, with its values, or as a parameter, without."""
        tensor = self.flat.tensor[value]
        names, prefix = (self.constants, "c") if structural else (self.names, "p")
        result = constant_value(self.flat, value, self.roles) if structural else None
        if result is None:
            data_type = TensorProto.DataType.Value(element_name(tensor.data_type))
            result = TensorProto(data_type=data_type, dims=tensor.dims)
        result.name = names[value] = self._new_name(prefix)
        return result

    def _input(self, node: FlatNode, slot: int) -> str:
        value = node.inputs[slot]
        structural = (node.index, slot) in self.roles.structural_uses
        return self.constants[value] if structural else self.names[value]

    def _node(self, node: FlatNode) -> NodeProto:
        operator = node.operator
        op_type, domain = operator.op_type, operator.domain
        bodies = [(body.attribute, self._graph(body)) for body in node.bodies]
        inputs = [self._input(node, slot) for slot in range(len(node.inputs))]
        outputs = [self._name(value, "v") for value in node.outputs]
        schema = operator_schema(domain, op_type, node.opset)
        if schema is None:
            renamed = body_names(name for name, _ in bodies)
            bodies = [(renamed[name], graph) for name, graph in bodies]
        attributes = attribute_protos(operator, node.opset) + _graph_attributes(bodies)
        if schema is not None:
            inputs += [""] * (schema.min_inputs - len(inputs))  # Loop must name its condition to leave it out
            here = operator_schema(domain, op_type, self.opsets[domain])
            if here is None or here.since_version != schema.since_version:
                op_type, domain, attributes = self._wrap(node, attributes), _WRAPPER_DOMAIN, []
        return NodeProto(op_type=op_type, domain=domain, input=inputs, output=outputs, attribute=attributes)

    def _wrap(self, node: FlatNode, attributes: list[AttributeProto]) -> str:
        """The name of a local function that holds this one node under the opset that it means."""
        operator = node.operator
        if node.bodies:
            reason = f"a {operator.op_type} node in a local function means another version than the model imports"
            raise InvalidModelError(self.flat.name, None, reason)
        inputs = [f"x{slot}" if value != EMPTY else "" for slot, value in enumerate(node.inputs)]
        outputs = [f"y{slot}" if value != EMPTY else "" for slot, value in enumerate(node.outputs)]
        key = (operator, node.opset, tuple(inputs), tuple(outputs))
        if key not in self.wrappers:
            inner = NodeProto(
                op_type=operator.op_type, domain=operator.domain, input=inputs, output=outputs, attribute=attributes
            )
            self.wrappers[key] = FunctionProto(
                domain=_WRAPPER_DOMAIN,
                name=f"{operator.op_type}_{len(self.wrappers)}",
                input=[f"x{slot}" for slot in range(len(inputs))],
                output=[f"y{slot}" for slot in range(len(outputs)) if outputs[slot]],
                node=[inner],
                opset_import=[OperatorSetIdProto(domain=operator.domain, version=node.opset)],
            )
        return self.wrappers[key].name

    def _type(self, proto: TypeProto) -> TypeProto:
        """The type with element types and static dimensions; symbols become d0, d1, …, the same for the same."""
        clean = TypeProto()
        for kind in ("tensor_type", "sparse_tensor_type"):
            if proto.HasField(kind):
                tensor, target = getattr(proto, kind), getattr(clean, kind)
                target.elem_type = TensorProto.DataType.Value(element_name(tensor.elem_type))
                if tensor.HasField("shape"):
                    target.shape.SetInParent()
                    for dim in tensor.shape.dim:
                        entry = target.shape.dim.add()
                        if dim.HasField("dim_value"):
                            entry.dim_value = dim.dim_value
                        elif dim.dim_param:
                            entry.dim_param = self.dims.setdefault(dim.dim_param, f"d{len(self.dims)}")
        for kind in ("sequence_type", "optional_type"):
            if proto.HasField(kind):
                getattr(clean, kind).elem_type.CopyFrom(self._type(getattr(proto, kind).elem_type))
        if proto.HasField("map_type"):
            clean.map_type.key_type = TensorProto.DataType.Value(element_name(proto.map_type.key_type))
            clean.map_type.value_type.CopyFrom(self._type(proto.map_type.value_type))
        return clean


def _uses(flat: FlatModel, roles: TensorRoles) -> dict[int, list[tuple[int, bool]]]:
    """(tensor, whether it is used as structure), by first use: nodes in topological order, then what graphs give.

    Those of the tensors that stand in each body, by the body's id.
    """
    uses = (
        (value, (node.index, slot) in roles.structural_uses)
        for node in flat.nodes
        for slot, value in enumerate(node.inputs)
        if value in flat.tensor
    )
    bodies = [flat.main, *(body for node in flat.nodes for body in node.bodies)]
    given = ((value, False) for body in bodies for value in body.outputs if value in flat.tensor)
    body_of = {value: id(body) for body in bodies for value in body.tensors}
    found: dict[int, list[tuple[int, bool]]] = {}
    for use in dict.fromkeys(chain(uses, given)):
        found.setdefault(body_of[use[0]], []).append(use)
    return found


def _graph_attributes(bodies: list[tuple[str, GraphProto]]) -> list[AttributeProto]:
    """One attribute a name; several bodies of one name make a list."""
    grouped: dict[str, list[GraphProto]] = {}
    for name, graph in bodies:
        grouped.setdefault(name, []).append(graph)
    return [
        AttributeProto(name=name, type=AttributeProto.GRAPH, g=graphs[0])
        if len(graphs) == 1
        else AttributeProto(name=name, type=AttributeProto.GRAPHS, graphs=graphs)
        for name, graphs in grouped.items()
    ]
