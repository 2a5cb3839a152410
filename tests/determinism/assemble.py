"""Assemble a ledger and write what came of it.

    python tests/determinism/assemble.py WORK OUTPUT FILE.json [JOBS [SEED]]

With a SEED on a Ray cluster of this machine, whose workers have it as their hash seed. `bytes` has the SHA-256 of every
file; `rows` a digest of the rows of each config, whatever bytes hold them. Of a picture the pixels count: how small it
is packed depends on the zlib that Pillow was built with. `hashes` has what a string hashes to where rows are measured.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from builders.assemble import assembly
from builders.executor.ordered_map import OrderedMap
from builders.ledger import Ledger
from younger_hf.release import open_release
from younger_hf.row_digests import row_digests

PACKAGES = ("onnx", "numpy", "numba", "igraph", "pyarrow", "datasets")


def main(work: str, output: str, file: str, jobs: str = "1", seed: str | None = None) -> None:
    if seed is not None:
        os.environ["PYTHONHASHSEED"] = seed  # of processes that start from now on
    hashes = []

    @contextmanager
    def mapping(*options: Any, original: Any = assembly._mapping) -> Iterator[OrderedMap]:
        with original(*options) as mapped:
            hashes.extend(mapped(hash, ["younger"]))
            yield mapped

    assembly._mapping = mapping
    with Ledger(work, read_only=True) as ledger:
        assembly.assemble(ledger, Path(output), jobs=int(jobs), address=None if seed is None else "local")
    release = open_release(output)
    files = (path for path in sorted(Path(output).rglob("*")) if path.is_file())
    rows = {
        config: sha256(np.sort(row_digests(_with_pixels(release.read(config)))).tobytes()).hexdigest()
        for config in release.configs
    }
    told = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "bytes": {str(path.relative_to(output)): sha256(path.read_bytes()).hexdigest() for path in files},
        "rows": rows,
        "hashes": hashes,
    }
    Path(file).write_text(json.dumps(told))


def _with_pixels(table: pa.Table) -> pa.Table:
    """A table whose pictures are their pixels."""
    if "preview" not in table.column_names:
        return table
    pictures = [Image.open(io.BytesIO(one["bytes"])).convert("RGB") for one in table.column("preview").to_pylist()]
    pixels = pa.array([picture.tobytes() for picture in pictures], pa.large_binary())
    return table.set_column(table.column_names.index("preview"), "preview", pixels)


if __name__ == "__main__":
    main(*sys.argv[1:])
