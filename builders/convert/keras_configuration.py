"""What a Keras configuration may hold: JSON text goes in, a configuration that is safe to build comes out.

Keras builds the classes that a configuration names, from the arguments that it gives. Only Keras' own may be named, and
of them none that runs code, or reads files, of the publisher's choice. What Keras 2 wrote is put as Keras 3 has it, as
far as that is a matter of names. Nothing is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from builders.convert.conversion import ConversionError, Outcome

_CODE: Final = {
    "__lambda__": "Python code",
    "Lambda": "Python code",
    "JaxLayer": "Python code",
    "FlaxLayer": "Python code",
    "TorchModuleWrapper": "a pickled PyTorch module",
    "TFSMLayer": "a SavedModel in a layer",
    "TFOpLambda": "a call of TensorFlow by name, which Keras 3 does not make",
    "SlicingOpLambda": "a call of TensorFlow by name, which Keras 3 does not make",
    "TensorFlowOpLayer": "a node of a TensorFlow graph, which Keras 3 does not build",
}
_OWN: Final = {"keras", "builtins"}
# Of Keras' own modules those that hold no part of a model.
_FOREIGN: Final = {"utils", "saving", "config", "export", "datasets", "callbacks", "distribution", "trainers"}

# Where Keras 3 has the models of Keras 2, which knew them under one module each.
_MODELS: Final = {"Functional": "keras.src.models.functional", "Model": "keras", "Sequential": "keras"}
# Where in a configuration there is a layer, or a list of them.
_LAYERS: Final = ("layers", "layer", "forward_layer", "backward_layer", "cell", "cells")
# Arguments, by how they end, that make no difference to a graph, so that they may be of classes of one's own.
_OF_TRAINING: Final = ("_initializer", "_regularizer", "_constraint")
# What Keras 2 wrote besides and Keras 3 does not take, with the one value that means nothing; by the classes' names.
_DROPPED: Final = {
    "time_major": (False, ("RNN", "LSTM", "GRU")),
    "groups": (1, ("Transpose", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")),
}


def checked(text: str) -> dict[str, Any]:
    """The configuration, as Keras 3 has it.

    Raises:
        ConversionError: it is no configuration of a model, holds code, or names a class that is not Keras' own
            (`unsupported`).
    """
    try:
        configuration = json.loads(text)
        if not isinstance(configuration, dict) or not isinstance(configuration.get("config"), (dict, list)):
            raise ConversionError(Outcome.UNSUPPORTED, "the configuration is not that of a Keras model")
        configuration.pop("compile_config", None)  # losses and optimizers, which often are of one's own
        _translate(configuration)
        for part in _parts(configuration):
            _check(part)
        return _with_legal_names(configuration)
    except (ValueError, RecursionError) as error:
        raise ConversionError(
            Outcome.UNSUPPORTED, f"the configuration is not JSON that can be read: {error}"
        ) from error


def _translate(part: dict[str, Any]) -> None:
    """Put a model or layer of Keras 2, and all within it, as Keras 3 has it, in place; leave those of Keras 3."""
    name, module, config = str(part.get("class_name")), part.get("module"), part.get("config")
    registered = ">" in str(part.get("registered_name"))
    if name in _MODELS and not registered and (module is None or ".engine." in str(module)):
        part |= {"module": _MODELS[name], "registered_name": None}
        if isinstance(config, list):  # so a Sequential was, long ago
            config = part["config"] = {"name": "sequential", "layers": config}
    elif module is None and not registered:
        part |= {"module": "keras.layers", "registered_name": None}
    if not isinstance(config, dict):
        return
    for argument in [argument for argument in config if argument.endswith(_OF_TRAINING)]:
        del config[argument]
    if isinstance(shape := config.pop("batch_input_shape", None), list):
        config |= {"batch_shape": shape} if name == "InputLayer" else {"input_shape": shape[1:]}
    if isinstance(axis := config.get("axis"), list) and len(axis) == 1 and name == "BatchNormalization":
        config["axis"] = axis[0]
    if isinstance(policy := config.get("dtype"), dict) and policy.get("class_name") == "Policy":
        policy |= {"module": "keras", "class_name": "DTypePolicy", "registered_name": None}
    for argument, (nothing, classes) in _DROPPED.items():
        if name.endswith(classes) and config.get(argument) == nothing:
            config.pop(argument, None)
    for key in _LAYERS:
        inner = config.get(key)
        for layer in inner if isinstance(inner, list) else [inner]:
            if isinstance(layer, dict) and "class_name" in layer:
                _translate(layer)


def _with_legal_names(configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration with layers whose names Keras 3 takes: those of Keras 2 had slashes."""
    text = json.dumps(configuration)
    for name in {
        str(part["config"].get("name")) for part in _parts(configuration) if isinstance(part.get("config"), dict)
    }:
        if "/" in name:
            text = text.replace(json.dumps(name), json.dumps(name.replace("/", "_")))
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping that names a class."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _parts(item)


def _check(part: dict[str, Any]) -> None:
    """See that this part is Keras' own and a part of a model."""
    name, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
    if not isinstance(name, str) or not isinstance(module or "", str) or not isinstance(registered or "", str):
        raise ConversionError(Outcome.UNSUPPORTED, "the configuration names a class by something that is no name")
    if name in _CODE:
        raise ConversionError(Outcome.UNSUPPORTED, f"it holds {_CODE[name]} ({name})")
    packages = (module or "keras").split(".")
    if packages[0] not in _OWN or not _FOREIGN.isdisjoint(packages):
        raise ConversionError(Outcome.UNSUPPORTED, f"it needs the class {name} of {module}, which is not Keras' own")
    if registered and (">" in registered or (module and registered != name)):
        raise ConversionError(Outcome.UNSUPPORTED, f"it needs the class {registered}, which is not Keras' own")
