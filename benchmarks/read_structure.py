"""How much faster than `onnx.load` is a 300 MB file read, and extracted and fingerprinted, and in how little memory?

    python benchmarks/read_structure.py

torchvision's vit_b_16 as the TorchScript exporter writes it: 346 MB, weights inside. Medians in one process, the two
in turn, the file in the page cache; the growth of the peak resident set is a fresh child's, from after the imports
and a warm-up on a small model (what compiles on first use is not the file's cost) to the end of one run.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import onnx
from fingerprint import compare
from real_models import onnx_file

from younger_hf.extract import extract, read_structure
from younger_hf.identity import fingerprint


def ours(path: Path) -> str:
    return fingerprint(extract(read_structure(path)))


def peak() -> int:
    """The largest resident set of this process so far, bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def growth(path: Path) -> int:
    """Bytes by which the peak resident set grows while `path` is read, extracted and fingerprinted."""
    command = [sys.executable, __file__, "--growth", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_growth(path: Path) -> None:
    ours(Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx")
    before = peak()
    ours(path)
    print(peak() - before)


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)
    path = onnx_file("vit_b_16")
    name = ours(path)
    assert name == fingerprint(extract(onnx.load(path)))
    mine, theirs = compare(lambda: read_structure(path), lambda: onnx.load(path), 9)
    print(
        f"read_structure, vit_b_16: {theirs / mine:.1f} times as fast as onnx.load "
        f"({mine * 1e3:.1f} ms against {theirs * 1e3:.0f} ms; to reach: 50)"
    )
    mine, theirs = compare(lambda: ours(path), lambda: onnx.load(path), 9)
    print(
        f"read_structure + extract + fingerprint, vit_b_16 ({path.stat().st_size / 1e6:.0f} MB): "
        f"{theirs / mine:.1f} times as fast as onnx.load alone ({mine * 1e3:.1f} ms against {theirs * 1e3:.0f} ms; "
        f"peak memory grows by {growth(path) / 2**20:.1f} MiB)"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--growth"]:
        print_growth(Path(sys.argv[2]))
    else:
        main()
