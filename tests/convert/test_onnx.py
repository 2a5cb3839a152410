"""Existing ONNX files: read weightless, the zoo's pretended weights made parameters again."""

from __future__ import annotations

from math import prod

import onnx
import pytest
from conversions import converted
from onnx import TensorProto, helper

from builders.convert import Outcome
from builders.convert.onnx import export, with_parameters
from builders.crawl import list_models
from builders.crawl.model_ref import ModelRef
from builders.extract import read_structure, strip


def saved(path, *nodes, inputs="x", outputs="y"):
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in inputs + outputs}
    graph = helper.make_graph(list(nodes), "g", [value[n] for n in inputs], [value[n] for n in outputs])
    onnx.save(helper.make_model(graph), path)
    (model,) = list_models(f"onnx:{path}")
    return model


@pytest.mark.parametrize("model", list(list_models("onnx-package")), ids=lambda model: model.id)
def test_every_zoo_model_has_its_parameters_back(model):
    skeleton = strip(export(model).onnx)
    weighty = {"Conv", "BatchNormalization"}
    parameters = {tensor.name for tensor in skeleton.graph.initializer if not tensor.raw_data}
    layers = [node for node in skeleton.graph.node if node.op_type in weighty]
    assert layers
    assert all(node.input[1] in parameters for node in layers)


def test_resnet50_of_the_zoo_has_the_parameters_of_resnet50():
    (model,) = list_models("onnx-package:resnet50")
    skeleton = strip(export(model).onnx)
    elements = sum(prod(tensor.dims) for tensor in skeleton.graph.initializer if not tensor.raw_data)
    assert elements == 25_610_152  # 25,557,032 and the running mean and variance of 53 BatchNormalizations


def test_only_what_stands_on_an_initializer_becomes_a_parameter():
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["weight"], value=onnx.helper.make_tensor("v", 7, [1], [0])),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["kept"]),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [3, 4])
    model = with_parameters(helper.make_model(helper.make_graph(nodes, "g", [], [], [shape])))
    assert [node.output[0] for node in model.graph.node] == ["s", "kept"]
    weight = model.graph.initializer[1]
    assert (weight.name, weight.data_type, list(weight.dims)) == ("weight", TensorProto.INT64, [3, 4])
    assert not weight.raw_data
    assert not weight.int64_data


def test_a_file_is_converted_as_it_is(tmp_path):
    nodes = helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Neg", ["h"], ["y"])
    done = converted(saved(tmp_path / "m.onnx", *nodes))
    assert (done.outcome, done.exporter) == (Outcome.OK, "onnx")
    assert done.skeleton == strip(read_structure(tmp_path / "m.onnx")).SerializeToString(deterministic=True)
    assert done.opset == onnx.defs.onnx_opset_version()


def test_a_graph_without_a_data_flow_is_trivial(tmp_path):
    done = converted(saved(tmp_path / "m.onnx", helper.make_node("Relu", ["x"], ["y"])))
    assert done.outcome is Outcome.TRIVIAL
    assert done.skeleton is None


def test_a_text_file_is_invalid_and_named(tmp_path):
    file = tmp_path / "text.onnx"
    file.write_text("this is no model")
    done = converted(next(iter(list_models(f"onnx:{file}"))))
    assert done.outcome is Outcome.INVALID_ONNX
    assert "text.onnx" in done.message


def test_a_file_that_is_gone_is_not_found(tmp_path):
    done = converted(ModelRef("onnx", "gone", library="onnx", location=str(tmp_path / "gone.onnx")))
    assert done.outcome is Outcome.NOT_FOUND
    assert "gone.onnx" in done.message
