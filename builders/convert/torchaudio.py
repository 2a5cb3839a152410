"""torchaudio's models by name, built without weights and called with a second of sound, or what makes it."""

from __future__ import annotations

from typing import Any, Final

import torch
from torchaudio import models

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

_SAMPLES: Final = 16_000  # of a waveform: one second
_SAMPLES_OF_MUSIC: Final = 44_100
_TOKENS: Final = 16  # of a text
_FRAMES: Final = 32  # of a spectrogram that is to be spoken


def export(request: Request) -> Export:
    """Export the model of this name.

    Raises:
        ConversionError: torchaudio has no such model, or it cannot be exported.
    """
    name = request.model.id
    builder = getattr(models, name, None) if name in models.__all__ else None
    if builder is None:
        raise ConversionError(Outcome.NOT_FOUND, f"this torchaudio has no model {name}")
    return export_module(builder, lambda _: _inputs(name), request.opset)


def _inputs(name: str) -> tuple[Any, ...]:
    if name.startswith("hdemucs"):
        return (torch.rand(1, 2, _SAMPLES_OF_MUSIC),)
    if name.startswith("conv_tasnet") or name == "Wav2Letter":
        return (torch.rand(1, 1, _SAMPLES),)
    if name.startswith("squim_subjective"):  # what is rated, and what is good
        return torch.rand(1, _SAMPLES), torch.rand(1, _SAMPLES)
    if name == "Tacotron2":  # a text, its length, the spectrogram and its length
        return (
            torch.ones(1, _TOKENS, dtype=torch.int64),
            torch.tensor([_TOKENS]),
            torch.rand(1, 80, _FRAMES),
            torch.tensor([_FRAMES]),
        )
    return (torch.rand(1, _SAMPLES),)
