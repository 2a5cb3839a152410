"""Proof by execution: a model and what rules make of it, run in ONNX Runtime with the same parameters.

In goes a model with parameters; out come the outputs before and after. Parameters that a rule folds into others are
folded by the formula that the rule gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from younger_hf.recognise.network import Array, Network, Value
from younger_hf.recognise.proto import write_proto

onnxruntime.set_default_logger_severity(4)


def parse(text: str, seed: int = 0) -> ModelProto:
    """A model in ONNX's text format; inputs whose names begin with p become random parameters, pv… positive ones."""
    model = onnx.parser.parse_model(text)
    generator = np.random.default_rng(seed)
    inputs = [*model.graph.input]
    del model.graph.input[:]
    for proto in inputs:
        if not proto.name.startswith("p"):
            model.graph.input.append(proto)
            continue
        shape = [dim.dim_value for dim in proto.type.tensor_type.shape.dim]
        values = generator.normal(size=shape).astype(np.float32)
        values = np.abs(values) + 0.5 if proto.name.startswith("pv") else values
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), proto.name))
    return model


def run(model: ModelProto, feeds: list[Array]) -> list[Array]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return [np.asarray(output) for output in session.run(None, dict(zip(names, feeds, strict=True)))]


def run_network(network: Network, feeds: list[Array]) -> list[Array]:
    """Run a network with the parameters of the model that it was read from."""
    model, _ = write_proto(network, Parameters())
    return run(model, feeds)


class Parameters:
    """Looks up the array of a tensor: a constant's, the model's own, or what a formula makes of others."""

    def __init__(self) -> None:
        self.known: dict[Value, Array] = {}

    def __call__(self, value: Value) -> Array:
        if value not in self.known:
            if value.array is not None:
                found = value.array
            elif value.formula is not None:
                found = np.asarray(value.formula(self))
                found = found.astype(helper.tensor_dtype_to_np_dtype(value.dtype))
                assert found.shape == tuple(value.shape or ()), "a formula gives another shape than the rule says"
            else:
                assert value.tensor is not None
                found = numpy_helper.to_array(value.tensor)
            self.known[value] = found
        return self.known[value]


def example_feeds(model: ModelProto, seed: int = 1) -> list[Array]:
    """Random values for each graph input; a symbolic dimension is 2."""
    generator = np.random.default_rng(seed)
    feeds: list[Any] = []
    for proto in model.graph.input:
        tensor = proto.type.tensor_type
        shape = [dim.dim_value if dim.HasField("dim_value") else 2 for dim in tensor.shape.dim]
        if tensor.elem_type == TensorProto.FLOAT:
            feeds.append(generator.normal(size=shape).astype(np.float32))
        else:
            feeds.append(generator.integers(0, 2, shape).astype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
    return feeds


def assert_same(before: list[Array], after: list[Array], tolerance: float = 2e-4) -> None:
    assert [each.shape for each in before] == [each.shape for each in after]
    for one, other in zip(before, after, strict=True):
        scale = max(1.0, float(np.abs(one).max(initial=0)))
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance)
