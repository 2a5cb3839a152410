"""Finished conversions on a file system that a driver and its workers share: `ConversionStore`.

A worker writes what it has finished before it answers, so that a driver that dies loses nothing: the next one takes it
from here. In go and out come attempts at requests, as JSON under gzip: nothing is unpickled, and what was cut off
while it was written fails its checksum.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, fields
from hashlib import blake2b
from typing import Any, Final

import fsspec.core  # type: ignore[import-untyped]

from builders.convert import Conversion, Outcome, Request
from builders.export_key import export_key
from younger_hf.errors import YoungerError

_SUFFIX: Final = ".json.gz"
_CONTENTS: Final = ("skeleton", "modules")  # of a Conversion, bytes or None


class ConversionStore:
    """A directory of finished conversions.

    Args:
        url: of a directory, as fsspec takes it: `file:///shared/results`, `s3://bucket/results`.

    Raises:
        YoungerError: no such file system is installed, or the directory cannot be made.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
            self._files.makedirs(self._root, exist_ok=True)
        except (ImportError, ValueError, OSError) as error:
            raise YoungerError(f"cannot keep results at {url}: {error}") from error

    def __reduce__(self) -> tuple[type[ConversionStore], tuple[str]]:
        return ConversionStore, (self.url,)

    def names(self) -> set[str]:
        """The names of all that is finished, as `name_of` gives them.

        Raises:
            YoungerError: the directory cannot be listed.
        """
        self._files.invalidate_cache()
        try:
            paths = self._files.ls(self._root, detail=False)
        except FileNotFoundError:  # a store of objects has no directory without one
            return set()
        except OSError as error:
            raise YoungerError(f"cannot list what is kept at {self.url}: {error}") from error
        return {path.rpartition("/")[2].removesuffix(_SUFFIX) for path in paths if path.endswith(_SUFFIX)}

    def put(self, request: Request, attempts: Sequence[Conversion]) -> None:
        """Keep what a request has come to."""
        told = [
            {
                **asdict(attempt),
                "versions": dict(attempt.versions),
                "outcome": attempt.outcome.value,
                **{name: _as_text(getattr(attempt, name)) for name in _CONTENTS},
            }
            for attempt in attempts
        ]
        self._files.pipe_file(self._path(name_of(request)), gzip.compress(json.dumps(told).encode(), mtime=0))

    def take(self, name: str) -> tuple[Conversion, ...]:
        """What is kept by a name; nothing where it cannot be read, and has to be done again."""
        try:
            told = json.loads(gzip.decompress(self._files.cat_file(self._path(name))))
            return tuple(_conversion(attempt) for attempt in told)
        except (OSError, EOFError, ValueError, TypeError, KeyError):
            return ()

    def forget(self, name: str) -> None:
        """Remove what is kept by a name, once a ledger has it."""
        if self._files.exists(self._path(name)):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}{_SUFFIX}"


def name_of(request: Request) -> str:
    """The name that the results of a request are kept by: 128 bits in hex, of the export key and the opset."""
    return blake2b(f"{export_key(request.model)} {request.opset}".encode(), digest_size=16).hexdigest()


def _conversion(told: dict[str, Any]) -> Conversion:
    known = {field.name: told[field.name] for field in fields(Conversion)}
    contents = {name: None if told[name] is None else b64decode(told[name]) for name in _CONTENTS}
    return Conversion(**{**known, "outcome": Outcome(told["outcome"]), **contents})


def _as_text(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()
