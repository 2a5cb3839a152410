"""Keras applications through tf2onnx."""

from __future__ import annotations

from collections import Counter
from math import prod

import onnx
import pytest
from conversions import converted

from builders.convert import Outcome
from builders.crawl import list_models


@pytest.mark.slow
def test_an_application_is_converted_without_published_weights():
    (model,) = list_models("keras:MobileNetV2")
    done = converted(model)
    assert (done.outcome, done.exporter) == (Outcome.OK, "tf2onnx")
    assert {"keras", "tf2onnx"} <= set(done.versions)
    skeleton = onnx.load_from_string(done.skeleton)
    assert Counter(node.op_type for node in skeleton.graph.node)["Conv"] == 52
    parameters = [tensor for tensor in skeleton.graph.initializer if not tensor.raw_data]
    assert 3_400_000 < sum(prod(tensor.dims) for tensor in parameters) < 3_600_000
