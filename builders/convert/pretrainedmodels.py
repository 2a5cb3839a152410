"""The models of the package pretrainedmodels by name, without their weights."""

from __future__ import annotations

import pretrainedmodels
import torch

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import export_module


def export(request: Request) -> Export:
    """Export the model of this name, called with an image of the size that its weights were made for.

    Raises:
        ConversionError: the package has no such model, or it cannot be exported.
    """
    name = request.model.id
    if name not in pretrainedmodels.model_names:
        raise ConversionError(Outcome.NOT_FOUND, f"this pretrainedmodels has no model {name}")
    settings = next(iter(pretrainedmodels.pretrained_settings[name].values()))  # by the data set that it was made for
    return export_module(lambda: _build(name), lambda _: (torch.rand(1, *settings["input_size"]),), request.opset)


def _build(name: str) -> torch.nn.Module:
    module: torch.nn.Module = pretrainedmodels.__dict__[name](num_classes=1000, pretrained=None)
    return module
