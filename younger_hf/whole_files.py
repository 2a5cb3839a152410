"""Atomic writes: a file is written beside its place, synced to disk, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from younger_hf.errors import YoungerError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically, replacing an existing one.

    Args:
        path: its directory is made if it is not there.
        content: of the file.

    Raises:
        YoungerError: the disk is full, or the directory cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise YoungerError(f"{path} cannot be written ({error.strerror})") from error
