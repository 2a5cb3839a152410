"""Real models for the benchmarks: torchvision architectures as ONNX files with weights, exported once and kept.

The files go to build/benchmarks/ below the working directory, which git ignores.
"""

from __future__ import annotations

import warnings
from pathlib import Path

FOLDER = Path("build/benchmarks")


def onnx_file(name: str) -> Path:
    """The torchvision model `name` as ONNX by the TorchScript exporter: the one that writes the most nodes."""
    path = FOLDER / f"{name}.onnx"
    if not path.exists():
        import torch
        import torchvision

        FOLDER.mkdir(parents=True, exist_ok=True)
        model = torchvision.models.get_model(name, weights=None).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unfinished = path.with_suffix(".part")
            torch.onnx.export(model, (torch.zeros(1, 3, 224, 224),), str(unfinished), dynamo=False, opset_version=17)
        unfinished.rename(path)
    return path
