"""Models on a web server: read as the local file is, in few requests, and under 2 % of a large one's bytes."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import onnx
import pytest
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub, hub
from onnx import TensorProto, helper
from support.weightless import DATA, block, everything, number, written

from builders.convert.onnx_package import with_parameters
from younger_hf.extract import InvalidModelError, extract, read_structure
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.ranges import RemoteError
from younger_hf.extract.reader import load_weightless
from younger_hf.extract.remote import RemoteSource
from younger_hf.extract.wire import encode_varint
from younger_hf.identity import fingerprint

LIGHT = sorted((DATA / "light").glob("*.onnx"))
ITEM_BYTES = {TensorProto.FLOAT: 4, TensorProto.INT64: 8}


@contextmanager
def serving(*files: Path) -> Iterator[Hub]:
    repository = Repository("org/models")
    repository.commit({file.name: file for file in files})
    with hub(repository) as served:
        yield served


def address(served: Hub, file: Path) -> str:
    return f"{served.endpoint}/org/models/resolve/main/{file.name}"


def with_weights(light: Path, path: Path) -> Path:
    """A zoo model with weights of the true sizes, all of them zero."""
    model = with_parameters(read_structure(light))
    for tensor in model.graph.initializer:
        if not any(field.name.endswith("_data") for field, _ in tensor.ListFields()):
            tensor.raw_data = bytes(prod(tensor.dims) * ITEM_BYTES[tensor.data_type])
    return written(path, model)


@pytest.fixture(scope="module")
def resnet34(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ResNet-34 of torchvision as the TorchScript exporter writes it: 87 MB."""
    import torch
    import torchvision

    path = tmp_path_factory.mktemp("resnet34") / "resnet34.onnx"
    model = torchvision.models.resnet34().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(1, 3, 64, 64),), str(path), dynamo=False)
    return path


@pytest.fixture(scope="module")
def large_models(tmp_path_factory: pytest.TempPathFactory, resnet34: Path) -> list[Path]:
    folder = tmp_path_factory.mktemp("large")
    zoo = ("resnet50", "bvlc_alexnet")
    return [resnet34, *(with_weights(DATA / f"light/light_{name}.onnx", folder / f"{name}.onnx") for name in zoo)]


def test_a_large_file_costs_less_than_two_percent_of_its_bytes(large_models: list[Path]) -> None:
    with serving(*large_models) as served:
        for file in large_models:
            size = file.stat().st_size
            assert size > 50e6
            served.log.clear()
            structure = read_structure(address(served, file))
            assert structure == read_structure(file)
            assert served.sent() < 0.02 * size
            initializers = len(structure.graph.initializer)
            assert len(served.requests()) < initializers + 20


def test_a_remote_model_is_read_as_the_local_one(large_models: list[Path], tmp_path: Path) -> None:
    files = [*LIGHT, *large_models, written(tmp_path / "everything.onnx", everything())]
    with serving(*files) as served:
        for file in files:
            url = address(served, file)
            assert read_structure(url).SerializeToString() == read_structure(file).SerializeToString(), file
            if file.name != "everything.onnx":  # which makes no sound graph
                assert fingerprint(extract(url)) == fingerprint(extract(file)), file


def test_a_small_file_comes_in_one_request(tmp_path: Path) -> None:
    small = written(tmp_path / "small.onnx", everything())
    with serving(small) as served:
        read_structure(address(served, small))
        assert [exchange.request.split("/")[1] for exchange in served.requests()] == ["org", "cdn"]


def test_a_long_run_of_nodes_comes_in_few_requests(tmp_path: Path) -> None:
    node = block(1, block(1, b"x") + block(2, b"x") + block(3, b"layer/" * 20) + block(4, b"Relu"))
    file = written(tmp_path / "nodes.onnx", block(7, node * 60_000))
    size = file.stat().st_size
    assert size > 8e6
    with serving(file) as served:
        assert len(load_weightless(address(served, file)).graph.node) == 60_000
        assert len(served.requests("GET /cdn/*")) < 16
        assert served.sent() == size


