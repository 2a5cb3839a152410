"""Unpacking archives that strangers made: `unpack`."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from builders.convert.conversion import ConversionError, Outcome

MAX_FILES: Final = 20_000
MAX_SIZE: Final = 1 << 30  # bytes of all files
# A path makes directories too; and Python's own filter has been passed by links of thousands of characters.
MAX_DEPTH: Final = 32
MAX_PATH: Final = 512  # characters


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a `.tar.gz` into a directory, which may be new.

    Only files, directories and links that stay within the directory are taken (`tarfile.data_filter`). Of two entries
    of one name the later is kept.

    Raises:
        ConversionError: the archive holds too much (`too_large`), or what does not stay within the directory, or is
            none (`unsupported`).
    """
    files = size = 0
    directories: set[str] = set()
    try:
        with tarfile.open(archive, "r|gz") as content:
            for member in content:
                files, size = files + 1, size + member.size
                paths = (member.name, member.linkname)
                if any(len(path) > MAX_PATH or path.count("/") > MAX_DEPTH for path in paths):
                    raise ConversionError(
                        Outcome.UNSUPPORTED, f"{archive.name} is not unpacked: a path in it is too long or too deep"
                    )
                directories.update(map(str, PurePosixPath(member.name).parents))
                if files + len(directories) > MAX_FILES or size > MAX_SIZE:
                    raise ConversionError(
                        Outcome.TOO_LARGE, f"{archive.name} holds more than {MAX_FILES} files or {MAX_SIZE >> 20} MiB"
                    )
                content.extract(member, directory, filter="data")
    except tarfile.FilterError as error:
        raise ConversionError(Outcome.UNSUPPORTED, f"{archive.name} is not unpacked: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OSError) as error:
        raise ConversionError(Outcome.UNSUPPORTED, f"{archive.name} cannot be unpacked: {error}") from error
