"""What tests of converters share: a model converted by the first exporter of its library."""

from __future__ import annotations

from builders.convert import Conversion, Request, exporters_for
from builders.convert.isolation import Limits, convert
from builders.model_ref import ModelRef


def converted(model: ModelRef, opset: int = 0, limits: Limits | None = None) -> Conversion:
    return convert(Request(model, opset), exporters_for(model)[0], limits=limits)
