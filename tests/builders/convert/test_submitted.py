"""A contributed skeleton is taken as it is or not at all: no weights, nothing hidden, and what it says it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper, parser
from support.contributions import contribution, of_skeleton, rewritten, saved
from support.weightless import SECRET, block

from builders.contribution import Contribution
from builders.convert import Conversion, ConversionError, Outcome, Request, exporters_for
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.templates import Templates
from builders.convert.submitted import export
from builders.model_ref import ModelRef
from younger_hf.extract import InvalidModelError

GOOD = contribution("squeezenet")


def model_of(file: Path) -> ModelRef:
    return replace(GOOD.model, location=str(file))


def outcome(file: Path) -> tuple[Outcome, str]:
    """How it is refused."""
    with pytest.raises((ConversionError, InvalidModelError)) as caught:
        export(Request(model_of(file)))
    assert SECRET not in str(caught.value)
    return getattr(caught.value, "outcome", Outcome.INVALID_ONNX), str(caught.value)


def changed(change: Callable[[ModelProto], object]) -> Contribution:
    model = ModelProto.FromString(GOOD.skeleton)
    change(model)
    return replace(GOOD, skeleton=model.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def templates() -> Iterator[Templates]:
    """As in a build: what measuring compiles is compiled once."""
    with Templates() as templates:
        yield templates


def converted(file: Path, templates: Templates, limits: Limits | None = None) -> Conversion:
    (exporter,) = exporters_for(model_of(file))
    return convert(Request(model_of(file)), exporter, limits=limits, templates=templates)


def test_a_good_one_is_converted_to_itself(tmp_path, templates):
    done = converted(saved(GOOD, tmp_path), templates)
    assert (done.outcome, done.message, done.exporter, done.opset) == (Outcome.OK, "", "onnx", 9)
    assert done.skeleton == GOOD.skeleton
    assert done.bytes_fetched == 0


def with_weight(model: ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((9, 9), np.float32), "p99"))


def with_external_data(model: ModelProto) -> None:
    tensor = model.graph.initializer.add(name="p99", dims=[4], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def with_weights_named_as_constants(model: ModelProto) -> None:
    """Within all limits, but no structure."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones(64, np.float32), "c99"))


def with_weights_in_an_attribute(model: ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("weights", [0.5] * 1000))


def with_text_in_a_name(model: ModelProto) -> None:
    model.graph.name = SECRET


def with_text_in_an_operator(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node(SECRET, ["in0"], ["v999"], domain=SECRET))


def with_text_in_a_dimension(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = SECRET


def with_attribute_text(model: ModelProto) -> None:
    model.graph.node[0].attribute.append(AttributeProto(name=SECRET, type=AttributeProto.STRING, s=b"x"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_weight, "its skeleton has the values of tensor 'p99' of shape [9, 9]"),
        (with_external_data, "its skeleton has the values of tensor 'p99'"),
        (with_weights_named_as_constants, "something is hidden in it"),
        (with_weights_in_an_attribute, "something is hidden in it"),
        (with_text_in_a_name, "something is hidden in it"),
        (with_text_in_an_operator, "something is hidden in it"),
        (with_text_in_a_dimension, "something is hidden in it"),
        (with_attribute_text, "something is hidden in it"),
        (lambda model: setattr(model, "doc_string", SECRET), "its skeleton has doc_string"),
        (lambda model: setattr(model.graph.node[0], "doc_string", SECRET), "its skeleton has a doc_string"),
        (lambda model: model.metadata_props.add(key="owner", value=SECRET), "its skeleton has metadata_props"),
        (lambda model: setattr(model, "producer_name", SECRET), "its skeleton has producer_name"),
    ],
)
def test_what_is_hidden_in_a_skeleton_is_found(tmp_path, change, message):
    found, told = outcome(saved(changed(change), tmp_path))
    assert found is Outcome.INVALID_ONNX
    assert message in told


@pytest.mark.parametrize(
    ("skeleton", "message"),
    [
        (GOOD.skeleton + block(7, block(999, SECRET.encode())), "its skeleton has fields that ONNX does not know"),
        (b"\xff" + SECRET.encode(), "its skeleton is no ONNX model"),
        (b"", "its skeleton is not as this younger-hf makes it"),
        (GOOD.skeleton[: len(GOOD.skeleton) // 2], "its skeleton is no ONNX model"),
    ],
)
def test_other_bytes_are_no_skeleton(tmp_path, skeleton, message):
    assert message in outcome(saved(replace(GOOD, skeleton=skeleton), tmp_path))[1]


def test_another_skeleton_than_the_file_says_is_refused(tmp_path):
    """One that has the name of a model which the dataset lacks, and the content of one that it has."""
    other = contribution("zfnet512")
    told = outcome(saved(replace(GOOD, skeleton=other.skeleton), tmp_path))[1]
    assert told == f"its fingerprint is {other.fingerprint}, not {GOOD.fingerprint}"
    told = outcome(saved(replace(GOOD, skeleton=other.skeleton, fingerprint=other.fingerprint), tmp_path))[1]
    assert told == f"its skeleton_fingerprint is {other.skeleton_fingerprint}, not {GOOD.skeleton_fingerprint}"


def test_a_file_that_is_none_any_more_is_refused(tmp_path):
    file = saved(GOOD, tmp_path)
    file.write_bytes(rewritten(GOOD, source="torchvision"))
    assert outcome(file) == (
        Outcome.ERROR,
        "its file has not the columns of a contribution, or another version of them",
    )
    file.unlink()
    assert outcome(file)[0] is Outcome.ERROR


def test_a_graph_without_a_data_flow_ends_as_trivial(tmp_path, templates):
    one = of_skeleton(
        parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 17]> g (float[2] in0) => (float[2] v0) { v0 = Relu (in0) }'
        )
    )
    done = converted(saved(one, tmp_path), templates)
    assert (done.outcome, done.message) == (Outcome.TRIVIAL, "no operator feeds another")


def test_one_that_takes_too_much_is_ended(tmp_path, templates):
    done = converted(saved(GOOD, tmp_path), templates, Limits(memory=1 << 20))
    assert done.outcome is Outcome.OUT_OF_MEMORY
