"""transformers' models without their weights: a `ModelRef` goes in, a class and its configuration come out.

Only classes of the installed transformers are built, never code from a repository. The configuration of a published
model is what its publisher wrote, so it is untrusted: what cannot be built from it is refused in one sentence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Final

# Importing TensorFlow would cost seconds and half a gigabyte.
os.environ.update(USE_TF="0", USE_FLAX="0")

import torch
import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedModel

from builders.convert.conversion import ConversionError, Outcome
from builders.crawl.transformers import architectures
from builders.model_ref import ModelRef

_MAX_LAYERS: Final = 10_000
_MAX_DEPTH: Final = 32  # of a configuration's nesting

# What a configuration says of how its model is run, stored or loaded, and not of what it is.
_RUNTIME: Final = {
    *("_name_or_path", "auto_map", "transformers_version", "quantization_config"),
    *("dtype", "torch_dtype", "attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
    *("use_cache", "return_dict", "output_attentions", "output_hidden_states", "torchscript"),
}


def configuration(model: ModelRef) -> PretrainedConfig:
    """The model's configuration, or its model type's default one where it has none.

    Raises:
        ConversionError: it cannot be had, or what it describes cannot be built without code or weights of others.
    """
    fields = _fields(model)
    model_type = fields.get("model_type", model.id if model.origin == "default-configuration" else None)
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        if "auto_map" in fields:
            raise _unsupported(f"{model.id} needs code from its repository, which is never run")
        raise _unsupported(f"{model.id} is of a model type that transformers does not have: {str(model_type)[:64]!r}")
    if quantization := fields.get("quantization_config"):
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise _unsupported(f"the weights of {model.id} are quantised ({str(method)[:32]}), which makes another graph")
    try:
        config = CONFIG_MAPPING[model_type].from_dict(_without_runtime(fields))
        for part in parts(config):
            part.use_cache = False
            if getattr(part, "use_pretrained_backbone", False):
                part.use_pretrained_backbone = False
            layers = getattr(part, "num_hidden_layers", 0)
            if isinstance(layers, int) and layers > _MAX_LAYERS:
                raise ConversionError(Outcome.TOO_LARGE, f"the configuration of {model.id} asks for {layers} layers")
    except (MemoryError, ConversionError):
        raise
    except Exception as error:  # whatever a model type's own checks raise
        raise _unsupported(f"{model.id} has no configuration of a {model_type}: {_first_line(error)}") from error
    return config


def architecture(model: ModelRef, config: PretrainedConfig) -> tuple[type[PreTrainedModel], str]:
    """The class of transformers that the configuration names, or else the one for the model's task; and its task.

    Raises:
        ConversionError: the installed transformers has no such class.
    """
    default = model.origin == "default-configuration"
    classes = architectures().get(model.id if default else config.model_type, {})
    named = [] if default else config.architectures
    if named:
        name = str(named[0]).removeprefix("TF").removeprefix("Flax")
    else:
        name = classes.get(model.task) or classes.get("feature-extraction", "")
    found = getattr(transformers, name, None) if name.isidentifier() else None
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel) and _is_of(found, config)):
        raise _unsupported(f"transformers has no class {name[:64]!r} of a {config.model_type}")
    tasks = [task for task, of_task in classes.items() if of_task == name]
    # Where a class is named the publisher's word for the task decides nothing: such models share a conversion.
    task = next(iter(tasks), "feature-extraction") if named or model.task not in tasks else model.task
    return found, task


def build(architecture: type[PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    """The model, in single precision and with the attention that spells itself out.

    Raises:
        ConversionError: the configuration makes no sense to the class.
    """
    try:
        model: PreTrainedModel = architecture._from_config(
            config, dtype=torch.float32, attn_implementation="eager"
        ).float()
    except MemoryError:
        raise
    except Exception as error:
        raise _unsupported(
            f"{architecture.__name__} cannot be built from this configuration: {_first_line(error)}"
        ) from error
    model.config.return_dict = True
    return model


def _fields(model: ModelRef) -> dict[str, Any]:
    """The fields of the published configuration; none for a default one."""
    if not model.config:
        if model.origin == "default-configuration":
            return {}
        raise ConversionError(Outcome.NOT_FOUND, f"{model.id} has no config.json")
    try:
        fields = json.loads(model.config)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _unsupported(f"the config.json of {model.id} is no JSON object")
    return fields


def _without_runtime(fields: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """The fields, also those of nested configurations, that say what the model is."""
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    return {
        name: _without_runtime(value, depth + 1) if isinstance(value, dict) else value
        for name, value in fields.items()
        if name not in _RUNTIME
    }


def parts(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    """The configuration, and those within it at any depth."""
    yield config
    for value in vars(config).values():
        if isinstance(value, PretrainedConfig):
            yield from parts(value)


def _is_of(architecture: type[PreTrainedModel], config: PretrainedConfig) -> bool:
    """Whether the class takes such a configuration, or a part of it as the text models of composites do."""
    wanted = architecture.config_class
    return wanted is not None and any(isinstance(part, wanted) for part in parts(config))


def _unsupported(message: str) -> ConversionError:
    return ConversionError(Outcome.UNSUPPORTED, message)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:160]}"
