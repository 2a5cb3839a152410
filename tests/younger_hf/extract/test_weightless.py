"""A skeleton has no values of parameters, no texts, nothing hidden: each is found on its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper
from support.weightless import SECRET, block, everything

from younger_hf.extract import strip
from younger_hf.extract.weightless import find_weights

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.fixture(scope="module")
def skeleton() -> ModelProto:
    return strip(LIGHT / "light_shufflenet.onnx")


@pytest.mark.parametrize("name", ["light_resnet50", "light_shufflenet", "light_inception_v2"])
def test_skeletons_pass(name):
    assert find_weights(strip(LIGHT / f"{name}.onnx").SerializeToString()) is None


def test_a_skeleton_of_everything_passes_and_the_model_does_not():
    assert find_weights(strip(everything()).SerializeToString()) is None
    assert find_weights(everything().SerializeToString()) is not None


def initializer(name: str, array: np.ndarray) -> Callable[[ModelProto], object]:
    return lambda model: model.graph.initializer.append(numpy_helper.from_array(array, name))


def in_a_body(model: ModelProto) -> None:
    body = helper.make_graph([], "g", [], [], [numpy_helper.from_array(np.zeros(2, np.float32), "p9")])
    model.graph.node[0].attribute.append(AttributeProto(name="g0", type=AttributeProto.GRAPH, g=body))


def in_a_function(model: ModelProto) -> None:
    value = numpy_helper.from_array(np.zeros(2, np.float32))
    node = helper.make_node("Constant", [], ["y0"], value=value)
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("younger", "f", [], ["y0"], [node], opset))


def outside(model: ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="../secret")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (initializer("p99", np.zeros(3, np.float32)), "the values of tensor 'p99' of shape [3]"),
        (initializer("c99", np.zeros(65, np.int64)), "the values of tensor 'c99' of shape [65]"),
        (initializer("c99", np.zeros((2, 2), np.int64)), "the values of tensor 'c99' of shape [2, 2]"),
        (in_a_body, "the values of tensor 'p9' of shape [2]"),
        (in_a_function, "the values of tensor '' of shape [2]"),
        (outside, "the values of tensor"),
        (lambda model: setattr(model.graph.node[0], "doc_string", SECRET), "a doc_string"),
        (lambda model: model.graph.metadata_props.add(key="owner", value=SECRET), "a metadata_props"),
        (lambda model: setattr(model, "producer_name", SECRET), "has producer_name"),
        (lambda model: model.graph.sparse_initializer.add(dims=[4]), "a sparse tensor"),
    ],
)
def test_what_a_skeleton_must_not_have_is_found(skeleton, change, found):
    model = ModelProto()
    model.CopyFrom(skeleton)
    change(model)
    told = find_weights(model.SerializeToString())
    assert told is not None
    assert found in told
    assert SECRET not in told


def test_structural_constants_pass(skeleton):
    model = ModelProto()
    model.CopyFrom(skeleton)
    initializer("c99", np.arange(64))(model)
    model.graph.initializer.append(TensorProto(name="p99", dims=[3, 3], data_type=TensorProto.FLOAT))
    assert find_weights(model.SerializeToString()) is None


def test_fields_that_onnx_does_not_know_are_found(skeleton):
    hidden = skeleton.SerializeToString() + block(7, block(999, SECRET.encode()))
    assert find_weights(hidden) == "has fields that ONNX does not know"
    assert find_weights(b"\xff" + SECRET.encode()) == "is no ONNX model"
