"""ONNX files that exist already: nothing is converted, the file is read without its weights.

A file on a hub (Hugging Face, Kaggle) is read through range requests, so that a small part of it comes over the
network; `fetch` leaves its structure behind for `export`. External data that lies beside a file is never asked for.

The zoo models of the onnx package stand for their weights with a ConstantOfShape on an initializer that holds the
weight's shape; here these become what they stand for, an initializer of that shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from builders.convert import ConversionError, Export, Outcome, Request
from builders.crawl.local import zoo_files
from younger_hf.extract import read_structure


def fetch(request: Request) -> int:
    """Read the structure of a published file into `model.onnx`; nothing of what the onnx package ships.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: the file is not there (`not_found`), is not given to everyone (`gated`), would take too many
            bytes (`too_large`), or the network failed (`error`).
        InvalidModelError: it is no ONNX model.
    """
    model = request.model
    if model.source == "onnx-package":
        return 0
    if not model.component:
        raise ConversionError(Outcome.NOT_FOUND, f"{model.id} is a repository: its component names no file in it")
    from builders.convert.published import opened
    from younger_hf.extract.reader import parse_weightless

    with opened(model, model.component) as file:
        structure = parse_weightless(file.remote, file.remote.name)
        request.files.mkdir(parents=True, exist_ok=True)
        _fetched(request).write_bytes(structure.SerializeToString())
        return file.remote.fetched


def _fetched(request: Request) -> Path:
    return request.files / "model.onnx"


def export(request: Request) -> Export:
    """The model's file, what was fetched of it, or the zoo model with its parameters.

    Raises:
        ConversionError: there is no such file any more (`not_found`).
    """
    model = request.model
    if model.source == "onnx-package":
        zoo = zoo_files().get(model.id)
        if zoo is None:
            raise ConversionError(Outcome.NOT_FOUND, f"the onnx package has no model {model.id}")
        return Export(with_parameters(read_structure(zoo)), "onnx")
    file = Path(model.location) if model.location else _fetched(request)
    if not file.exists():
        raise ConversionError(Outcome.NOT_FOUND, f"there is no file {model.location or model.component or model.id}")
    return Export(file, "onnx")


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
