"""The files of a published model, on whichever hub it is: what there is, a part of one, the whole of one.

In: a `ModelRef` of a hub and a path in its repository. All requests are anonymous. What goes wrong is a
`ConversionError` with the outcome that it means: the file is not there, is not given to everyone, is too large, or the
hub failed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from builders.convert import ConversionError, Outcome
from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError
from younger_hf.extract.ranges import RemoteError
from younger_hf.extract.remote import RemoteFile


def list_files(model: ModelRef) -> dict[str, int]:
    """Bytes by path of every file of the model's repository.

    Raises:
        ConversionError: the hub does not give the list.
    """
    with _outcomes(model):
        if model.source == "kaggle":
            from builders.crawl import kaggle_client

            with kaggle_client.connection() as client:
                return kaggle_client.list_files(client, model.id, model.revision)
        from huggingface_hub import HfApi

        info = HfApi(_endpoint(), token=False).model_info(
            model.id, revision=model.revision or None, files_metadata=True
        )
        return {file.rfilename: file.size or 0 for file in info.siblings or ()}


@contextmanager
def opened(model: ModelRef, path: str) -> Iterator[RangedReader]:
    """A file of the repository to read from here and there, of which only what is read is fetched.

    Raises:
        ConversionError: it cannot be read; reading raises it too.
    """
    url = address(model, path)
    try:
        with RemoteFile(url) as remote:
            yield RangedReader(remote)
    except RemoteError as error:
        raise ConversionError(Outcome(error.kind), str(error)) from error


def download(model: ModelRef, path: str, directory: Path, limit: int) -> Path:
    """A whole file of the repository, put into the directory under its own path.

    Args:
        model: whose file it is.
        path: the file's path in the repository.
        directory: where it is put.
        limit: bytes that the file may have.

    Raises:
        ConversionError: it is larger (`too_large`), or cannot be had.
    """
    size = list_files(model).get(path)
    if size is None:
        raise ConversionError(Outcome.NOT_FOUND, f"{model.id} has no file {path}")
    if size > limit:
        raise ConversionError(
            Outcome.TOO_LARGE, f"{path} of {model.id} has {size >> 20} MiB, and at most {limit >> 20} MiB are fetched"
        )
    with _outcomes(model):
        if model.source == "kaggle":
            import kagglehub

            return Path(kagglehub.model_download(f"{model.id}/{model.revision}", path=path, output_dir=str(directory)))
        from huggingface_hub import hf_hub_download

        revision = model.revision or None
        return Path(
            hf_hub_download(model.id, path, revision=revision, local_dir=directory, token=False, endpoint=_endpoint())
        )


class RangedReader(io.RawIOBase):
    """A file on a web server as Python's libraries read files: zipfile, h5py."""

    def __init__(self, remote: RemoteFile) -> None:
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


def address(model: ModelRef, path: str) -> str:
    """Where a file's bytes are.

    Raises:
        ConversionError: the hub has no such file, or does not give it to everyone.
    """
    if model.source == "kaggle":
        from builders.crawl import kaggle_client

        with _kaggle_outcomes(), kaggle_client.connection() as client:
            return kaggle_client.locate(client, model.id, model.revision, path)
    from huggingface_hub import hf_hub_url

    return hf_hub_url(model.id, path, revision=model.revision or None, endpoint=_endpoint())


def _endpoint() -> str | None:
    """Where the Hugging Face Hub is; None where it always is."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _outcomes(model: ModelRef) -> AbstractContextManager[None]:
    """Say of the refusals of the model's hub which outcome they are."""
    return _kaggle_outcomes() if model.source == "kaggle" else _hub_outcomes()


@contextmanager
def _hub_outcomes() -> Iterator[None]:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    from younger_hf.unreachable import UNREACHABLE

    try:
        yield
    except GatedRepoError as error:
        raise ConversionError(Outcome.GATED, "its files are only given to those who ask its owner") from error
    except LocalEntryNotFoundError as error:  # an EntryNotFoundError, but it is the network that failed
        raise ConversionError(Outcome.ERROR, f"the hub failed: {error}") from error
    except (EntryNotFoundError, RepositoryNotFoundError) as error:
        raise ConversionError(Outcome.NOT_FOUND, "there is no such file, or a private one") from error
    except UNREACHABLE as error:
        raise ConversionError(Outcome.ERROR, f"the hub failed: {error}") from error


@contextmanager
def _kaggle_outcomes() -> Iterator[None]:
    import requests

    from builders.crawl.kaggle_client import RefusedError

    try:
        yield
    except RefusedError as error:
        raise ConversionError(Outcome.NOT_FOUND if error.status == 404 else Outcome.GATED, str(error)) from error
    except (YoungerError, requests.RequestException) as error:
        raise ConversionError(Outcome.ERROR, f"the hub failed: {error}") from error
