"""The weightless reader: what it keeps is what `onnx.load` gives, and the rest it does not touch."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, SparseTensorProto, TensorProto, helper

from builders.extract import read_structure
from builders.extract.constants import clear_values
from builders.extract.errors import InvalidModelError
from builders.extract.reader import load_weightless, parse_weightless
from builders.extract.wire import encode_varint
from younger_hf.errors import YoungerError

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


class Witness:
    """A source that is neither bytes nor a mapping, and remembers which bytes it gave away."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.read = np.zeros(len(content), dtype=bool)

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, index: Any) -> Any:
        self.read[index] = True
        return self.content[index]


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ResNet-18 of torchvision as PyTorch's own exporter writes it: 45 MB, stack traces in every node."""
    import torch
    import torchvision

    path = tmp_path_factory.mktemp("resnet18") / "resnet18.onnx"
    model = torchvision.models.resnet18().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(1, 3, 224, 224),), path, dynamo=True, external_data=False, verbose=False)
    return path


def written(path: Path, content: bytes | ModelProto) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def test_a_torchvision_model_is_read_as_onnx_load_gives_it(resnet18: Path) -> None:
    expected = reduced(onnx.load(resnet18))
    assert sum(node.op_type == "Conv" for node in expected.graph.node) == 20
    assert load_weightless(resnet18) == expected
    clear_values(expected)
    assert read_structure(str(resnet18)) == expected


def test_the_weights_of_a_torchvision_model_are_never_touched(resnet18: Path) -> None:
    content = resnet18.read_bytes()
    witness = Witness(content)
    parse_weightless(witness, "resnet18.onnx")
    large = [t.raw_data for t in onnx.load(resnet18).graph.initializer if np.prod(t.dims) > 64]
    assert len(large) == 22
    assert sum(map(len, large)) > 46_000_000
    for payload in large:
        start = content.index(payload)
        assert not witness.read[start : start + len(payload)].any()


def test_the_models_of_the_onnx_package_are_read_as_onnx_load_gives_them() -> None:
    paths = sorted(DATA.rglob("*.onnx"))
    assert len(paths) > 100
    for path in paths:
        expected = reduced(onnx.load(path, load_external_data=False))
        assert load_weightless(path) == expected, path
        clear_values(expected)
        assert read_structure(path) == expected, path


def test_what_is_kept_of_every_kind_of_field_is_unchanged(tmp_path: Path) -> None:
    model = everything()
    read = load_weightless(written(tmp_path / "everything.onnx", model))
    assert read == reduced(model)
    assert [len(t.int64_data or t.float_data or t.string_data) for t in read.graph.initializer] == [3, 0, 0, 0]


def test_nothing_that_is_dropped_is_in_the_result(tmp_path: Path) -> None:
    model = everything()
    assert model.SerializeToString().count(SECRET.encode()) > 100
    assert SECRET.encode() not in load_weightless(written(tmp_path / "m.onnx", model)).SerializeToString()


def test_unknown_fields_are_dropped(tmp_path: Path) -> None:
    hidden = block(999, b"hidden weights") + number(1000, 7) + encode_varint(1001 << 3 | 5) + b"four"
    node = block(4, b"Relu") + hidden
    content = block(7, block(1, node) + hidden + block(5, block(8, b"w") + hidden)) + hidden
    read = load_weightless(written(tmp_path / "m.onnx", content))
    assert read.SerializeToString() == block(7, block(1, block(4, b"Relu")) + block(5, block(8, b"w")))


@pytest.mark.parametrize("dims", [[64], [65], [8, 8], [13, 5], [0, 1000], []], ids=str)
@pytest.mark.parametrize("data_type", ["FLOAT", "DOUBLE", "INT8", "INT64", "UINT64", "BOOL", "FLOAT16", "STRING"])
@pytest.mark.parametrize("raw", [True, False])
def test_a_tensor_of_up_to_64_elements_keeps_its_values(dims: list[int], data_type: str, raw: bool) -> None:
    kind = getattr(TensorProto, data_type)
    values = np.zeros(dims) if data_type == "UINT64" else np.full(dims, -1.0)
    if data_type == "STRING":
        tensor = TensorProto(dims=dims, data_type=kind, string_data=[b"word"] * values.size)
    elif raw:
        content = values.astype(helper.tensor_dtype_to_np_dtype(kind)).tobytes()
        tensor = helper.make_tensor("t", kind, dims, content, raw=True)
    else:
        tensor = helper.make_tensor("t", kind, dims, values)
    read = parse_weightless(with_initializer(tensor.SerializeToString()), "m.onnx").graph.initializer[0]
    if values.size > 64:
        keep(tensor, "dims", "data_type", "name")
    assert read == tensor


