"""Arrays that took long to make, in the user's cache: `Remembered`.

In goes a name that says what an array was made of; out comes the array, where it was made before.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import YoungerError
from younger_hf.whole_files import write_whole


class Remembered:
    """A folder of arrays.

    Args:
        directory: it is made when there is something to keep; None keeps nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    @classmethod
    def in_cache(cls, kind: str) -> Remembered:
        """Those of a kind, in the user's cache."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(cache, "younger-hf", kind))

    def get(self, name: str, rows: int) -> NDArray[np.float32] | None:
        """The array of a name, float32 [rows, C]; None where there is none. A name of "" stands for none."""
        file = self._file(name)
        if file is None or not file.is_file():
            return None
        try:
            found = np.load(file, allow_pickle=False)
        except (OSError, ValueError):
            return None
        return found if found.ndim == 2 and len(found) == rows and found.dtype == np.float32 else None

    def put(self, name: str, array: NDArray[np.float32]) -> None:
        """Keep an array; where there is no room for it, it is made again the next time."""
        if (file := self._file(name)) is not None:
            written = io.BytesIO()
            np.save(written, array, allow_pickle=False)
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, written.getvalue())
            except (OSError, YoungerError):
                return

    def _file(self, name: str) -> Path | None:
        if self._directory is None or not name.replace("-", "").isalnum():
            return None
        return self._directory / f"{name}.npy"
