"""A release that others may have made, looked through before this process opens its Parquet: `check_foreign_release`.

In goes a `Release`, on disk or on the Hub; nothing comes out but an error where a file is not what its footer says.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import BinaryIO, Final

from tqdm import tqdm

from younger_hf.errors import ReleaseError
from younger_hf.foreign_parquet import ForeignParquetError, check_foreign
from younger_hf.parquet_files import open_binary, unreadable
from younger_hf.release import Release

MOST_BYTES: Final = 1 << 30
"""What a row group may take when it is decoded; those that a build writes take a tenth."""
MEMORY: Final = 2 << 30
"""Bytes that decoding may take besides."""


def check_foreign_release(release: Release) -> None:
    """Decode every file of a release in a process with limits.

    Raises:
        ReleaseError: a file is missing or damaged, has other rows than its footer says, or unpacks to too much.
    """
    files = [
        file for config in release.configs for of_split in release.parquet_files(config).values() for file in of_split
    ]
    last = -1
    with ExitStack() as opened, tqdm(total=len(files), desc="check release", unit="file", disable=None) as progress:
        source: BinaryIO

        def open_next(number: int) -> BinaryIO:
            nonlocal last, source
            if number != last:
                opened.close()
                source = opened.enter_context(open_binary(files[number]))
                progress.update(number - last)
                last = number
            return source

        try:
            with unreadable(release.source):
                check_foreign(len(files), open_next, most_bytes=MOST_BYTES, memory=MEMORY)
        except ForeignParquetError as error:
            raise ReleaseError(f"{files[max(last, 0)]} cannot be taken ({error}): fetch or build it again") from error