def test_a_long_payload_of_few_elements_is_dropped() -> None:
    tensor = TensorProto(dims=[2], data_type=TensorProto.STRING, string_data=[b"x" * 400, b"y" * 400])
    read = parse_weightless(with_initializer(tensor.SerializeToString()), "m.onnx").graph.initializer[0]
    assert read == TensorProto(dims=[2], data_type=TensorProto.STRING)


def test_a_payload_before_the_dims_and_without_packing_is_stepped_over() -> None:
    payload = b"".join(number(7, value) for value in range(200_000)) + b"".join(number(5, 1) for _ in range(70))
    tensor = payload + number(1, 200_000) + number(2, TensorProto.INT64) + block(8, b"w")
    read = parse_weightless(with_initializer(tensor), "m.onnx").graph.initializer[0]
    assert read == TensorProto(dims=[200_000], data_type=TensorProto.INT64, name="w")


def test_dims_that_are_packed_are_dims() -> None:
    tensor = block(1, encode_varint(300) + encode_varint(2)) + number(2, TensorProto.FLOAT) + block(9, bytes(2400))
    read = parse_weightless(with_initializer(tensor), "m.onnx").graph.initializer[0]
    assert read == TensorProto(dims=[300, 2], data_type=TensorProto.FLOAT)


def test_long_attribute_lists_are_read_whole() -> None:
    attribute = helper.make_attribute("nodes_values", np.arange(100_000.0).tolist())
    read = parse_weightless(with_attribute(attribute.SerializeToString()), "m.onnx").graph.node[0].attribute[0]
    assert read == attribute


def test_a_tag_of_two_bytes_begins_no_run_of_one_byte() -> None:
    kind = encode_varint(20 << 3) + encode_varint(AttributeProto.INT)
    read = parse_weightless(with_attribute(kind * 200 + number(3, 5)), "m.onnx").graph.node[0].attribute[0]
    assert read == AttributeProto(type=AttributeProto.INT, i=5)


def test_a_string_attribute_of_megabytes_is_read_as_empty() -> None:
    blob = helper.make_attribute("ep_cache_context", b"x" * (1 << 20) + b"x")
    read = parse_weightless(with_attribute(blob.SerializeToString()), "m.onnx").graph.node[0].attribute[0]
    assert read == helper.make_attribute("ep_cache_context", b"")


# What a child process does while it reads: time, memory, files.

PROBE = """
import json, sys, time
from builders.extract import read_structure
opened = []
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
start = time.perf_counter()
model = read_structure(sys.argv[1])
seconds = time.perf_counter() - start
files = list(opened)
print(json.dumps({
    "seconds": seconds, "growth": 1024 * (peak() - before), "opened": files,
    "initializers": {tensor.name: list(tensor.dims) for tensor in model.graph.initializer},
    "bytes": model.SerializeToString().hex(),
}))
"""


