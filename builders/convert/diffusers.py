"""diffusers' model classes by name, and published models by their config.json; never their weights or code."""

from __future__ import annotations

import json
from typing import Any

import diffusers
import torch

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.diffusers_inputs import example_inputs
from builders.convert.torch import export_module


def export(request: Request) -> Export:
    """Export the class that the model's configuration names, or that is the model's name.

    Raises:
        ConversionError: diffusers has no such model class, the configuration cannot be read, or it cannot be exported.
    """
    model = request.model
    config = _read(model.config) if model.config else {}
    name = config.get("_class_name", model.id)
    known = getattr(diffusers.models, name, None) if isinstance(name, str) else None
    # ModelMixin: diffusers.models also holds the classes of its Flax models, functions and modules.
    if not (isinstance(known, type) and issubclass(known, diffusers.ModelMixin)):
        raise ConversionError(Outcome.NOT_FOUND, f"this diffusers has no model class {name!r}")
    return export_module(lambda: _build(known, config), example_inputs, request.opset)


def _read(config: str) -> dict[str, Any]:
    try:
        entries = json.loads(config)
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        raise ConversionError(Outcome.UNSUPPORTED, "its config.json holds no configuration")
    return entries


def _build(kind: Any, config: dict[str, Any]) -> torch.nn.Module:
    """The model without weights: `from_config` of a dict reads nothing, neither a file nor the Hub."""
    module: torch.nn.Module = kind.from_config(config)
    return module
