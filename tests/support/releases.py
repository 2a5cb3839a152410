"""A release as it lies on disk, read without the library: `from support.releases import every_row, files, table`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from younger_hf.schema import SPLITS

Row = dict[str, Any]


def files(release: Path) -> dict[str, bytes]:
    """The content of every file."""
    return {str(path.relative_to(release)): path.read_bytes() for path in release.rglob("*") if path.is_file()}


def table(release: Path, config: str) -> dict[str, list[Row]]:
    """The rows of each split of a config, in the order of the files."""
    return {
        split: [row for file in found for row in pq.read_table(file).to_pylist()]
        for split in SPLITS
        if (found := sorted((release / config).glob(f"{split}-*.parquet")))
    }


def every_row(release: Path, config: str) -> list[Row]:
    """The rows of all splits of a config."""
    return [row for rows in table(release, config).values() for row in rows]
