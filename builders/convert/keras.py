"""Keras applications through tf2onnx, built from the registry with random weights; nothing is downloaded."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tf2onnx

from builders.convert import ConversionError, Export, Outcome, Request

OPSET = 18  # the newest that tf2onnx writes


def export(request: Request) -> Export:
    """Export the application of this name.

    Raises:
        ConversionError: this Keras has no such application.
    """
    model = request.model
    build = getattr(keras.applications, model.id, None)
    if build is None:
        raise ConversionError(Outcome.NOT_FOUND, f"this Keras has no application {model.id}")
    keras.utils.set_random_seed(0)
    network = build(weights=None)
    _disturb(network)
    exported, _ = tf2onnx.convert.from_keras(network, opset=request.opset or OPSET)
    return Export(exported, "tf2onnx")


def _disturb(network: keras.Model) -> None:
    """Take the weights away from their initial values, to none of which a trained model's are equal.

    The converter drops an addition of zeros, and merges parameters that are equal: of a fresh network it would make
    another graph than of a trained one.
    """
    generator = np.random.default_rng(0)
    for weight in network.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign_add(generator.random(weight.shape, dtype=np.float32) * 1e-3)
