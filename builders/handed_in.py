"""Models that somebody hands in to be looked at: `HandedIn` reads them in children with limits, as conversions run.

In goes an ONNX file or its web address; out comes the skeleton, which a second child has checked. Nothing is kept.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

from builders.convert import Exporter, Outcome, Request
from builders.convert.at_url import PUBLIC
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError

_LIMITS: Final = Limits(seconds=60.0, memory=2 << 30, processes=8, entries=64, answer=64 << 20)
_OF_FILE: Final = Exporter("onnx", "builders.convert.onnx", ("onnx",))
_AT_URL: Final = Exporter("onnx", "builders.convert.at_url", ("onnx",), network=True)
_FETCHED: Final = "model.onnx"


class HandedIn:
    """Reads models; a context manager, which ends the processes that children come from."""

    def __init__(self) -> None:
        self._templates = Templates()

    def __enter__(self) -> HandedIn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._templates.__exit__(kind, error, at)

    def read_file(self, file: Path) -> bytes:
        """The skeleton of a file.

        Raises:
            YoungerError: it cannot be read; the message names no path.
        """
        model = ModelRef("upload", "upload", library="onnx", location=str(file.resolve()))
        return self._read(model, _OF_FILE, str(file.resolve()))

    def read_url(self, url: str, *, public_only: bool) -> bytes:
        """The skeleton of a file on a web server.

        Args:
            url: its address.
            public_only: whether it may lie at public addresses only.

        Raises:
            YoungerError: as `read_file`.
        """
        model = ModelRef("url", url, component=PUBLIC if public_only else "", library="onnx")
        return self._read(model, _AT_URL, "")

    def _read(self, model: ModelRef, exporter: Exporter, path: str) -> bytes:
        done = convert(Request(model), exporter, limits=_LIMITS, templates=self._templates)
        if done.outcome is Outcome.OK and done.skeleton is not None:
            return done.skeleton
        # Where a child had the file is nobody's business.
        words = (done.message or str(done.outcome)).replace(path or _FETCHED, "the file").split()
        raise YoungerError(
            " ".join("the file" if word.endswith(f"/{_FETCHED}") and "://" not in word else word for word in words)
        )
