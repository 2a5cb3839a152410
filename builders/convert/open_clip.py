"""OpenCLIP's towers by name, built from the configurations in its package; neither weights nor the Hub are asked."""

from __future__ import annotations

from typing import Any

import open_clip
import torch
from open_clip.model import _build_text_tower, _build_vision_tower

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module


def export(request: Request) -> Export:
    """Export the tower that the component names, of the model of this name.

    Raises:
        ConversionError: OpenCLIP has no such model, or the tower cannot be exported.
    """
    model = request.model
    config = open_clip.get_model_config(model.id)
    if config is None:
        raise ConversionError(Outcome.NOT_FOUND, f"this OpenCLIP has no model {model.id}")
    if model.component == "image":
        return export_module(lambda: _image_tower(config), _image, request.opset)
    return export_module(lambda: _text_tower(config), _text, request.opset)


def _image_tower(config: dict[str, Any]) -> torch.nn.Module:
    settings = {**config["vision_cfg"], "timm_model_pretrained": False}
    tower: torch.nn.Module = _build_vision_tower(config["embed_dim"], settings, config.get("quick_gelu", False))
    return tower


def _text_tower(config: dict[str, Any]) -> torch.nn.Module:
    tower: torch.nn.Module = _build_text_tower(config["embed_dim"], config["text_cfg"], config.get("quick_gelu", False))
    return tower


def _image(tower: torch.nn.Module) -> tuple[torch.Tensor]:
    size: Any = tower.image_size
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return (torch.rand(1, 3, height, width),)


def _text(tower: torch.nn.Module) -> tuple[torch.Tensor]:
    """Tokens of as many as fit, the last of which ends the text."""
    length: Any = tower.context_length
    return (torch.arange(1, length + 1)[None],)
