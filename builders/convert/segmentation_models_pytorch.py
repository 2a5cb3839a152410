"""Encoder and decoder as segmentation_models_pytorch composes them, without weights."""

from __future__ import annotations

from typing import Final

import segmentation_models_pytorch
import torch

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

_PIXELS: Final = 224  # a side where the encoder takes any: a multiple of 32, which all decoders need


def export(request: Request) -> Export:
    """Export the decoder that the component names on the encoder of this name.

    Raises:
        ConversionError: the two cannot be composed, or it cannot be exported.
    """
    model = request.model
    try:
        segmentation_models_pytorch.MODEL_ARCHITECTURES_MAPPING[model.component]
    except KeyError as error:
        raise ConversionError(Outcome.NOT_FOUND, f"there is no decoder {model.component!r}") from error
    return export_module(lambda: _build(model.id, model.component), _image, request.opset, torchscript=False)


def _build(encoder: str, decoder: str) -> torch.nn.Module:
    """The composed model.

    Raises:
        ConversionError: the library refuses it: some decoders need a pyramid of features, one a plain transformer.
    """
    try:
        module: torch.nn.Module = segmentation_models_pytorch.create_model(decoder, encoder, encoder_weights=None)
    except (KeyError, ValueError, RuntimeError, TypeError, AssertionError) as error:
        reason = (str(error).splitlines() or [""])[0][:160]
        raise ConversionError(Outcome.UNSUPPORTED, f"{decoder} cannot be put on {encoder}: {reason}") from error
    return module


def _image(module: torch.nn.Module) -> tuple[torch.Tensor]:
    """An image of the size that the encoder insists on, if it does."""
    for part in module.modules():
        size = getattr(part, "img_size", None)
        if isinstance(size, tuple) and len(size) == 2:
            return (torch.rand(1, 3, *size),)
    return (torch.rand(1, 3, _PIXELS, _PIXELS),)
