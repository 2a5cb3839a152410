"""Parquet files as `datasets` and the Hub's viewer like them: a directory a config, one or more files a split.

In go the rows of a split, one after the other; out come files whose bytes depend on the rows alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from builders.assemble.write.features import arrow_schema

# More than filters would like, so that a changed row has little beside it that is sent to the Hub again.
ROWS_PER_GROUP: Final = 1000
ROW_GROUP_BYTES: Final = 64 << 20
SHARD_BYTES: Final = 500 << 20
_PLAIN: Final = frozenset({int, float, bool, type(None)})


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split.

    Attributes:
        paths: in the order of their rows.
        num_rows: in all files together.
        num_bytes: of the rows as Arrow has them in memory.
        file_bytes: of all files together.
        digests: the SHA-256 of each file, hexadecimal.
    """

    paths: tuple[Path, ...]
    num_rows: int
    num_bytes: int
    file_bytes: int
    digests: tuple[str, ...]


def write_split(
    directory: Path,
    split: str,
    rows: Iterable[dict[str, Any]],
    features: Features,
    *,
    rows_per_group: int = ROWS_PER_GROUP,
    shard_bytes: int = SHARD_BYTES,
) -> SplitFiles:
    """Write the rows of a split as `directory/split-00000-of-00001.parquet` and so on, and fsync them.

    A row group is `rows_per_group` rows, or fewer where these would pass 64 MiB.

    Args:
        directory: that of the config; it is made if there are rows.
        split: the split's name.
        rows: the columns of each row, arrays for lists of numbers.
        features: of the config.
        rows_per_group: the most rows of a row group.
        shard_bytes: a file ends with the row group that takes it past this size.

    Returns:
        What was written: no file if there are no rows.

    Raises:
        OSError: the disk is full, or the directory not writable.
    """
    schema = arrow_schema(features)
    unfinished: list[Path] = []
    num_rows = num_bytes = 0
    groups = _row_groups(rows, rows_per_group)
    while group := next(groups, None):
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{split}-{len(unfinished):05d}.unfinished"
        unfinished.append(path)
        with (
            pa.OSFile(str(path), "wb") as sink,
            pq.ParquetWriter(
                sink, schema, compression="zstd", use_content_defined_chunking=True, write_page_index=True
            ) as writer,
        ):
            while group:
                # With content-defined chunking, the chunks of the Arrow table show in the bytes: let there be one.
                table = pa.Table.from_pylist(group, schema=schema).combine_chunks()
                writer.write_table(table, row_group_size=len(group))
                num_rows += len(group)
                num_bytes += table.nbytes
                group = None if sink.tell() >= shard_bytes else next(groups, None)
        sync(path)
    paths = tuple(
        path.rename(directory / f"{split}-{number:05d}-of-{len(unfinished):05d}.parquet")
        for number, path in enumerate(unfinished)
    )
    file_bytes = sum(path.stat().st_size for path in paths)
    return SplitFiles(paths, num_rows, num_bytes, file_bytes, tuple(map(_digest, paths)))


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Have the kernel bring a file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row_groups(rows: Iterable[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        row_size = _size(row)
        if group and (len(group) == most or size + row_size > ROW_GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += row_size
    if group:
        yield group


def _size(value: Any) -> int:
    """Roughly the bytes that a value takes as Arrow."""
    if isinstance(value, dict):
        # Most values are plain ones, and asking for their size takes longer than the sum.
        return sum(8 if type(one) in _PLAIN else _size(one) for one in value.values())
    if isinstance(value, list | tuple):
        # Numbers are of one size: a row has hundreds of them.
        return 8 * len(value) if value and isinstance(value[0], int) else sum(map(_size, value))
    if isinstance(value, str | bytes):
        return len(value)
    return int(getattr(value, "nbytes", 8))
