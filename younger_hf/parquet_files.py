"""The Parquet files of a release, on disk or on the Hub: read whole, or the columns one wants a row group at a time.

In goes the path of a file, or its name on the Hub; out come Arrow tables. A damaged file is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import BinaryIO, Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from younger_hf.errors import ReleaseError

# What is fetched beyond each read: neighbouring columns are small, and a request costs more than their bytes.
_READ_AHEAD: Final = 256 << 10


def list_on_hub(repo_id: str, revision: str | None, pattern: str) -> list[str]:
    """The files of a Hub dataset repository that match a glob pattern, sorted; names that this module opens.

    Raises:
        ReleaseError: there is none, or the Hub cannot be reached.
    """
    from huggingface_hub import HfFileSystem

    root = f"datasets/{repo_id}@{quote(revision, safe='')}" if revision else f"datasets/{repo_id}"
    with unreadable(f"{root}/{pattern}"):
        # Not the instance that others share: it remembers listings, and a release may have been pushed since.
        files = HfFileSystem(skip_instance_cache=True).glob(f"{root}/{pattern}")
    if not files:
        raise ReleaseError(f"{pattern} of {repo_id} is missing: the release is incomplete")
    return sorted(files)


def read_parquet(file: Path) -> pa.Table:
    """A file on disk, whole; by no way on which Arrow imports pandas, which takes longer than most files do.

    Raises:
        ReleaseError: the file is damaged.
    """
    with unreadable(file), _open(file) as parquet:
        return parquet.read()


def read_schema(file: Path | str) -> pa.Schema:
    """The columns of a file.

    Raises:
        ReleaseError: the file is damaged, or the Hub cannot be reached.
    """
    with unreadable(file), _open(file) as parquet:
        return parquet.schema_arrow


def read_row_groups(
    file: Path | str, columns: Sequence[str] | None = None, only: int | None = None
) -> Iterator[pa.Table]:
    """The row groups of a file, one after the other, so that memory holds one of them.

    Args:
        file: a path, or a name that `list_on_hub` gave.
        columns: which are read and, on the Hub, fetched; None for all.
        only: the number of the one that is wanted; None for all.

    Raises:
        ReleaseError: the file is damaged, or the Hub cannot be reached.
    """
    with unreadable(file), _open(file) as parquet:
        for number in range(parquet.num_row_groups) if only is None else (only,):
            table = parquet.read_row_group(number, columns=columns)
            if table.num_rows != (said := parquet.metadata.row_group(number).num_rows):
                raise pa.ArrowInvalid(f"row group {number} has {table.num_rows:,} rows, and its footer says {said:,}")
            yield table


def find_rows(file: Path, key: str, values: Collection[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows with one of some values, each as a table; by no way on which Arrow imports pandas, which takes longer.

    Args:
        file: a path.
        key: a column of strings; only row groups whose statistics may have a value are read.
        values: one of which it has to be.
        columns: what is wanted of these rows; they are read only where there is one.

    Raises:
        ReleaseError: the file is damaged.
    """
    with unreadable(file), _open(file) as parquet:
        for number in range(parquet.num_row_groups):
            if _may_have(parquet.metadata.row_group(number), key, values):
                keys = parquet.read_row_group(number, columns=[key]).column(key).to_pylist()
                if not set(keys).isdisjoint(values):
                    rows = parquet.read_row_group(number, columns=list(columns))
                    yield from (rows.slice(place, 1) for place, found in enumerate(keys) if found in values)


def _may_have(group: pq.RowGroupMetaData, key: str, values: Collection[str]) -> bool:
    chunks = (group.column(number) for number in range(group.num_columns))
    of_key = next((chunk.statistics for chunk in chunks if chunk.path_in_schema == key), None)
    return of_key is None or not of_key.has_min_max or any(of_key.min <= value <= of_key.max for value in values)


@contextmanager
def unreadable(file: Path | str) -> Iterator[None]:
    """What goes wrong in reading a file becomes a `ReleaseError` that names it."""
    try:
        yield
    except (pa.ArrowException, *_unreachable()) as error:
        cure = "fetch or build it again" if isinstance(file, Path) else "try again"
        state = "is damaged" if isinstance(file, Path) else "cannot be read from the Hub"
        raise ReleaseError(f"{file} {state} ({first_line(error)}): {cure}") from error


def _unreachable() -> tuple[type[Exception], ...]:
    """Asked for only when something is raised, so that a file on disk is read without the Hub's client."""
    from younger_hf.unreachable import UNREACHABLE

    return UNREACHABLE


def first_line(error: BaseException) -> str:
    """The first line of the innermost error, which is the one that says what happened."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shorten((str(error).strip() or type(error).__name__).splitlines()[0], 300)


@contextmanager
def _open(file: Path | str) -> Iterator[pq.ParquetFile]:
    if isinstance(file, Path):
        with pq.ParquetFile(file) as parquet:
            yield parquet
    else:
        with open_binary(file) as source, pq.ParquetFile(source, pre_buffer=True) as parquet:
            yield parquet


def content_key(file: Path | str) -> str:
    """What changes whenever the content of a file does, on disk or, by a name that `list_on_hub` gave, on the Hub.

    Raises:
        ReleaseError: the file is missing, or the Hub cannot be reached.
    """
    with unreadable(file):
        if isinstance(file, Path):
            found = file.stat()
            return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        from huggingface_hub import HfFileSystem

        listed = HfFileSystem(skip_instance_cache=True).info(file)
        return f"{listed['blob_id']} {listed['size']}"


@contextmanager
def open_binary(file: Path | str) -> Iterator[BinaryIO]:
    """The bytes of a file on disk or, by a name that `list_on_hub` gave, on the Hub."""
    if isinstance(file, Path):
        with file.open("rb") as source:
            yield source
    else:
        from huggingface_hub import HfFileSystem

        # Not the shared instance here either: a file that was published anew under its name has another size.
        files = HfFileSystem(skip_instance_cache=True)
        with files.open(file, block_size=_READ_AHEAD, cache_type="readahead") as source:
            yield source
