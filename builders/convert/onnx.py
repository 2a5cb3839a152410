"""ONNX files that exist already: nothing is converted, the file is read without its weights.

A file on a hub (Hugging Face, Kaggle) is read through range requests, so that a small part of it comes over the
network; `fetch` leaves its structure behind for `export`. External data that lies beside a file is never asked for.
"""

from __future__ import annotations

from pathlib import Path

from builders.convert.conversion import ConversionError, Export, Outcome, Request


def fetch(request: Request) -> int:
    """Read the structure of a published file into `model.onnx`.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: the file is not there (`not_found`), is not given to everyone (`gated`), would take too many
            bytes (`too_large`), or the network failed (`error`).
        InvalidModelError: it is no ONNX model.
    """
    model = request.model
    if not model.component:
        raise ConversionError(Outcome.NOT_FOUND, f"{model.id} is a repository: its component names no file in it")
    from builders.convert.published import opened
    from younger_hf.extract.parse import parse_weightless

    with opened(model, model.component) as file:
        structure = parse_weightless(file.remote, file.remote.name)
        request.files.mkdir(parents=True, exist_ok=True)
        _fetched(request).write_bytes(structure.SerializeToString())
        return file.remote.fetched


def _fetched(request: Request) -> Path:
    return request.files / "model.onnx"


def export(request: Request) -> Export:
    """The model's file, or what was fetched of it.

    Raises:
        ConversionError: there is no such file any more (`not_found`).
    """
    model = request.model
    file = Path(model.location) if model.location else _fetched(request)
    if not file.exists():
        raise ConversionError(Outcome.NOT_FOUND, f"there is no file {model.location or model.component or model.id}")
    return Export(file, "onnx")