def probe(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", PROBE, os.fspath(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_file_beyond_two_gibibytes_is_read_at_once_and_in_little_memory(tmp_path: Path) -> None:
    hole = 5 << 29
    shape = number(1, hole // 4 // 1024) + number(1, 1024) + number(2, TensorProto.FLOAT) + block(8, b"huge")
    huge = shape + encode_varint(9 << 3 | 2) + encode_varint(hole)
    node = block(1, block(1, b"x") + block(1, b"huge") + block(2, b"y") + block(4, b"MatMul"))
    before = block(11, block(1, b"x")) + node + encode_varint(5 << 3 | 2) + encode_varint(len(huge) + hole) + huge
    after = block(5, helper.make_tensor("bias", TensorProto.FLOAT, [2], [1, 2]).SerializeToString())
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.write(encode_varint(7 << 3 | 2) + encode_varint(len(before) + hole + len(after)) + before)
        file.seek(hole, os.SEEK_CUR)
        file.write(after + block(8, number(2, 17)))
    assert path.stat().st_size > 2 << 30
    report = probe(path)
    assert report["initializers"] == {"huge": [hole // 4 // 1024, 1024], "bias": [2]}
    assert report["seconds"] < 0.5
    assert report["growth"] < 8 << 20


def test_a_file_of_many_tensors_does_not_stay_in_memory(tmp_path: Path) -> None:
    weight = TensorProto(dims=[128, 128], data_type=TensorProto.FLOAT, raw_data=bytes(1 << 16)).SerializeToString()
    path = tmp_path / "many.onnx"
    with path.open("wb") as file:
        tensor = block(5, weight)
        file.write(encode_varint(7 << 3 | 2) + encode_varint(4000 * len(tensor)))
        for _ in range(4000):
            file.write(tensor)
    assert path.stat().st_size > 250 << 20
    assert probe(path)["growth"] < 40 << 20


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/absolute", "sub/../../weights.bin"])
def test_external_data_is_never_opened_nor_named(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "model" / "sub"
    folder.mkdir(parents=True)
    for pipe in (tmp_path / "weights.bin", folder.parent / "weights.bin", tmp_path / "absolute"):
        os.mkfifo(pipe)  # who opens it waits for ever
    location = os.fspath(tmp_path / "absolute") if place == "/absolute" else place
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="offset", value="0")
    sparse = SparseTensorProto(values=tensor, indices=tensor, dims=[4])
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    graph = helper.make_graph([constant, helper.make_node("Add", ["c", "w"], ["y"])], "g", [], [], [tensor])
    graph.sparse_initializer.append(sparse)
    path = written(folder.parent / "model.onnx", helper.make_model(graph))
    report = probe(path)
    assert [opened for opened in report["opened"] if opened.startswith(os.fspath(tmp_path))] == [os.fspath(path)]
    assert report["initializers"] == {"w": [2]}
    for trace in (location, "location", "offset"):
        assert trace.encode() not in bytes.fromhex(report["bytes"])


def test_inline_values_of_a_tensor_that_claims_to_be_external_are_dropped() -> None:
    tensor = TensorProto(dims=[2], data_type=1, raw_data=b"12345678", data_location=TensorProto.EXTERNAL)
    read = parse_weightless(with_initializer(tensor.SerializeToString()), "m.onnx").graph.initializer[0]
    assert read == TensorProto(dims=[2], data_type=1)


# Files that are no models.


def refusal(content: bytes) -> InvalidModelError:
    with pytest.raises(InvalidModelError) as caught:
        parse_weightless(content, "model.onnx")
    error = caught.value
    assert error.path == "model.onnx"
    assert error.offset is not None
    assert 0 <= error.offset <= len(content)
    assert str(error) == f"model.onnx is not a valid ONNX model: {error.reason} at byte {error.offset}"
    return error


def model_or_refusal(content: bytes) -> ModelProto | InvalidModelError:
    try:
        return parse_weightless(content, "model.onnx")
    except InvalidModelError:
        return refusal(content)


NODE = block(7, block(1, block(4, b"Relu")))
LONGEST = b"\xff" * 10


@pytest.mark.parametrize(
    ("content", "offset", "reason"),
    [
        (b"", 0, "without a graph"),
        (number(1, 8) + block(2, b"pytorch"), 11, "without a graph"),
        (NODE + NODE, len(NODE), "a second GraphProto"),
        (b"version https://git-lfs.github.com/spec/v1\n", 0, "wire type 6"),
        (NODE + b"\x08" + LONGEST + b"\x01", len(NODE) + 1, "a number of more than 10 bytes"),
        (NODE + b"\x08\xff", len(NODE) + 1, "the bytes end within a number"),
        (NODE + b"\x08", len(NODE) + 1, "the bytes end within a number"),
        (NODE + b"\x88", len(NODE), "the bytes end within a number"),
        (NODE + b"\x42", len(NODE) + 1, "the bytes end within a number"),
        (NODE + b"\xff\xff\xff\xff\xff\x01", len(NODE), "a number of more than 5 bytes"),
        (NODE + b"\xfa\xff\xff\xff\x7f\x00", len(NODE), "field number"),
        (NODE + b"\x00\x01", len(NODE), "field number 0"),
        (NODE + b"\x0b\x0c", len(NODE), "wire type 3"),
        (NODE + b"\x0c", len(NODE), "wire type 4"),
        (NODE + b"\x0d\x00", len(NODE), "field 1 needs 4 bytes where 1 are left"),
        (block(7, block(1, b"\x0a\x7fx")), 4, "field 1 needs 127 bytes where 1 are left"),
        (block(7, b"\x0a\x7fx"), 2, "field 1 needs 127 bytes where 1 are left"),
        (block(7, block(1, block(4, b"R\xffelu"))), 7, "not UTF-8"),
        (block(7, block(2, b"x" * (1 << 20) + b"x")), 8, "a name of 1048577 bytes"),
        (with_attribute(block(8, b"\x01\x80")), 10, "a list that ends within a number"),
        (with_attribute(block(8, LONGEST + b"\x01")), 8, "a number of more than 10 bytes"),
        (with_attribute(block(7, b"12345")), 13, "a list that ends within a number"),
        (with_initializer(number(1, (1 << 64) - 3)), 5, "a dimension of -3"),
        (with_initializer(block(1, b"\x02" + encode_varint((1 << 64) - 3))), 7, "a dimension of -3"),
        (with_initializer(number(1, 1 << 62) + number(1, 2)), 5, "a tensor of shape"),
        (with_initializer(number(1, 0) + number(1, 1 << 62) + number(1, 2)), 5, "a tensor of shape"),
        (with_initializer(number(1, 1) * 65), 135, "more than 64 dimensions"),
        (with_initializer(number(1, 1) + number(2, 1) + number(1, 1)), 8, "a second shape"),
        (with_attribute(block(5, number(1, 1)) * 2), 10, "a second TensorProto"),
        (block(7, block(15, number(3, (1 << 64) - 1))), 5, "a dimension of -1"),
    ],
)
def test_an_error_names_the_byte_at_which_sense_ends(content: bytes, offset: int, reason: str) -> None:
    error = refusal(content)
    assert reason in error.reason
    assert error.offset == offset


@pytest.mark.parametrize("name", ["text.onnx", "page.onnx", "array.onnx", "data.onnx"])
def test_files_of_another_kind_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "text.onnx":
        path.write_text("This is not a model, whatever its name may say.\n" * 100)
    elif name == "page.onnx":
        path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")
    elif name == "array.onnx":
        with path.open("wb") as file:
            np.save(file, np.arange(10.0))
    else:
        path.write_bytes((DATA / "light" / "light_resnet50_output_0.pb").read_bytes())
    with pytest.raises(InvalidModelError, match=f"{name} is not a valid ONNX model: .* at byte "):
        read_structure(path)


def test_a_missing_file_a_directory_and_a_pipe_are_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "nothing.onnx", "does not exist"),
        (tmp_path / "nothing.onnx" / "deeper", "does not exist"),
        (tmp_path, "is a directory"),
        (tmp_path / "pipe", "is not a regular file"),
        (written(tmp_path / "m.onnx", b"") / "deeper", "cannot be read: Not a directory"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(YoungerError, match=reason) as caught:
            read_structure(path)
        assert str(path) in str(caught.value)
        assert not isinstance(caught.value, InvalidModelError)


def test_an_empty_file_holds_no_graph(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"empty\.onnx .* it ends without a graph at byte 0"):
        read_structure(written(tmp_path / "empty.onnx", b""))


def test_a_model_cut_off_anywhere_is_refused_or_ends_between_two_fields() -> None:
    content = ALEXNET.read_bytes()
    whole = 0
    for length in range(len(content)):
        model = model_or_refusal(content[:length])
        if isinstance(model, ModelProto):
            assert model == reduced(ModelProto.FromString(content[:length]))
            whole += 1
    assert whole == 1  # without opset_import, the last field


def test_bodies_nested_as_deep_as_protobuf_parses_are_read_and_no_deeper() -> None:
    assert parse_weightless(nested(33), "m.onnx") == ModelProto.FromString(nested(33))
    assert "nested deeper" in refusal(nested(34)).reason
    assert "nested deeper" in refusal(nested(5000)).reason


CORPUS = [ALEXNET.read_bytes(), everything().SerializeToString()]


@given(
    content=st.sampled_from(CORPUS),
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=6
    ),
)
@settings(max_examples=300)
def test_damaged_bytes_end_in_a_model_or_in_a_refusal(content: bytes, edits: list[tuple[float, bytes, int]]) -> None:
    damaged = bytearray(content)
    for where, new, old in edits:
        at = int(where * len(damaged))
        damaged[at : at + old] = new
    model = model_or_refusal(bytes(damaged))
    if isinstance(model, InvalidModelError):
        assert "protobuf does not parse" not in model.reason
        return
    try:
        expected = ModelProto.FromString(bytes(damaged))
    except DecodeError:
        return  # the damage is in what the reader steps over
    assert model.SerializeToString() == reduced(expected).SerializeToString()


def test_the_error_survives_the_way_between_processes() -> None:
    error = refusal(b"\x00")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.path, copy.offset, copy.reason) == (str(error), error.path, error.offset, error.reason)
