"""A release that others may have made, looked through before this process opens its Parquet: `check_foreign_release`.

In goes a `Release`, on disk or on the Hub; nothing comes out but an error where a file is not what its footer says.
What has passed is remembered in the user's cache, so that a file is looked through once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from younger_hf.errors import ReleaseError
from younger_hf.parquet_files import content_key, open_binary, unreadable
from younger_hf.release import Release

MOST_BYTES: Final = 1 << 30
"""What a row group may take when it is decoded; those that a build writes take a tenth."""
MEMORY: Final = 2 << 30
"""Bytes that decoding may take besides."""

_MOST_REMEMBERED: Final = 4 << 20  # bytes; then all is forgotten


def check_foreign_release(release: Release, columns: Mapping[str, Sequence[str] | None] | None = None) -> None:
    """Decode files of a release in a process with limits, unless that was done before.

    Args:
        release: on disk or on the Hub.
        columns: for each config that is to be read, which columns of it, None for all; configs that the release does
            not have are passed over. All of all configs if left out.

    Raises:
        ReleaseError: a file is missing or damaged, has other rows than its footer says, or unpacks to too much.
    """
    wanted = dict.fromkeys(release.configs) if columns is None else columns
    remembered = _remembered()
    for some in dict.fromkeys(None if names is None else tuple(sorted(names)) for names in wanted.values()):
        files = [
            file
            for config, names in wanted.items()
            if config in release.configs and (None if names is None else tuple(sorted(names))) == some
            for of_split in release.parquet_files(config).values()
            for file in of_split
        ]
        keys = {file: _digest(file, some) for file in files}
        new = [file for file in files if keys[file] not in remembered]
        if new:
            _check(release, new, some)
            _remember(keys[file] for file in new)


def _check(release: Release, files: Sequence[Path | str], columns: Sequence[str] | None) -> None:
    from tqdm import tqdm

    from younger_hf.foreign_parquet import ForeignParquetError, check_foreign

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
                check_foreign(len(files), open_next, columns=columns, most_bytes=MOST_BYTES, memory=MEMORY)
        except ForeignParquetError as error:
            raise ReleaseError(f"{files[max(last, 0)]} cannot be taken ({error}): fetch or build it again") from error


def _digest(file: Path | str, columns: Sequence[str] | None) -> str:
    """What stands for a file that has passed, as it is now, and for how it was looked through."""
    text = repr((content_key(file), columns, MOST_BYTES, MEMORY))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "younger-hf", "checked")


def _remembered() -> frozenset[str]:
    """What has passed; nothing where there is no cache."""
    with suppress(OSError, RuntimeError, UnicodeDecodeError):
        place = _place()
        if place.stat().st_size <= _MOST_REMEMBERED:
            return frozenset(place.read_text("ascii").split())
        place.unlink()
    return frozenset()


def _remember(digests: Iterable[str]) -> None:
    """Keep what has passed; where there is no cache, it is looked through again."""
    with suppress(OSError, RuntimeError):
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a", encoding="ascii") as file:
            file.write("".join(f"{digest}\n" for digest in digests))
