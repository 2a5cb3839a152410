"""A release as it lies on disk, read without the library: `from support.releases import every_row, files, table`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from younger_hf.schema import CONFIGS, RESULTS, SPLITS

Row = dict[str, Any]

LEDGER_CONFIGS = tuple(config for config in CONFIGS if config not in RESULTS)
"""The configs of a release that a ledger alone gives."""

ONNX_CONFIGS = tuple(config for config in LEDGER_CONFIGS if config != "blocks")
"""The configs of a release of ONNX files alone, which do not tell modules."""


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


def lasting(release: Path) -> dict[str, object]:
    """The content of every file but for what differs from build to build: the time and memory that conversions took.

    Of the card and of croissant.json it is all but the sizes, hashes and row counts of the files that hold these.
    """
    content: dict[str, object] = dict(files(release))
    for path in sorted((release / "conversions").glob("*.parquet")):
        name = str(path.relative_to(release))
        content[name] = pq.read_table(path).drop_columns(["seconds", "peak_memory"]).to_pylist()
    card = (release / "README.md").read_text()
    of_conversions = re.compile(r"(- config_name: conversions\n)(.*?)(?=\n- config_name|\n---)", re.DOTALL)
    measured = re.compile(r"content [0-9a-f]+|\d+")
    card = of_conversions.sub(lambda found: found[1] + measured.sub("", found[2]), card)
    content["README.md"] = re.sub(r"^\| `conversions` \|.*", "", card, flags=re.MULTILINE)
    croissant = json.loads((release / "croissant.json").read_text())
    del croissant["version"]
    for file in croissant["distribution"]:
        if file.get("contentUrl", "").startswith("conversions/"):
            del file["sha256"], file["contentSize"]
    content["croissant.json"] = croissant
    return content
