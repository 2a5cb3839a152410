"""The zoo of the onnx package: its pretended weights made parameters again."""

from __future__ import annotations

from math import prod

import onnx
import pytest
from onnx import TensorProto, helper

from builders.convert import Request, exporters_for
from builders.convert.onnx_package import export, with_parameters
from builders.crawl import list_models
from younger_hf.extract import strip


@pytest.mark.parametrize("model", list(list_models("onnx-package")), ids=lambda model: model.id)
def test_every_zoo_model_has_its_parameters_back(model):
    skeleton = strip(export(Request(model)).onnx)
    weighty = {"Conv", "BatchNormalization"}
    parameters = {tensor.name for tensor in skeleton.graph.initializer if not tensor.raw_data}
    layers = [node for node in skeleton.graph.node if node.op_type in weighty]
    assert layers
    assert all(node.input[1] in parameters for node in layers)


def test_resnet50_of_the_zoo_has_the_parameters_of_resnet50():
    (model,) = list_models("onnx-package:resnet50")
    skeleton = strip(export(Request(model)).onnx)
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


def test_nothing_of_it_is_fetched():
    (model,) = list_models("onnx-package:resnet50")
    assert [exporter.network for exporter in exporters_for(model)] == [False]
