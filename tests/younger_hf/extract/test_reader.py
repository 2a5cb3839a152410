"""The weightless reader: what it keeps is what `onnx.load` gives, and the rest it does not touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper
from support.weightless import (
    DATA,
    SECRET,
    block,
    everything,
    keep,
    number,
    reduced,
    with_attribute,
    with_initializer,
    written,
)

from younger_hf.extract import read_structure
from younger_hf.extract.clear import clear_values
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.reader import load_weightless
from younger_hf.extract.wire import encode_varint


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
import json, sys
from pathlib import Path
import onnx
from younger_hf.extract import read_structure
read_structure(Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx")  # loads what is compiled
opened = []
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
model = read_structure(sys.argv[1])
files = list(opened)
print(json.dumps({
    "growth": 1024 * (peak() - before), "opened": files,
    "initializers": {tensor.name: list(tensor.dims) for tensor in model.graph.initializer},
    "bytes": model.SerializeToString().hex(),
}))
"""


def probe(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", PROBE, os.fspath(path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_file_beyond_two_gibibytes_is_read_in_little_memory_and_so_at_once(tmp_path: Path) -> None:
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
