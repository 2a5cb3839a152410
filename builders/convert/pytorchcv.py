"""pytorchcv's models by name, built without weights and called with the inputs they are made for."""

from __future__ import annotations

from typing import Any, Final

import torch
from pytorchcv.model_provider import _models, get_model

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

_PIXELS: Final = 224  # a side, where a model does not say
_FRAMES: Final = 160  # of a spectrogram
_CLIP: Final = (1, 5)  # clips, frames
_AREA: Final = (240, 432)  # height and width of a frame

# Models of images that are grey.
_GREY: Final = {"superpointnet": (240, 320), "pfpcnet": (320, 240)}


def export(request: Request) -> Export:
    """Export the model of this name.

    Raises:
        ConversionError: pytorchcv has no such model, or it cannot be exported.
    """
    name = request.model.id
    if name not in _models:
        raise ConversionError(Outcome.NOT_FOUND, f"this pytorchcv has no model {name}")
    return export_module(lambda: get_model(name, pretrained=False), lambda module: _inputs(name, module), request.opset)


def _inputs(name: str, module: torch.nn.Module) -> tuple[Any, ...]:
    """One example of what the model takes: an image, unless it is known to be something else."""
    size: Any = getattr(module, "in_size", (_PIXELS, _PIXELS))
    if name.startswith(("jasper", "quartznet")):  # a spectrogram, and how long it is
        return torch.rand(1, size, _FRAMES), torch.tensor([_FRAMES])
    if name.startswith("raft"):
        return torch.rand(1, 3, *_AREA), torch.rand(1, 3, *_AREA)
    if name in _GREY:
        return (torch.rand(1, 1, *_GREY[name]),)
    match name:
        case "propainter" | "propainter_rfc":  # flows and masks
            return torch.rand(*_CLIP, 2, *_AREA), torch.rand(*_CLIP, 1, *_AREA)
        case "propainter_ip":  # frames, masks, and flows there and back
            clips, frames = _CLIP
            flows = torch.rand(clips * (frames - 1), 4, *_AREA)
            return torch.rand(frames, 3, *_AREA), torch.rand(frames, 1, *_AREA), flows, "nearest"
        # What is heard, and whose face is to say it.
        case "voca8flame":
            return torch.rand(1, 1, 16, 29), torch.tensor([3])
        case "nvpattexp116bazel76":
            return torch.rand(1, 8, 16, 29), torch.tensor([3])
        case "visemenet20":
            return torch.rand(1, 8, 195), torch.rand(1, 76)
    return (torch.rand(1, 3, *size),)
