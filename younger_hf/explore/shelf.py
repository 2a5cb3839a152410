"""Rows of a release by fingerprint, at hand: `Shelf`.

In goes a config and columns of it; out come rows. Parquet gives a row only with the whole row group about it, tens of
megabytes of skeletons. So a row group is read, or fetched, once, and kept in memory as Arrow, compressed a few rows at
a time: a tenth of its size, and a row in a millisecond.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

import pyarrow as pa

from younger_hf.explore.kept import Kept
from younger_hf.foreign_release import check_foreign_release
from younger_hf.parquet_files import read_row_groups
from younger_hf.release import Release

_MOST_BYTES: Final = 128 << 20
_BATCH: Final = 4
_KEY: Final = "fingerprint"


class Shelf:
    """Some columns of a config, a row at a time.

    Args:
        release: on disk or on the Hub.
        config: one that has the column `fingerprint`.
        columns: what is wanted of its rows; those that an older release lacks are left out.
    """

    def __init__(self, release: Release, config: str, columns: Sequence[str]) -> None:
        self._release = release
        self._config = config
        self._asked = columns
        self._lock = Lock()
        self._groups = Kept(self._read, _MOST_BYTES, lambda group: int(group.size), at_once=1)

    def find(self, fingerprint: str) -> list[dict[str, Any]]:
        """The rows of a fingerprint, in the order of the release.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        with self._lock:
            places = self._places
        return [
            row
            for file, number, place in places.get(fingerprint, ())
            for row in _row(self._groups(file, number), place)
        ]

    def fill(self) -> None:
        """Read all row groups that there is room for: what is then asked for is at hand.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        with self._lock:
            places = self._places
        groups = dict.fromkeys((file, number) for found in places.values() for file, number, _ in found)
        for file, number in groups:
            if self._groups.is_full:
                return
            self._groups(file, number)

    @cached_property
    def _columns(self) -> list[str]:
        there = self._release.columns(self._config)
        columns = [name for name in dict.fromkeys((_KEY, *self._asked)) if name in there]
        check_foreign_release(self._release, {self._config: columns})
        return columns

    @cached_property
    def _places(self) -> Mapping[str, list[tuple[Path | str, int, int]]]:
        """File, row group and row of each fingerprint."""
        _ = self._columns  # which looks the files through
        found = defaultdict(list)
        for files in self._release.parquet_files(self._config).values():
            for file in files:
                for number, table in enumerate(read_row_groups(file, [_KEY])):
                    for place, fingerprint in enumerate(table.column(_KEY).to_pylist()):
                        found[fingerprint].append((file, number, place))
        return dict(found)

    def _read(self, file: Path | str, number: int) -> pa.Buffer:
        (table,) = read_row_groups(file, self._columns, only=number)
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=_BATCH)
        del table
        pa.default_memory_pool().release_unused()  # tens of megabytes, which Arrow would hold on to
        return sink.getvalue()


def _row(group: pa.Buffer, place: int) -> list[dict[str, Any]]:
    batch = pa.ipc.open_file(group).get_batch(place // _BATCH)
    return list(batch.slice(place % _BATCH, 1).to_pylist())
