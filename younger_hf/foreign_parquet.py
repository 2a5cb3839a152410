"""Parquet that somebody else wrote, decoded in a process with limits: `read_foreign(source) -> pa.Table`.

Where a table of it all would be too large, `check_foreign` decodes files and keeps nothing: what has passed can be read
a row group at a time without surprises.

A file of kilobytes can say that it is small and unpack to gigabytes, or say that it has rows which it has not. So what
its footer says is not believed: another process decodes it, batch by batch, with a limit on memory and on time, and
what counts is what comes out. That process opens no file: it asks for the bytes that it wants.

This module is both sides: `read_foreign` in the process that wants the table, `main` in the one that decodes.
"""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from younger_hf.errors import YoungerError

_MEMORY: Final = 1 << 30  # bytes of address space for decoding, besides what the libraries take; a column is in it
_SECONDS: Final = 600  # for the whole, and for the processor
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_ROWS_AT_ONCE: Final = 4096
_ASKED: Final = struct.Struct(">QQQ")  # the number of the file, offset and length of the bytes that are wanted
_SIZE: Final = (1 << 64) - 1  # asked for as an offset, the size of the file is what is given
_GIVEN: Final = struct.Struct(">Q")  # how many follow
_MOST_GIVEN: Final = 1 << 24
_DONE: Final = "done"
_MOST_SAID: Final = 1000  # bytes of what the other process says went wrong


class ForeignParquetError(YoungerError):
    """A file that is no Parquet, damaged, or beyond the limits; the message is the end of a sentence about it."""


def read_foreign(
    source: BinaryIO,
    *,
    columns: Sequence[str] | None = None,
    most_rows: int = 1 << 31,
    most_bytes: int = 1 << 32,
    memory: int = _MEMORY,
) -> pa.Table:
    """Read a Parquet file without believing what it says of itself.

    Args:
        source: the file, opened to read from anywhere.
        columns: those that are wanted, as far as there are such; None for all.
        most_rows: more are refused.
        most_bytes: that the table may take.
        memory: bytes that decoding may take.

    Returns:
        The table, valid throughout, with the metadata of the file's schema.

    Raises:
        ForeignParquetError: it cannot be decoded within the limits, or has another number of rows than it says.
        OSError: the source cannot be read.
    """
    with tempfile.TemporaryDirectory() as place:
        sink = Path(place, "table")
        limits = {"rows": most_rows, "bytes": most_bytes, "memory": memory}
        _decode_elsewhere(lambda _: source, {"columns": columns and list(columns), "limits": limits, "sink": str(sink)})
        try:
            table = pa.ipc.open_stream(pa.py_buffer(sink.read_bytes())).read_all()
            table.validate(full=True)
        except (pa.ArrowException, ValueError) as error:
            raise ForeignParquetError(f"its content is not valid: {_first_line(error)}") from error
    return table


def check_foreign(
    files: int,
    source: Callable[[int], BinaryIO],
    *,
    columns: Sequence[str] | None = None,
    most_bytes: int,
    memory: int,
) -> None:
    """Decode Parquet files, and keep nothing of them.

    Args:
        files: how many there are.
        source: opens one, given its number from 0 on; it is asked for the files in order, and for each many times.
        columns: those that are wanted, as far as there are such; None for all.
        most_bytes: that a row group may take.
        memory: bytes that decoding may take.

    Raises:
        ForeignParquetError: a file cannot be decoded within the limits, or a row group has another number of rows than
            the file says. It is the last one that was asked for.
        OSError: a source cannot be read.
    """
    limits = {"bytes": most_bytes, "memory": memory}
    _decode_elsewhere(source, {"files": files, "columns": columns and list(columns), "limits": limits})


