"""Atomic replacement of a release directory: written beside its place, synced to disk, then swapped in.

Whatever happens on the way (an error, a full disk, kill -9), the place holds all of the old or all of the new.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from builders.assemble.write.kept import KEPT
from builders.assemble.write.parquet import sync
from builders.removals import REMOVALS
from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import SCHEMA_VERSION_KEY

BESIDE: Final = ("croissant.json", "figures/*.png", "figures/*.svg", *KEPT)
"""What a release may hold besides its card and its Parquet files."""

_RENAME_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100
# What the Hub adds to a repository, and what its client notes about the files that it downloads.
_GIT_ATTRIBUTES: Final = Path(".gitattributes")
_DOWNLOAD_CACHE: Final = Path(".cache/huggingface")
_CARD_OF_A_RELEASE: Final = re.compile(rf"\A---\n(?:(?!---$).*\n)*?{SCHEMA_VERSION_KEY}:", re.MULTILINE)


def check_place(output: Path) -> None:
    """Find out before the work whether a release can be written to a place.

    Raises:
        UsageError: there is something at `output` that is no release.
        YoungerError: the place cannot be written, or another process is writing to it.
    """
    with _locked(output):
        pass


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Give a scratch directory beside a release; when the block ends well, its `release/` becomes the release.

    A `.gitattributes`, which the Hub adds to a repository, stays; what a download noted about files goes with them.

    Args:
        output: the release directory; it may be missing, empty, or an earlier release.

    Yields:
        The scratch directory, in which `release` is an empty directory. All else in it is thrown away.

    Raises:
        UsageError: there is something at `output` that is no release.
        YoungerError: it cannot be written, or another process is writing it. What was there is still there.
    """
    with _locked(output) as (place, scratch):
        try:
            _empty(scratch)
            release = scratch / "release"
            release.mkdir()
            yield scratch
            _check_replaceable(place)
            if (place / _GIT_ATTRIBUTES).is_file():
                shutil.copyfile(place / _GIT_ATTRIBUTES, release / _GIT_ATTRIBUTES)
            _sync_tree(release)
            _swap(release, place, scratch / "replaced")
            sync(place.parent)
        except OSError as error:
            raise YoungerError(
                f"the release {output} could not be written and is as it was before: {_reason(error)}"
            ) from error


@contextmanager
def _locked(output: Path) -> Iterator[tuple[Path, Path]]:
    """Hold the scratch directory of a release; yields the release's place, links resolved, and the scratch."""
    place = output.expanduser().resolve()
    _check_replaceable(place)
    scratch = place.parent / f".{place.name}.assembling"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(scratch)
    except OSError as error:
        raise YoungerError(f"cannot write a release to {output}: {_reason(error)}") from error
    try:
        yield place, scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _check_replaceable(place: Path) -> None:
    if not place.exists():
        return
    if not place.is_dir():
        raise UsageError(f"{place} is a file: name a directory for the release")
    found = [path.relative_to(place) for path in sorted(place.rglob("*")) if not path.is_dir()]
    files = [file for file in found if file != _GIT_ATTRIBUTES and not file.is_relative_to(_DOWNLOAD_CACHE)]
    if not files:
        return
    card = place / "README.md"
    if not (card.is_file() and _CARD_OF_A_RELEASE.match(card.read_text(encoding="utf-8", errors="replace"))):
        raise UsageError(f"{place} is not empty and no release of Younger: name another directory")
    for file in files:
        if not any(fnmatchcase(file.as_posix(), own) for own in ("README.md", "*.parquet", REMOVALS, *BESIDE)):
            raise UsageError(
                f"{place / file} is not part of a release and would be lost: move it away, or name another directory"
            )


def _lock(scratch: Path) -> int:
    """Take the scratch directory for this process; the lock goes with the process, however it ends."""
    while True:
        scratch.mkdir(exist_ok=True)
        descriptor = os.open(scratch, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the directory since it was opened here.
            if scratch.exists() and os.path.samestat(os.fstat(descriptor), scratch.stat()):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise YoungerError(f"another process is writing a release through {scratch}: wait for its end") from error
        os.close(descriptor)


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sync_tree(directory: Path) -> None:
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))


def _swap(new: Path, place: Path, aside: Path) -> None:
    if not place.exists():
        new.rename(place)
    elif not _exchange(new, place):
        place.rename(aside)
        try:
            new.rename(place)
        except OSError:
            aside.rename(place)
            raise


def _exchange(first: Path, second: Path) -> bool:
    """Swap two directories in one step; False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    arguments = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return bool(renameat2(*arguments) == 0)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
