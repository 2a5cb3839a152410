"""What a visitor hands in: an ONNX file, its address, a model of the Hub, or the text form.

Files are read in children with limits, by whatever `ModelReader` the server was given; here they are counted and
never kept.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath
from threading import BoundedSemaphore
from typing import IO, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from younger_hf.errors import UsageError, YoungerError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.known import Verdict, of_skeleton, of_text
from younger_hf.explore.relatives import Relatives
from younger_hf.text import plain

MOST_BYTES: Final = 64 << 20
"""Of a file that is handed in."""

_AT_ONCE: Final = 2
_CHUNK: Final = 1 << 20
_HUB_MODEL: Final = re.compile(r"([\w.-]+/[\w.-]+)(?:/(.+\.onnx))?", re.ASCII)
_LONGEST_NAME: Final = 120
_MOST_CHOICES: Final = 30


class ModelReader(Protocol):
    """What makes skeletons of strangers' models."""

    def read_file(self, file: Path) -> bytes:
        """The skeleton of a file."""
        ...

    def read_url(self, url: str, *, public_only: bool) -> bytes:
        """The skeleton of a file on a web server."""
        ...


class ManyFilesError(UsageError):
    """A repository has several ONNX files.

    Attributes:
        choices: what may be asked for instead.
    """

    def __init__(self, model: str, choices: list[str]) -> None:
        super().__init__(f"{model} has {len(choices):,} ONNX files: choose one")
        self.choices = choices[:_MOST_CHOICES]


Looked = TypeVar("Looked")


class Desk:
    """What is handed in, looked at by a few threads at a time."""

    def __init__(self, catalogue: Catalogue, relatives: Relatives, reader: ModelReader, *, shared: bool) -> None:
        self._catalogue = catalogue
        self._relatives = relatives
        self._reader = reader
        self._shared = shared
        self._free = BoundedSemaphore(_AT_ONCE)

    def file(self, content: IO[bytes], name: str) -> Verdict:
        """Look at an ONNX file.

        Raises:
            YoungerError: it cannot be read, or too many others are looked at.
        """
        with tempfile.TemporaryDirectory(prefix="younger-explore-") as directory:
            path = Path(directory, "upload.onnx")
            with path.open("wb") as file:
                while chunk := content.read(_CHUNK):
                    file.write(chunk)
            return self._skeleton(lambda: self._reader.read_file(path), plain(PurePath(name).name, _LONGEST_NAME))

    def address(self, address: str) -> Verdict:
        """Look at a file on a web server, or at a model of the Hub: `organisation/name`, perhaps `/file.onnx`.

        Raises:
            ManyFilesError: the model has several files.
            UsageError: it is neither.
            YoungerError: as `file`.
        """
        if address.lower().startswith(("http://", "https://")):
            url, public_only = address, self._shared
            name = PurePath(urlsplit(address).path).name or "model"
        else:
            (url, name), public_only = _of_the_hub(address), False
        return self._skeleton(lambda: self._reader.read_url(url, public_only=public_only), plain(name, _LONGEST_NAME))

    def text(self, text: str) -> Verdict:
        """Look at a graph in the text form.

        Raises:
            TextError: it is no such text.
            UsageError: it is too long, or too many others are looked at.
        """
        return self.in_turn(lambda: of_text(self._catalogue, self._relatives, text, "the text"))

    def _skeleton(self, read: Callable[[], bytes], name: str) -> Verdict:
        return self.in_turn(lambda: of_skeleton(self._catalogue, self._relatives, read(), name))

    def in_turn(self, look: Callable[[], Looked]) -> Looked:
        """What a look at something that was handed in gives.

        Raises:
            YoungerError: too many others are looked at.
        """
        if not self._free.acquire(timeout=20):
            raise YoungerError("others hand in models just now: try again in a minute")
        try:
            return look()
        finally:
            self._free.release()


def limited(receive: Receive, most: int) -> Receive:
    """What a client sends, up to so many bytes.

    Raises:
        HTTPException: it sends more (413).
    """
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise HTTPException(413)
        return message

    return counted


def _of_the_hub(model: str) -> tuple[str, str]:
    """The address of an ONNX file in a repository of the Hub, and what it is called."""
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    from younger_hf.unreachable import UNREACHABLE

    match = _HUB_MODEL.fullmatch(model)
    if match is None:
        raise UsageError("this is neither an address, http:// or https://, nor a model of the Hub, organisation/name")
    repository, file = match.groups()
    try:
        if file is None:
            files = [one for one in HfApi(token=False).list_repo_files(repository) if one.endswith(".onnx")]
            if not files:
                raise UsageError(f"{repository} has no ONNX file")
            if len(files) > 1:
                raise ManyFilesError(repository, [f"{repository}/{one}" for one in files])
            (file,) = files
        return hf_hub_url(repository, file), f"{repository}/{file}"
    except HFValidationError as error:
        raise UsageError(f"{repository} is no model of the Hub") from error
    except HfHubHTTPError as error:
        raise YoungerError(f"the Hub has no model {repository}, or a private one") from error
    except UNREACHABLE as error:
        raise YoungerError("the Hub cannot be reached: try again later") from error
