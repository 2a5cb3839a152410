"""A release of real architectures that needs no framework: `from support.zoo import build_zoo`.

The onnx package has nine models of the ONNX Model Zoo. `YOUNGER_ZOO` names a directory that has them built, by another
environment perhaps: what one version of `datasets` writes the others must read.
"""

from __future__ import annotations

import os
from pathlib import Path


def build_zoo(directory: Path) -> Path:
    """Give a directory with the release `younger` and the ledger `work`, built here unless there is one already."""
    if given := os.environ.get("YOUNGER_ZOO"):
        return Path(given)
    from builders.pipeline import build

    build(["onnx-package"], directory / "younger", directory / "work")
    return directory
