"""timm's architectures by name, and models published in timm's format by their config.json; never their weights.

An architecture by name may be wanted whole, or as one of the components that `builders.crawl.timm` lists.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import timm
import torch
from timm.data.config import resolve_model_data_config

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

# What timm is asked for, by component.
_COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "features": {"features_only": True},
    "embedding": {"num_classes": 0},
}


def export(request: Request) -> Export:
    """Export the architecture that the model's configuration names, or that is the model's name.

    Raises:
        ConversionError: timm has no such architecture, the configuration cannot be read, or it cannot be exported.
    """
    model = request.model
    name = _architecture(model.config) if model.config else model.id
    if not timm.is_model(name):
        raise ConversionError(Outcome.NOT_FOUND, f"this timm registers no architecture {name!r}")
    if model.config:
        return export_module(lambda: _build_published(model.config), _inputs, request.opset)
    return export_module(lambda: _build(name, model.component), _inputs, request.opset)


def _architecture(config: str) -> str:
    """The registered name in a published configuration."""
    try:
        name = json.loads(config)["architecture"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str):
        raise ConversionError(Outcome.UNSUPPORTED, "its config.json names no timm architecture")
    return name


def _build(name: str, component: str) -> torch.nn.Module:
    module: torch.nn.Module = timm.create_model(name, pretrained=False, **_COMPONENTS[component])
    return module


def _build_published(config: str) -> torch.nn.Module:
    """What a published configuration describes, with its classes and arguments: timm reads it from a directory."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "config.json").write_text(config, encoding="utf-8")
        module: torch.nn.Module = timm.create_model(f"local-dir:{directory}", pretrained=False)
    return module


def _inputs(module: torch.nn.Module) -> tuple[torch.Tensor]:
    """One image of the size that the model's weights were made for."""
    size = resolve_model_data_config(module)["input_size"]  # type: ignore[no-untyped-call]
    return (torch.rand(1, *size),)
