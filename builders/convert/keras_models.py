"""Keras models in memory: built from a name or a configuration, given weights, and made ONNX; TensorFlow is loaded."""

from __future__ import annotations

from typing import Any

# Before Keras, which it tells on which backend to run.
from builders.convert import through_tf2onnx  # isort: split

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from builders.convert.conversion import ConversionError, Export, Outcome


def application(name: str, *, classifier: bool) -> keras.Model:
    """The application of this name, with random weights; with its classifier, or as it extracts features.

    Raises:
        ConversionError: this Keras has none.
    """
    build = getattr(keras.applications, name, None)
    if build is None:
        raise ConversionError(Outcome.NOT_FOUND, f"this Keras has no application {name}")
    keras.utils.set_random_seed(0)
    return build(weights=None, include_top=classifier)


def build(configuration: dict[str, Any]) -> keras.Model:
    """The model that a configuration describes, with random weights.

    Args:
        configuration: one that `keras_configuration.checked` has passed.

    Raises:
        ConversionError: this Keras cannot build it, or it does not say the shape of its inputs (`unsupported`).
    """
    keras.utils.set_random_seed(0)
    try:
        network = keras.saving.deserialize_keras_object(configuration, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # layers fail in every way on arguments that are none of theirs
        raise ConversionError(
            Outcome.UNSUPPORTED, f"Keras {keras.__version__} cannot build it: {_reason(error)}"
        ) from error
    if not isinstance(network, keras.Model):
        raise ConversionError(Outcome.UNSUPPORTED, f"the configuration is that of a {type(network).__name__}, no model")
    if not network.built or not network.inputs:
        raise ConversionError(Outcome.UNSUPPORTED, "the configuration does not say which shape the inputs have")
    return network


def export(network: keras.Model, opset: int) -> Export:
    """The model as ONNX.

    Raises:
        ConversionError: tf2onnx cannot translate it (`unsupported`).
    """
    _disturb(network)

    # Not tf2onnx' from_keras: it gives several inputs as several arguments, and finds outputs by names that may differ.
    def call(*inputs: tf.Tensor) -> Any:
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    specs = [tf.TensorSpec(value.shape, value.dtype) for value in network.inputs]
    function = tf.function(call, input_signature=specs, autograph=False)
    # A layer's own tf.function becomes part of the whole, and no call, which tf2onnx does not translate.
    tf.config.run_functions_eagerly(True)
    try:
        return through_tf2onnx.translate(tf2onnx.convert.from_function, function, input_signature=specs, opset=opset)
    finally:
        tf.config.run_functions_eagerly(False)


def _disturb(network: keras.Model) -> None:
    """Take the weights away from their initial values, to none of which a trained model's are equal.

    The converter drops an addition of zeros, and merges parameters that are equal: of a fresh network it would make
    another graph than of a trained one.
    """
    generator = np.random.default_rng(0)
    for weight in network.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign_add(generator.random(weight.shape, dtype=np.float32) * 1e-3)


def _reason(error: Exception) -> str:
    """What the innermost of Keras' nested messages says."""
    inner = str(error).rpartition("Exception encountered:")[2].strip()
    return (inner.splitlines() or [type(error).__name__])[0][:300]
