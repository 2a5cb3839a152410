"""Files that last as long as an assembly: tables that memory need not hold, and numbers of each row."""

from __future__ import annotations

import errno
import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]

# Nothing is kept through a crash: the assembly begins anew. What SQLite sorts lies in SQLITE_TMPDIR.
_SETTINGS: Final = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"


class ScratchTables:
    """An SQLite file in one transaction.

    Args:
        path: of the file, which must not be there.
        tables: SQL that creates them.

    Raises:
        OSError: from every method, too: the disk is full, or the directory not writable.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self._path = path
        with self._told():
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.executescript(_SETTINGS + tables)
            self._file.execute("BEGIN")

    def write(self, statement: str, values: tuple[Any, ...] = ()) -> int:
        """Execute a statement; returns how many rows it has changed."""
        with self._told():
            return self._file.execute(statement, values).rowcount

    def write_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a statement for each row."""
        with self._told():
            self._file.executemany(statement, rows)

    def read(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows that a query gives."""
        with self._told():
            yield from self._file.execute(query, values)

    def read_one(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """The first row that a query gives, or None."""
        with self._told():
            found: tuple[Any, ...] | None = self._file.execute(query, values).fetchone()
            return found

    def close(self) -> None:
        """Close the file, and give its space back."""
        self._file.close()
        self._path.unlink()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what SQLite finds wrong with a disk as other files do."""
        try:
            yield
        except sqlite3.Error as error:
            if "disk is full" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            if "disk I/O" in str(error):
                _grow(self._path)
            raise OSError(str(error)) from error


class RaggedFile:
    """Numbers of each row, any number of them: 4 bytes each in a file, and 4 bytes a row in memory.

    Args:
        path: of the file; it is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = array("i")
        self._file = path.open("w+b")

    def append(self, numbers: array[int]) -> None:
        """Add the numbers of the next row, each at least 0."""
        self._counts.append(len(numbers))
        self._file.write(numbers.tobytes())

    def lack(self, some: NDArray[np.bool_], same: Int32s | None = None) -> NDArray[np.bool_]:
        """Find the rows with a number that none of some rows has.

        Args:
            some: bool [N], which these are.
            same: int32, what each number stands for, where several stand for one thing.

        Returns:
            bool [N].
        """
        most = max((int(numbers.max(initial=-1)) for _, _, numbers in self._blocks()), default=-1)
        stands_for = np.arange(most + 1, dtype=np.int32) if same is None else same
        known = np.zeros(int(stands_for.max(initial=-1)) + 1, np.bool_)
        for rows, of, numbers in self._blocks():
            known[stands_for[numbers[some[rows][of]]]] = True
        lacking = np.zeros(len(self._counts), np.bool_)
        for rows, of, numbers in self._blocks():
            lacking[rows.start + of[~known[stands_for[numbers]]]] = True
        return lacking

    def _blocks(self, rows: int = 1 << 16) -> Iterator[tuple[slice, Int32s, Int32s]]:
        """Some rows at a time: which, and for each number of theirs whose it is, and the number."""
        self._file.seek(0)
        for start in range(0, len(self._counts), rows):
            counts = np.array(self._counts[start : start + rows], np.int32)
            numbers = np.frombuffer(self._file.read(4 * int(counts.sum())), np.int32)
            yield slice(start, start + len(counts)), np.repeat(np.arange(len(counts), dtype=np.int32), counts), numbers

    def close(self) -> None:
        """Close the file, and give its space back."""
        self._file.close()
        self._path.unlink()


def _grow(path: Path) -> None:
    """Write on at the end of a file that is of no more use, since SQLite does not tell why it could not.

    Raises:
        OSError: the reason: a limit to the size of files, a quota, a disk that fails.
    """
    with path.open("ab") as file:
        file.write(bytes(1 << 16))
        file.flush()
        os.fsync(file.fileno())


def to_bytes(text: str) -> bytes:
    """Bytes that sort as the text does, whatever is in it: SQLite takes no lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def to_text(content: bytes) -> str:
    """The text of `to_bytes`."""
    return content.decode("utf-8", "surrogatepass")
