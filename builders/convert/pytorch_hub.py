"""Entry points of PyTorch Hub repositories: the only exporter that runs a publisher's code, which the user has named.

`fetch` gets the repository at its commit and runs nothing. `export` imports its `hubconf.py` and calls the entry point
without pretrained weights. It has no network: an entry point that downloads weights all the same fails, and is told so.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from builders.convert.archives import unpack
from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.published import download
from builders.convert.torch import export_module

MAX_ARCHIVE: Final = 512 << 20  # bytes

_IMAGE_SIZE: Final = 224
_SAMPLES: Final = 16_000
_TOKENS: Final = 16

# The parameters by which entry points leave out weights.
_WITHOUT_WEIGHTS: Final = {"pretrained": False, "pretrained_backbone": False, "weights": None, "weights_backbone": None}


def fetch(request: Request) -> int:
    """Get the repository at its commit.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: there is no such repository or commit (`not_found`), it is too large, or the network failed.
    """
    archive = download(request.model, "", request.files, MAX_ARCHIVE)
    fetched = archive.stat().st_size
    unpack(archive, request.files / "repository")
    archive.unlink()
    return fetched


def export(request: Request) -> Export:
    """Export what the entry point makes.

    Raises:
        ConversionError: there is no such entry point (`not_found`); or it needs packages, arguments or weights that are
            not there, makes no module, or one that cannot be exported (`unsupported`).
    """
    name = request.model.id.rpartition("/")[2]
    entry = _entry_point(request.files / "repository", name)
    return export_module(lambda: _build(name, entry), _inputs, request.opset)


def _entry_point(directory: Path, name: str) -> Callable[..., Any]:
    """The function of that name in `hubconf.py`, which is run for it."""
    file = next(directory.glob("*/hubconf.py"), None)
    if file is None:
        raise ConversionError(Outcome.NOT_FOUND, "the repository has no hubconf.py")
    sys.path.insert(0, str(file.parent))
    try:
        hubconf = importlib.import_module("hubconf")
    except ImportError as error:
        raise ConversionError(Outcome.UNSUPPORTED, f"hubconf.py needs what is not installed: {error}") from error
    missing = [package for package in getattr(hubconf, "dependencies", ()) if not importlib.util.find_spec(package)]
    if missing:
        raise ConversionError(Outcome.UNSUPPORTED, f"hubconf.py needs packages that are not installed: {missing}")
    entry = getattr(hubconf, name, None)
    if not callable(entry):
        raise ConversionError(Outcome.NOT_FOUND, f"hubconf.py has no entry point {name}")
    return entry  # type: ignore[no-any-return]


def _build(name: str, entry: Callable[..., Any]) -> torch.nn.Module:
    """The module that an entry point makes without weights."""
    parameters = inspect.signature(entry).parameters
    given = {option: value for option, value in _WITHOUT_WEIGHTS.items() if option in parameters}
    if "pretrained" in given:
        given.pop("weights", None)  # it then says which ones, and may have to be one of them
    wanted = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name not in given
    ]
    if wanted:
        raise ConversionError(Outcome.UNSUPPORTED, f"the entry point {name} wants arguments: {', '.join(wanted)}")
    try:
        module = entry(**given)
    except OSError as error:  # of which all errors of connections are
        raise ConversionError(
            Outcome.UNSUPPORTED, f"the entry point {name} wants to download or read a file, and may not: {error}"
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise ConversionError(
            Outcome.UNSUPPORTED, f"the entry point {name} makes a {type(module).__name__} and no torch.nn.Module"
        )
    return module


def _inputs(module: torch.nn.Module) -> tuple[torch.Tensor]:
    """One example of what a module takes, told by the first of its layers, since nothing else says it."""
    size = getattr(module, "image_size", _IMAGE_SIZE)
    size = size if isinstance(size, int) else _IMAGE_SIZE
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv1d):
            return (torch.rand(1, layer.in_channels, _SAMPLES),)
        if isinstance(layer, torch.nn.Conv2d):
            return (torch.rand(1, layer.in_channels, size, size),)
        if isinstance(layer, torch.nn.Conv3d):
            return (torch.rand(1, layer.in_channels, _TOKENS, size, size),)
        if isinstance(layer, torch.nn.Embedding):
            return (torch.randint(layer.num_embeddings, (1, _TOKENS)),)
        if isinstance(layer, torch.nn.RNNBase):
            return (torch.rand(1, _TOKENS, layer.input_size),)
        if isinstance(layer, torch.nn.Linear):
            return (torch.rand(1, layer.in_features),)
    raise ConversionError(Outcome.UNSUPPORTED, "it has no layer by which one could tell what it takes")
