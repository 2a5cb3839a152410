"""Files that are no models: each is refused in one sentence that names the byte, and nothing crashes or hangs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from support.weightless import (
    ALEXNET,
    DATA,
    block,
    everything,
    nested,
    number,
    reduced,
    with_attribute,
    with_initializer,
    written,
)

from younger_hf.errors import YoungerError
from younger_hf.extract import read_structure
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.wire import encode_varint


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
