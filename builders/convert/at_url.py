"""An ONNX file at a web address that somebody names: nothing is converted, the file is read without its weights.

`fetch` reads its structure by range requests and leaves it behind for `export`. What is asked for by a visitor of a
server may lie at public addresses only: a component `public` says so.
"""

from __future__ import annotations

from typing import Final

from builders.convert.conversion import ConversionError, Outcome, Request
from builders.convert.onnx import export
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.ranges import Patience, RemoteError
from younger_hf.extract.remote import RemoteSource

__all__ = ["PUBLIC", "export", "fetch"]

PUBLIC: Final = "public"
_PATIENCE: Final = Patience(tries=2, longest_pause=5.0)  # somebody waits for it


def fetch(request: Request) -> int:
    """Read the structure of the file at the address that is the model's id into `model.onnx`.

    Returns:
        The bytes that came over the network.

    Raises:
        ConversionError: it is not there, or cannot be read.
        InvalidModelError: it is no ONNX model.
    """
    model = request.model
    try:
        with RemoteSource(model.id, _PATIENCE, public_only=model.component == PUBLIC) as remote:
            structure = parse_weightless(remote, remote.name)
            request.files.mkdir(parents=True, exist_ok=True)
            (request.files / "model.onnx").write_bytes(structure.SerializeToString())
            return remote.fetched
    except RemoteError as error:
        raise ConversionError(Outcome(error.kind), str(error)) from error
