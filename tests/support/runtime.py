"""What the tests that run models share: models in a few lines, ONNX Runtime, and what comes out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, numpy_helper, parser

from younger_hf.extract import strip


def parse(graph: str, opset: int = 17, *, functions: str = "") -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{graph}\n{functions}')


def weightless(graph: str, *parameters: tuple[str, str, list[int]], opset: int = 17) -> ModelProto:
    """The skeleton of a graph in ONNX's textual form, with more initializers: (name, element type, dims)."""
    model = parse(graph, opset)
    for name, data_type, dims in parameters:
        model.graph.initializer.add(name=name, data_type=TensorProto.DataType.Value(data_type), dims=dims)
    return strip(model)


def run(model: ModelProto | Path, inputs: dict[str, Any]) -> list[Any]:
    outputs: list[Any] = session(model).run(None, inputs)
    return outputs


def session(model: ModelProto | Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options)


def is_finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(is_finite, value))
    return value is None or value.dtype.kind not in "fc" or bool(np.isfinite(value).all())


def filled(model: ModelProto) -> dict[str, np.ndarray[Any, Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
