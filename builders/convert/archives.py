"""Unpacking archives that strangers made: `unpack`."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import Final

from builders.convert.conversion import ConversionError, Outcome

MAX_FILES: Final = 20_000
MAX_SIZE: Final = 1 << 30  # bytes of all files


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a `.tar.gz` into a directory, which may be new.

    Only files, directories and links that stay within the directory are taken (`tarfile.data_filter`).

    Raises:
        ConversionError: the archive holds too much (`too_large`), or what does not stay within the directory, or is
            none (`unsupported`).
    """
    files = size = 0
    try:
        with tarfile.open(archive, "r|gz") as content:
            for member in content:
                files, size = files + 1, size + member.size
                if files > MAX_FILES or size > MAX_SIZE:
                    raise ConversionError(
                        Outcome.TOO_LARGE, f"{archive.name} holds more than {MAX_FILES} files or {MAX_SIZE >> 20} MiB"
                    )
                content.extract(member, directory, filter="data")
    except tarfile.FilterError as error:
        raise ConversionError(Outcome.UNSUPPORTED, f"{archive.name} is not unpacked: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ConversionError(Outcome.UNSUPPORTED, f"{archive.name} cannot be unpacked: {error}") from error
