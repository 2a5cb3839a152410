"""What the tests of the weightless reader share: what it must keep, a model with everything in it, messages by hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, SparseTensorProto, TensorProto, helper

from younger_hf.extract.wire import encode_varint

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
ALEXNET = DATA / "light" / "light_bvlc_alexnet.onnx"
SECRET = "the-secret-of-the-owner"
PAYLOADS = ("raw_data", "float_data", "int32_data", "int64_data", "uint64_data", "double_data", "string_data")


# What the reader must keep, written down a second time with protobuf's own means.


def reduced(model: ModelProto) -> ModelProto:
    """The model without what `load_weightless` leaves out."""
    bare = ModelProto()
    bare.CopyFrom(model)
    bare.DiscardUnknownFields()
    keep(bare, "ir_version", "opset_import", "graph", "functions")
    reduce_graph(bare.graph)
    for function in bare.functions:
        for name in ("doc_string", "value_info", "metadata_props"):
            function.ClearField(name)
        reduce_attributes(function.attribute_proto)
        reduce_nodes(function.node)
    return bare


def keep(message: Any, *names: str) -> None:
    for described, _ in message.ListFields():
        if described.name not in names:
            message.ClearField(described.name)


def reduce_graph(graph: onnx.GraphProto) -> None:
    keep(graph, "node", "name", "initializer", "sparse_initializer", "input", "output")
    for value in (*graph.input, *graph.output):
        keep(value, "name", "type")
    for tensor in graph.initializer:
        reduce_tensor(tensor)
    for sparse in graph.sparse_initializer:
        reduce_sparse(sparse)
    reduce_nodes(graph.node)


def reduce_nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        for name in ("doc_string", "metadata_props", "device_configurations"):
            node.ClearField(name)
        reduce_attributes(node.attribute)


def reduce_attributes(attributes: Iterable[AttributeProto]) -> None:
    for attribute in attributes:
        attribute.ClearField("doc_string")
        for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
            reduce_tensor(tensor)
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            reduce_graph(graph)
        if attribute.HasField("sparse_tensor"):
            reduce_sparse(attribute.sparse_tensor)
        for sparse in attribute.sparse_tensors:
            reduce_sparse(sparse)


def reduce_sparse(sparse: SparseTensorProto) -> None:
    keep(sparse.values, "dims", "data_type", "name")
    keep(sparse.indices, "dims", "data_type", "name")


def reduce_tensor(tensor: TensorProto) -> None:
    payload = TensorProto()
    payload.CopyFrom(tensor)
    keep(payload, *PAYLOADS)
    small = int(np.prod(tensor.dims, dtype=object)) <= 64 and payload.ByteSize() <= 704
    inline = tensor.data_location != TensorProto.EXTERNAL
    keep(tensor, "dims", "data_type", "name", *(PAYLOADS if small and inline else ()))


def everything() -> ModelProto:
    """A model with every kind of thing that a reader walks through, and a secret in whatever it must drop."""
    small = helper.make_tensor("small", TensorProto.INT64, [3], [2, -1, 300])
    large = helper.make_tensor("large", TensorProto.FLOAT, [13, 5], np.arange(65.0))
    words = helper.make_tensor("words", TensorProto.STRING, [65], [SECRET] * 65)
    outside = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value=f"../{SECRET}.bin")
    for tensor in (small, large):
        tensor.doc_string = SECRET
        tensor.metadata_props.add(key="owner", value=SECRET)
    values = helper.make_tensor("values", TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [2], [1, 6])
    sparse = helper.make_sparse_tensor(values, indices, [4, 2])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, None], doc_string=SECRET)
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    many = helper.make_sequence_type_proto(helper.make_optional_type_proto(image.type))

    def branch(op_type: str) -> onnx.GraphProto:
        node = helper.make_node(op_type, ["image", "weight"], ["inner"], name="größe", doc_string=SECRET)
        weight = helper.make_tensor("weight", TensorProto.FLOAT, [70], np.ones(70))
        inner = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
        return helper.make_graph([node], "branch", [], [inner], [weight, small], doc_string=SECRET)

    choice = helper.make_node("If", ["flag"], ["chosen"], then_branch=branch("Add"), else_branch=branch("Sub"))
    choice.metadata_props.add(key="stack_trace", value=SECRET * 100)
    odd = helper.make_node("Odd", ["chosen", "", "large"], ["odd"], domain="com.example", overload="second")
    odd.attribute.extend(
        [
            helper.make_attribute("floats", [0.5] * 100, doc_string=SECRET),
            helper.make_attribute("ints", [*range(-50, 50)]),
            helper.make_attribute("strings", ["a", "", "ü" * 100]),
            helper.make_attribute("types", [many]),
            helper.make_attribute("type", image.type),
            helper.make_attribute("tensors", [small, large, words, outside]),
            helper.make_attribute("sparse", sparse),
            helper.make_attribute("sparses", [sparse, sparse]),
            helper.make_attribute("graphs", [branch("Mul"), branch("Div")]),
        ]
    )
    constant = helper.make_node("Constant", [], ["c"], value=large)
    call = helper.make_node("Twice", ["odd"], ["result"], domain="local")
    body = [helper.make_node("Add", ["x", "x"], ["y"], doc_string=SECRET), constant]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1), helper.make_opsetid("com.example", 3)]
    twice = helper.make_function("local", "Twice", ["x"], ["y"], body, opsets, ["alpha"], doc_string=SECRET)
    twice.attribute_proto.append(helper.make_attribute("beta", small))
    twice.metadata_props.add(key="owner", value=SECRET)
    twice.value_info.append(image)
    graph = helper.make_graph(
        [choice, odd, call], "main", [image, flag], [result], [small, large, words, outside], doc_string=SECRET
    )
    graph.sparse_initializer.append(sparse)
    graph.value_info.append(image)
    graph.quantization_annotation.add(tensor_name=SECRET)
    model = helper.make_model(graph, opset_imports=opsets, functions=[twice], producer_name=SECRET, doc_string=SECRET)
    model.metadata_props.add(key="owner", value=SECRET)
    model.domain = model.producer_version = SECRET
    training = model.training_info.add()
    training.algorithm.CopyFrom(branch("Add"))
    return model


# The wire format by hand: for what no writer writes.


def block(number: int, content: bytes) -> bytes:
    return encode_varint(number << 3 | 2) + encode_varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return encode_varint(field << 3) + encode_varint(value)


def with_initializer(tensor: bytes) -> bytes:
    return block(7, block(5, tensor))


def with_attribute(attribute: bytes) -> bytes:
    return block(7, block(1, block(5, attribute)))


def nested(depth: int) -> bytes:
    """A model whose main graph holds `depth` bodies, one in another."""
    graph = b""
    for _ in range(depth):
        graph = block(1, block(5, block(6, graph)))
    return block(7, graph)


def written(path: Path, content: bytes | ModelProto) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path
