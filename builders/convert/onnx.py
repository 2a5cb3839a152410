"""ONNX files that exist already: nothing is converted, the file is read without its weights.

The zoo models of the onnx package stand for their weights with a ConstantOfShape on an initializer that holds the
weight's shape; here these become what they stand for, an initializer of that shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from builders.convert import ConversionError, Export, Outcome, Request
from builders.crawl.local import zoo_files
from builders.extract import read_structure


def export(request: Request) -> Export:
    """The model's file, or the zoo model with its parameters.

    Raises:
        ConversionError: there is no such file any more (`not_found`).
    """
    model = request.model
    zoo = model.source == "onnx-package"
    file = zoo_files().get(model.id) if zoo else Path(model.location)
    if file is None or not file.exists():
        raise ConversionError(Outcome.NOT_FOUND, f"there is no file {file or model.id}")
    return Export(with_parameters(read_structure(file)) if zoo else file, "onnx")


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
