"""Shapes and element types of a network's values, by ONNX's own shape inference."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import onnx
from onnx import AttributeProto, GraphProto, TensorProto, ValueInfoProto

from younger_hf.recognise.flat import shape_of
from younger_hf.recognise.matching import integers
from younger_hf.recognise.network import OPSET, Network, Node, Shape, Value
from younger_hf.recognise.proto import single_node, write_proto


def infer_shapes(network: Network, opset: int = OPSET) -> None:
    """Tell each value the shape and the element type that follow from the graph inputs and the tensors.

    What is known of a value already stays unless more is found out. A model that the inference cannot make sense of
    keeps what is known.

    Args:
        network: a model.
        opset: the version of the default domain that its nodes mean; of those that mean another nothing is found out.
    """
    model, values = write_proto(network, opset=opset)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return
    for proto in _declarations([inferred.graph]):
        value = values.get(proto.name)
        if value is None or value.is_tensor:
            continue
        shape, dtype = shape_of(proto.type)
        value.shape = _known_of(value.shape, shape)
        value.dtype = value.dtype or dtype


def output_shapes(network: Network) -> list[list[str | None]]:
    """Element type and shape of what each node makes, as in `float[1,64,56,56]`; None where not all of it is known.

    Args:
        network: one that was just read, its shapes inferred.

    Returns:
        By node, in the order of its `FlatModel`, and by output slot.
    """
    return [[_written(value) for value in node.outputs] for node in network.ordered_nodes()]


def _written(value: Value | None) -> str | None:
    dims = None if value is None else value.static_shape
    if value is None or dims is None or not value.dtype:
        return None
    return f"{TensorProto.DataType.Name(value.dtype).lower()}[{','.join(map(str, dims))}]"


def infer_node(node: Node) -> None:
    """Tell the outputs of one node their shapes and element types, where the shapes of all of its inputs are known.

    What a rule found out about a node's inputs reaches its consumers in this way, within one sweep. A Slice leaves the
    axes that it does not name as they are, whatever they are called: ONNX's inference forgets their names.
    """
    if not node.op_type or node.bodies:
        return
    if node.op_type == "Slice":
        _keep_names(node)
    if all(value is None or (value.static_shape is not None and value.dtype) for value in node.outputs):
        return
    types, data = {}, {}
    for slot, value in enumerate(node.inputs):
        if value is None:
            continue
        dims = value.static_shape
        if dims is None or not value.dtype:
            return
        types[f"x{slot}"] = onnx.helper.make_tensor_type_proto(value.dtype, dims)
        if value.array is not None:
            data[f"x{slot}"] = onnx.numpy_helper.from_array(value.array, f"x{slot}")
    schema = onnx.defs.get_schema(node.op_type, OPSET)
    try:
        found = onnx.shape_inference.infer_node_outputs(schema, single_node(node), types, data)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError, KeyError):
        return
    for slot, value in enumerate(node.outputs):
        proto = found.get(f"y{slot}")
        if value is not None and proto is not None:
            shape, dtype = shape_of(proto)
            value.shape = _known_of(value.shape, shape)
            value.dtype = value.dtype or dtype


def _keep_names(cut: Node) -> None:
    before, axes, output = getattr(cut.inputs[0], "shape", None), integers(cut.input(3)), cut.output
    if before is None or axes is None or output.shape is None or len(output.shape) != len(before):
        return
    named = {axis % len(before) for axis in axes}
    output.shape = tuple(
        new if at in named else old for at, (old, new) in enumerate(zip(before, output.shape, strict=True))
    )


def _known_of(old: Shape | None, new: Shape | None) -> Shape | None:
    """What two descriptions of one shape say together."""
    if old is None or new is None:
        return new if old is None else old
    if len(old) != len(new):
        return old
    return tuple(
        a if isinstance(a, int) or b is None or (a is not None and not isinstance(b, int)) else b
        for a, b in zip(old, new, strict=True)
    )


def _declarations(graphs: Iterable[GraphProto]) -> Iterable[ValueInfoProto]:
    stack = [*graphs]
    while stack:
        graph = stack.pop()
        yield from chain(graph.value_info, graph.output)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH:
                    stack.append(attribute.g)
                elif attribute.type == AttributeProto.GRAPHS:
                    stack.extend(attribute.graphs)
