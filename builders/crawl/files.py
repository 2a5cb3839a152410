"""How the files of a hub's models are had: `Files`, which each hub has in its own module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from builders.model_ref import ModelRef


class Files(Protocol):
    """How the files of a source's models are had. All requests are anonymous.

    Each method raises `younger_hf.extract.ranges.RemoteError`, whose kind says why a file is not to be had.
    """

    def address(self, model: ModelRef, path: str) -> str:
        """The URL at which a file's bytes can be read in ranges.

        Args:
            model: whose file it is.
            path: the file's path in the model's repository.
        """

    def download(self, model: ModelRef, path: str, directory: Path, limit: int) -> Path:
        """Put a whole file into a directory, under its own path; gives the place.

        Args:
            model: whose file it is.
            path: the file's path in the model's repository; "" for an archive of the repository, where there is one.
            directory: where it is put.
            limit: bytes that the file may have.
        """


def check_size(model: ModelRef, path: str, sizes: Mapping[str, int], limit: int) -> None:
    """Refuse a file that is not there, or is too large to be downloaded.

    Args:
        model: whose file it is.
        path: the file's path in the model's repository.
        sizes: bytes by path of every file that there is.
        limit: bytes that it may have.

    Raises:
        RemoteError: it is one of these.
    """
    from younger_hf.extract.ranges import RemoteError

    size = sizes.get(path)
    if size is None:
        raise RemoteError(f"{model.id} has no file {path}", "not_found")
    if size > limit:
        raise RemoteError(
            f"{path} of {model.id} has {size >> 20} MiB, and at most {limit >> 20} MiB are fetched", "too_large"
        )
