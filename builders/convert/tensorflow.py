"""Published TensorFlow models through tf2onnx: SavedModels without their variables, and TFLite files.

A SavedModel says in `saved_model.pb` which operators there are and which shapes its variables have, so that this is all
that is fetched of it. A TFLite file holds its parameters between its operators and is fetched whole.
"""

from __future__ import annotations

import posixpath
from typing import Final

from builders.convert.conversion import ConversionError, Export, Outcome, Request

MAX_FILE: Final = 1 << 30  # bytes that are fetched; protobuf and TFLite files end at 2 GiB


def fetch(request: Request) -> int:
    """Get the file that the model is in.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: the file cannot be had, or is too large.
    """
    from builders.convert.published import download

    path = _path(request)
    return download(request.model, path, request.files, MAX_FILE).stat().st_size


def export(request: Request) -> Export:
    """Export the function that the SavedModel serves, or the main graph of the TFLite file.

    Raises:
        ConversionError: the file cannot be read, or not be translated (`unsupported`).
    """
    file = request.files / _path(request)
    if request.model.library == "tflite":
        from builders.convert import through_tf2onnx  # isort: split

        import tf2onnx

        return through_tf2onnx.translate(tf2onnx.convert.from_tflite, str(file), opset=request.opset)
    from builders.convert import saved_model

    return saved_model.export(file, request.opset)


def _path(request: Request) -> str:
    """The model's file in its repository."""
    model = request.model
    if model.library == "tensorflow":
        return posixpath.join(model.component, "saved_model.pb")
    if not model.component:
        raise ConversionError(Outcome.UNSUPPORTED, f"{model.id} has no .tflite file")
    return model.component
