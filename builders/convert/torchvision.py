"""torchvision's registered models, built without weights and called with the inputs they are made for."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torchvision import models

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

_FRAMES = 16  # of a video clip


def export(request: Request) -> Export:
    """Export the registered model of this name.

    Raises:
        ConversionError: torchvision has no such model, or it cannot be exported.
    """
    name = request.model.id
    if name not in models.list_models():
        raise ConversionError(Outcome.NOT_FOUND, f"this torchvision registers no model {name}")
    return export_module(lambda: _build(name), lambda module: _inputs(name, module), request.opset)


def _build(name: str) -> torch.nn.Module:
    """The model with no pretrained part, since the defaults of some would download a backbone."""
    known = inspect.signature(models.get_model_builder(name)).parameters
    options = {option: None for option in ("weights", "weights_backbone") if option in known}
    module: torch.nn.Module = models.get_model(name, **options)
    return module


def _inputs(name: str, module: torch.nn.Module) -> tuple[Any, ...]:
    """One example of what the model takes, at the size its published weights are evaluated at."""
    kind = models.get_model_builder(name).__module__.split(".")[2]
    height, width = _size(name, module)
    image = torch.rand(1, 3, height, width)
    if kind == "detection":
        return ([image[0]],)
    if kind == "video":
        return (torch.rand(1, 3, _FRAMES, height, width),)
    if kind == "optical_flow":
        return image, torch.rand(1, 3, height, width)
    return (image,)


def _size(name: str, module: torch.nn.Module) -> tuple[int, int]:
    """Height and width: what the module insists on, or the first published weights' own preprocessing."""
    if isinstance(fixed := getattr(module, "image_size", None), int):  # vision transformers
        return fixed, fixed
    weights = next(iter(models.get_model_weights(name)))
    preset = weights.transforms()
    for attribute in ("crop_size", "resize_size"):
        if size := getattr(preset, attribute, None):
            return size[0], size[-1]
    height, width = weights.meta.get("min_size", (224, 224))
    return height, width
