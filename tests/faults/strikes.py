"""Moments at which a process can be struck: each change that it is about to make to files below a directory.

Python tells of opening, renaming, making and removing files before it does so (PEP 578); of bringing them to the disk
it does not, so that is wrapped. The moments are counted, so that one seed is one moment on every machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = {
    *("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.symlink", "os.truncate", "os.utime", "os.chmod"),
    *("shutil.copyfile", "shutil.rmtree", "shutil.move", "sqlite3.connect", "subprocess.Popen"),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Moments:
    """A count of moments, and what happens at one of them.

    Attributes:
        passed: how many there were so far.
    """

    def __init__(self, below: Path, number: int = 0, strike: Callable[[], object] = lambda: None) -> None:
        """Count from now on; for the rest of this process, since a hook cannot be taken back.

        Args:
            below: the directory whose files count.
            number: the moment at which to strike, from 1; 0 for none.
            strike: what is done then.
        """
        self.passed = 0
        self._below = str(below)
        self._number = number
        self._strike = strike
        self._fsync = os.fsync
        os.fsync = self._counted_fsync
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and self._is_below(path):
                self._pass()
        elif event in _CHANGES and (event == "subprocess.Popen" or any(map(self._is_below, arguments))):
            self._pass()

    def _counted_fsync(self, file: Any) -> None:
        self._pass()
        self._fsync(file)
        self._pass()

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self._below)

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self._number:
            self._strike()