def _decode_elsewhere(source: Callable[[int], BinaryIO], options: dict[str, Any]) -> None:
    """Let another process decode, and give it the bytes that it asks for."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "younger_hf.foreign_parquet", json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],  # Python imports from there first, and from here modules are had anyway
        env=_environment(),
    ) as process:
        clock = threading.Timer(_SECONDS, process.kill)
        clock.start()
        try:
            pipes = process.stdin, process.stdout, process.stderr
            said = _serve(source, *map(_opened, pipes)).decode(errors="replace").strip()
        finally:
            clock.cancel()
            process.kill()
    if said != _DONE:
        memory = options["limits"]["memory"]
        raise ForeignParquetError(said or f"it takes more than {memory >> 20} MiB or {_SECONDS} seconds to decode")


def _serve(source: Callable[[int], BinaryIO], sink: IO[bytes], wishes: IO[bytes], end: IO[bytes]) -> bytes:
    """Answer with bytes until nothing more is asked; gives what is said in the end."""
    with suppress(BrokenPipeError):
        while len(asked := wishes.read(_ASKED.size)) == _ASKED.size:
            number, offset, length = _ASKED.unpack(asked)
            file = source(number)
            if offset == _SIZE:
                sink.write(_GIVEN.pack(file.seek(0, os.SEEK_END)))
            else:
                file.seek(offset)
                given = file.read(min(length, _MOST_GIVEN))
                sink.write(_GIVEN.pack(len(given)) + given)
            sink.flush()
    return end.read(_MOST_SAID)


def _environment() -> dict[str, str]:
    """What the other process needs to start; no token is in it."""
    modules = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PYTHONPATH": modules, "ARROW_DEFAULT_MEMORY_POOL": "system"}


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("a pipe that was asked for is not there")
    return pipe


class _Asking(io.RawIOBase):
    """A file whose bytes are asked for on stdout and come on stdin."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self._number = number
        self._at = 0
        self._size = self._ask(_SIZE, 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        length = self._ask(self._at, len(buffer))
        buffer[:length] = sys.stdin.buffer.read(length)
        self._at += length
        return length

    def _ask(self, offset: int, length: int) -> int:
        sys.stdout.buffer.write(_ASKED.pack(self._number, offset, length))
        sys.stdout.buffer.flush()
        given: int = _GIVEN.unpack(sys.stdin.buffer.read(_GIVEN.size))[0]
        return given


def main() -> None:
    """Decode, and say on stderr how that ended."""
    options = json.loads(sys.argv[1])
    limits = options["limits"]
    try:
        _limit(limits["bytes"], limits["memory"])
        for number in range(options.get("files", 0)):
            with io.BufferedReader(_Asking(number)) as file:
                _check(pa.PythonFile(file, mode="r"), options["columns"], limits["bytes"])
        if "sink" in options:
            with io.BufferedReader(_Asking()) as file, Path(options["sink"]).open("wb") as sink:
                _decode(pa.PythonFile(file, mode="r"), sink, options["columns"], limits["rows"])
        said = _DONE
    except (pa.ArrowMemoryError, MemoryError):
        said = f"it takes more than {limits['memory'] >> 20} MiB to decode"
    except OSError as error:
        too_large = error.errno == errno.EFBIG
        said = f"it unpacks to more than {limits['bytes'] >> 20} MiB" if too_large else _first_line(error)
    except Exception as error:  # whatever the libraries raise on what is no Parquet
        said = _first_line(error)
    os.write(2, said[:_MOST_SAID].encode(errors="replace"))
    os._exit(0)


def _limit(most_bytes: int, memory: int) -> None:
    """Have the system refuse more memory and time; nothing on Windows."""
    try:
        import resource
    except ImportError:
        return
    taken = 0
    with suppress(OSError):
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, taken + memory),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, most_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # a lower limit is already in force
            resource.setrlimit(limit, (value, value))


def _decode(file: pa.PythonFile, sink: BinaryIO, columns: list[str] | None, most_rows: int) -> None:
    with pq.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
        if columns is not None:
            known = [schema.field(name) for name in schema.names if name in columns]
            schema = pa.schema(known, metadata=schema.metadata)
        rows = 0
        with pa.ipc.new_stream(sink, schema) as writer:
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=schema.names, use_threads=False):
                rows += len(batch)
                if rows > most_rows:
                    raise ValueError(f"it has more than {most_rows:,} rows")
                writer.write_batch(batch)
        _check_rows(parquet, rows)


def _check(file: pa.PythonFile, columns: list[str] | None, most_bytes: int) -> None:
    """Every row group has the rows that its footer says, and they are not too large."""
    with pq.ParquetFile(file) as parquet:
        rows = 0
        names = [name for name in parquet.schema_arrow.names if columns is None or name in columns]
        for group in range(parquet.num_row_groups):
            found, size = 0, 0
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=names, use_threads=False):
                found += len(batch)
                size += batch.nbytes
                if size > most_bytes:
                    raise ValueError(f"a row group of it unpacks to more than {most_bytes >> 20} MiB")
            if found != (said := parquet.metadata.row_group(group).num_rows):
                raise ValueError(f"row group {group} has {found:,} rows, and its footer says {said:,}")
            rows += found
        _check_rows(parquet, rows)


def _check_rows(parquet: pq.ParquetFile, found: int) -> None:
    if found != parquet.metadata.num_rows:
        raise ValueError(f"it says that it has {parquet.metadata.num_rows:,} rows, and has {found:,}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
