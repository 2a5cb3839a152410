"""Keras models through tf2onnx: applications by name, published ones from their configuration; no weight is fetched.

Of a published model its configuration is all that is needed, since any weights of the right shapes give the graph:
`config.json` of a `.keras` file (a zip) or of a repository, the attribute `model_config` of an `.h5` file. It may have
been written by Keras 2. A configuration that holds Python code, or names classes that are not Keras' own, is refused
before Keras sees it: `keras_configuration`.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.keras_configuration import checked

if TYPE_CHECKING:
    from builders.convert.published import RangedReader

MAX_CONFIGURATION: Final = 64 << 20  # bytes

_CONFIGURATION: Final = "config.json"


def fetch(request: Request) -> int:
    """Get a published model's configuration; nothing where the crawl has it already.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: the file cannot be had, or holds no configuration (`unsupported`).
    """
    model = request.model
    if model.config:
        return 0
    if not model.component:
        raise ConversionError(Outcome.UNSUPPORTED, f"{model.id} has no .keras or .h5 file that holds an architecture")
    from builders.convert.published import opened

    with opened(model, model.component) as file:
        read = _of_archive if model.component.lower().endswith(".keras") else _of_hdf5
        configuration = read(file)
        if configuration is None:
            raise ConversionError(Outcome.UNSUPPORTED, f"{model.component} of {model.id} holds no architecture")
        request.files.mkdir(parents=True, exist_ok=True)
        (request.files / _CONFIGURATION).write_bytes(configuration)
        return file.remote.fetched


def export(request: Request) -> Export:
    """Export the application of this name, or what the configuration describes.

    Raises:
        ConversionError: this Keras has no such application, or cannot build it (`unsupported`).
    """
    model = request.model
    if model.origin == "registry":
        from builders.convert import keras_models

        return keras_models.export(keras_models.application(model.id, classifier=not model.component), request.opset)
    text = model.config or (request.files / _CONFIGURATION).read_text(encoding="utf-8", errors="replace")
    configuration = checked(text)
    from builders.convert import keras_models

    return keras_models.export(keras_models.build(configuration), request.opset)


def _of_archive(file: RangedReader) -> bytes | None:
    """The configuration in a `.keras` file."""
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_CONFIGURATION) as entry:
            return entry.read(MAX_CONFIGURATION)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return None


def _of_hdf5(file: RangedReader) -> bytes | None:
    """The configuration in an `.h5` file; None where it holds weights alone, or is none."""
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(file, "r") as content:
            configuration = content.attrs.get("model_config")
    except (OSError, ValueError):
        return None
    return configuration.encode() if isinstance(configuration, str) else configuration
