"""The zoo that the onnx package ships for its own tests: nine models of the ONNX Model Zoo, without their weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef


def models() -> Iterator[ModelRef]:
    """Every model of it, sorted by name.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    revision = installed("onnx", extra="build").version
    for name, file in sorted(zoo_files().items()):
        yield ModelRef(
            source="onnx-package",
            id=name,
            revision=revision,
            library="onnx",
            task="image-classification",
            # bvlc_alexnet -> alexnet, inception_v2 -> inception, resnet50 -> resnet
            family=re.sub(r"(_v)?\d+$", "", name.removeprefix("bvlc_")),
            size=file.stat().st_size,
            origin="published",
        )


SOURCE = registry(models, converter="onnx-package", license="apache-2.0")


def zoo_files() -> dict[str, Path]:
    """The path of each model in the installed onnx package, by name.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    light = installed("onnx", extra="build").directory / "backend" / "test" / "data" / "light"
    return {file.stem.removeprefix("light_"): file for file in light.glob("light_*.onnx")}
