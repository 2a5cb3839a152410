"""The zoo models of the onnx package, with their parameters back.

They stand for their weights with a ConstantOfShape on an initializer that holds the weight's shape; here these become
what they stand for, an initializer of that shape.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.crawl.onnx_package import zoo_files
from younger_hf.extract.reader import load_weightless


def export(request: Request) -> Export:
    """The zoo model of this name, its parameters without data.

    Raises:
        ConversionError: the onnx package has none (`not_found`).
    """
    zoo = zoo_files().get(request.model.id)
    if zoo is None:
        raise ConversionError(Outcome.NOT_FOUND, f"the onnx package has no model {request.model.id}")
    return Export(with_parameters(load_weightless(zoo)), "onnx")


def with_parameters(model: ModelProto) -> ModelProto:
    """Replace, in place, every ConstantOfShape on an initializer by an initializer of that shape, without data."""
    graph = model.graph
    shapes = {tensor.name: tensor for tensor in graph.initializer}
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.domain or node.input[0] not in shapes:
            kept.append(node)
            continue
        element_type = next((a.t.data_type for a in node.attribute if a.name == "value"), TensorProto.FLOAT)
        dims = numpy_helper.to_array(shapes[node.input[0]]).astype(np.int64).tolist()
        graph.initializer.add(name=node.output[0], data_type=element_type, dims=dims)
    del graph.node[:]
    graph.node.extend(kept)
    return model
