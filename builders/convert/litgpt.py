"""LitGPT's models of any size, built from the configuration of this name and called with a short prompt."""

from __future__ import annotations

from typing import Final

import torch
from litgpt.config import Config, name_to_config
from litgpt.model import GPT

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module

_TOKENS: Final = 16


def export(request: Request) -> Export:
    """Export the model of this name; no cache of keys and values, which LitGPT makes for generation only.

    Raises:
        ConversionError: LitGPT has no such configuration, or the model cannot be exported.
    """
    name = request.model.id
    if name not in name_to_config:
        raise ConversionError(Outcome.NOT_FOUND, f"this LitGPT has no configuration {name}")
    config = Config.from_name(name)
    return export_module(
        lambda: GPT(config), lambda _: (torch.ones(1, _TOKENS, dtype=torch.int64),), request.opset, torchscript=False
    )
