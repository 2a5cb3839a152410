"""Remove a directory that a stranger has filled: `discard`.

Depth and number do not matter: nothing recurses, no path grows, and after a moment nobody waits. A directory within
is moved up to the top before it is emptied, so that there are never more than two levels to look at.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Final

_PATIENCE: Final = 2.0  # seconds that the caller waits at most
_TRASH: Final = ".discarded-"  # what a directory is renamed to that is being removed
_AT_ONCE: Final = 10_000  # names
_LONGEST: Final = 4000  # characters of a path; the system takes 4,095
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def discard(directory: Path) -> None:
    """Have the directory gone from its place, and soon altogether; what was left of earlier ones beside it as well.

    What cannot be removed stays, without an error: it is found again next time.
    """
    with suppress(OSError):
        aside = Path(tempfile.mkdtemp(prefix=_TRASH, dir=directory.parent))
        with suppress(OSError):
            directory.rename(aside / "0")
        remover = threading.Thread(target=_remove, args=(aside,), daemon=True)
        remover.start()
        remover.join(_PATIENCE)


def discard_leftovers(directory: Path) -> None:
    """Remove what an earlier process was removing from this directory when it ended."""
    with suppress(OSError):
        for left in directory.glob(f"{_TRASH}*"):
            discard(left)


def fill(directory: Path, most: int) -> tuple[int, int]:
    """How full a directory is that somebody may be writing to: files and directories in it, and their bytes on disk.

    No more are counted than `most` and one; a path too long for the system counts as more.
    """
    entries = size = 0
    waiting = [str(directory)]
    while waiting and entries <= most:
        for entry in _listed(waiting.pop(), most + 1 - entries):
            entries += 1
            with suppress(FileNotFoundError):
                size += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    if len(entry.path) > _LONGEST:
                        return most + 1, size
    return entries, size


def _listed(directory: str, most: int) -> list[os.DirEntry[str]]:
    """What is in a directory, of which no more is read; nothing if it is there no longer."""
    with suppress(OSError), os.scandir(directory) as listing:
        return list(islice(listing, most))
    return []


def _remove(top: Path) -> None:
    """Remove a directory in which there are only directories."""
    with suppress(OSError):
        root = os.open(top, _DIRECTORY)
        try:
            waiting = [path.name for path in top.iterdir()]
            numbers = count(1)
            while waiting:
                with suppress(OSError):
                    _empty(root, waiting.pop(), waiting, numbers)
        finally:
            os.close(root)
        top.rmdir()


def _empty(root: int, name: str, waiting: list[str], numbers: Iterator[int]) -> None:
    """Remove a directory in the root; those in it are moved into the root, and wait."""
    os.chmod(name, stat.S_IRWXU, dir_fd=root)
    directory = os.open(name, _DIRECTORY, dir_fd=root)
    try:
        removed = True
        while removed:
            removed = False
            with os.scandir(directory) as listing:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(listing, _AT_ONCE)]
            for entry, is_directory in entries:
                with suppress(OSError):
                    if is_directory:
                        os.chmod(entry, stat.S_IRWXU, dir_fd=directory)  # without, its .. cannot change
                        moved = str(next(numbers))
                        os.rename(entry, moved, src_dir_fd=directory, dst_dir_fd=root)
                        waiting.append(moved)
                    else:
                        os.unlink(entry, dir_fd=directory)
                    removed = True
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=root)
