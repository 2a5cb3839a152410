"""Paths that a user gives, looked at before anything that takes long is imported."""

from __future__ import annotations

from pathlib import Path

from younger_hf.errors import UsageError, YoungerError


def check_file(path: Path) -> None:
    """Refuse the path of a model where there is nothing.

    Raises:
        YoungerError: there is nothing.
    """
    if not path.exists():
        raise YoungerError(f"{path} does not exist: name a model file")


def check_unused(directory: Path) -> None:
    """Refuse the directory of a new run that is not empty.

    Raises:
        UsageError: something is there already.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already: resume it with --run {directory} --resume, or name another")
