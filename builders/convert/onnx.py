"""Existing ONNX files: nothing is converted, only read without weights.

In goes a `ModelRef` of a file on this machine or of a zoo model in the onnx package; out comes its structure.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from builders.convert import Export
from builders.crawl.local import zoo_files
from builders.crawl.model_ref import ModelRef
from builders.extract import read_structure


def export(model: ModelRef) -> Export:
    """The file of a model.

    Raises:
        InvalidModelError: the file is no ONNX model.
    """
    if model.source == "onnx-package":
        return Export(read_zoo_model(model.id), "onnx")
    return Export(Path(model.location), "onnx")


def read_zoo_model(name: str) -> ModelProto:
    """A zoo model of the onnx package, with parameters where the package's files compute them.

    To be small, those files have no weights but `ConstantOfShape` nodes on a shape. Each such node becomes the
    initializer that it stands for (DESIGN section 3, rule 6), without data.
    """
    model = read_structure(zoo_files()[name])
    shapes = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type == "ConstantOfShape" and node.input[0] in shapes:
            model.graph.initializer.append(_parameter(node, shapes[node.input[0]]))
        else:
            model.graph.node.append(node)
    return model


def _parameter(node: NodeProto, shape: TensorProto) -> TensorProto:
    element = next((a.t.data_type for a in node.attribute if a.name == "value"), TensorProto.FLOAT)
    dims = onnx.numpy_helper.to_array(shape).tolist()
    return TensorProto(name=node.output[0], data_type=element, dims=dims)