def test_a_file_beyond_two_gibibytes_is_read_like_any_other(tmp_path: Path) -> None:
    hole = 3 << 30
    tensor = number(1, hole // 4) + number(2, TensorProto.FLOAT) + block(8, b"huge")
    tensor += encode_varint(9 << 3 | 2) + encode_varint(hole)
    node = block(1, block(1, b"x") + block(1, b"huge") + block(2, b"y") + block(4, b"Mul"))
    before = block(11, block(1, b"x")) + node + encode_varint(5 << 3 | 2) + encode_varint(len(tensor) + hole) + tensor
    after = block(5, helper.make_tensor("axes", TensorProto.INT64, [1], [3]).SerializeToString())
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.write(encode_varint(7 << 3 | 2) + encode_varint(len(before) + hole + len(after)) + before)
        file.seek(hole, os.SEEK_CUR)
        file.write(after + block(8, number(2, 17)))
    with serving(path) as served:
        structure = read_structure(address(served, path))
        assert served.sent() < 1 << 18
    assert structure == read_structure(path)
    assert [list(tensor.dims) for tensor in structure.graph.initializer] == [[hole // 4], [1]]
    assert structure.opset_import[0].version == 17


def test_external_data_beside_a_model_is_never_asked_for(tmp_path: Path) -> None:
    model = onnx.load(with_weights(DATA / "light/light_squeezenet.onnx", tmp_path / "inline.onnx"))
    file = tmp_path / "model.onnx"
    onnx.save(model, file, save_as_external_data=True, location="model.bin")
    with serving(file, tmp_path / "model.bin") as served:
        structure = read_structure(address(served, file))
        assert structure == read_structure(file)
        assert not served.requests("*model.bin*")
    assert fingerprint(extract(structure)) == fingerprint(extract(tmp_path / "inline.onnx"))


def test_any_part_of_a_remote_file_is_that_of_the_file(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3_000_001)
    file = written(tmp_path / "any.onnx", content)
    draw = random.Random(2)
    with serving(file) as served, RemoteSource(address(served, file)) as remote:
        assert len(remote) == len(content)
        for _ in range(60):
            start = draw.randrange(len(content))
            stop = start + draw.choice([0, 1, 2, 511, 512, 513, 70_000, 400_000])
            assert remote[start:stop] == content[start:stop]
            assert remote[start] == content[start]
        assert remote[:] == content
        asked = remote.requests
        assert remote[:] == content
        assert remote.requests == asked
        for outside in (-1, len(content)):
            with pytest.raises(IndexError):
                remote[outside]


def test_bytes_and_requests_are_counted_as_the_server_counts_them(resnet34: Path) -> None:
    with serving(resnet34) as served, RemoteSource(address(served, resnet34)) as remote:
        parse_weightless(remote, remote.name)
        assert remote.fetched == served.sent()
        assert remote.requests == len(served.log)


def test_what_is_no_model_is_refused_by_its_address(tmp_path: Path) -> None:
    page = written(tmp_path / "model.onnx", b"<!DOCTYPE html><html>" * 100)
    with serving(page) as served:
        url = address(served, page)
        with pytest.raises(InvalidModelError) as caught:
            read_structure(url + "?X-Amz-Signature=secret")
        assert caught.value.path == url


def test_a_model_that_makes_no_sense_is_refused_by_its_address(tmp_path: Path) -> None:
    file = written(tmp_path / "model.onnx", block(7, block(1, block(1, b"nowhere") + block(4, b"Relu"))))
    with serving(file) as served:
        url = address(served, file)
        for read, path in ((read_structure, url), (extract, "model.onnx")):
            with pytest.raises(InvalidModelError) as caught:
                read(url + "?X-Amz-Signature=secret")
            assert caught.value.path == path


def test_an_empty_file_is_no_model(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.onnx", b"")
    with serving(empty) as served, pytest.raises(InvalidModelError, match="ends without a graph"):
        read_structure(address(served, empty))


def test_a_file_that_is_not_there_is_one_sentence() -> None:
    with serving() as served:
        url = address(served, Path("none.onnx"))
        with pytest.raises(RemoteError) as caught:
            read_structure(url)
    message = f"{url} cannot be read: there is no such file, or a private one (HTTP 404 EntryNotFound)"
    assert str(caught.value) == message


def test_a_model_that_changes_while_it_is_read_gives_no_structure(resnet34: Path) -> None:
    with serving(resnet34) as served:
        served.faults.add("GET /cdn/*", Fault(headers={"ETag": '"another"'}), after=3)
        with pytest.raises(RemoteError, match="the file changed while it was read"):
            read_structure(address(served, resnet34))
