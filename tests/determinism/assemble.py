"""Assemble a ledger and write what came of it: `python tests/determinism/assemble.py WORK OUTPUT FILE.json [JOBS]`.

`bytes` has the SHA-256 of every file; `rows` a digest of the rows of each config, whatever bytes hold them. Of a
picture the pixels count: how small it is packed depends on the zlib that Pillow was built with.
"""

from __future__ import annotations

import io
import json
import platform
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from builders.assemble import assemble
from builders.ledger import Ledger
from younger_hf.release import open_release
from younger_hf.row_digests import row_digests

PACKAGES = ("onnx", "numpy", "numba", "igraph", "pyarrow", "datasets")


def main(work: str, output: str, file: str, jobs: str = "1") -> None:
    with Ledger(work, read_only=True) as ledger:
        assemble(ledger, Path(output), jobs=int(jobs))
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
