"""The files of a published model, on whichever hub it is: `opened`, a part of one, and `download`, the whole of one.

In: a `ModelRef` and a path in its repository; where that is, its source says. What goes wrong is a `ConversionError`
with the outcome that it means: the file is not there, is not given to everyone, is too large, or the hub failed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.convert.conversion import ConversionError, Outcome
from builders.crawl import SOURCES, Files
from builders.model_ref import ModelRef
from younger_hf.extract.ranges import RemoteError
from younger_hf.extract.remote import RemoteSource


@contextmanager
def opened(model: ModelRef, path: str) -> Iterator[RangedReader]:
    """A file of the repository to read from here and there, of which only what is read is fetched.

    Raises:
        ConversionError: it cannot be read; reading raises it too.
    """
    with _outcomes(), RemoteSource(_files(model).address(model, path)) as remote:
        yield RangedReader(remote)


def download(model: ModelRef, path: str, directory: Path, limit: int) -> Path:
    """A whole file of the repository, put into the directory under its own path.

    Args:
        model: whose file it is.
        path: the file's path in the repository; "" for an archive of the repository, where its source has one.
        directory: where it is put.
        limit: bytes that the file may have.

    Raises:
        ConversionError: it is larger (`too_large`), or cannot be had.
    """
    with _outcomes():
        return _files(model).download(model, path, directory, limit)


def _files(model: ModelRef) -> Files:
    source = SOURCES.get(model.source)
    if source is None or source.files is None:
        raise ConversionError(Outcome.NOT_FOUND, f"no source {model.source} says where files of {model.id} are")
    return source.files


@contextmanager
def _outcomes() -> Iterator[None]:
    """Say of what keeps a file from being had which outcome it is."""
    try:
        yield
    except RemoteError as error:
        raise ConversionError(Outcome(error.kind), str(error)) from error


class RangedReader(io.RawIOBase):
    """A file on a web server as Python's libraries read files: zipfile, h5py."""

    def __init__(self, remote: RemoteSource) -> None:
        super().__init__()
        self.remote = remote
        self._at = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where reading goes on, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on reading from there."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self.remote)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, as far as the file goes; fetches what it takes."""
        content = self.remote[self._at : self._at + len(buffer)]
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
