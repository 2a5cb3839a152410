"""Keras applications through tf2onnx, built from the registry with random weights; nothing is downloaded."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tf2onnx

from builders.convert import ConversionError, Export, Outcome
from builders.crawl.model_ref import ModelRef

OPSET = 18  # the newest that tf2onnx writes


def export(model: ModelRef) -> Export:
    """Export the application of this name.

    Raises:
        ConversionError: this Keras has no such application.
    """
    build = getattr(keras.applications, model.id, None)
    if build is None:
        raise ConversionError(Outcome.NOT_FOUND, f"this Keras has no application {model.id}")
    exported, _ = tf2onnx.convert.from_keras(build(weights=None), opset=OPSET)
    return Export(exported, "tf2onnx")
