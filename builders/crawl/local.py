"""ONNX files that are on this machine: a path that the user names, and the zoo that the onnx package ships.

The path may be one file, whatever its name, or a directory, whose `.onnx` files are taken in the order of
their names. Nothing is opened: a file that is no model is found out when it is converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from builders.crawl.page import Page, Query
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError, UsageError


def onnx_files(query: Query) -> Iterator[Page]:
    """The model file at the path that is selected, or every `.onnx` file below that directory.

    A model is named by its path below the directory, without the suffix.

    Raises:
        UsageError: no path is given, nothing is there, or the directory holds no model.
    """
    source, selection = query.source, query.selection
    if not selection:
        raise UsageError(f"the source {source} needs a path: {source}:PATH")
    path = Path(selection).expanduser()
    if path.is_dir():
        files = sorted((p.relative_to(path).as_posix(), p) for p in path.rglob("*.onnx") if p.is_file())
        if not files:
            raise UsageError(f"there is no .onnx file in the directory {selection}")
    elif path.exists():
        files = [(path.name, path)]
    else:
        raise UsageError(f"there is no file or directory {selection}")
    yield Page(tuple(_onnx_file(source, name, file) for name, file in files))


def _onnx_file(source: str, name: str, file: Path) -> ModelRef:
    status = file.stat()
    return ModelRef(
        source=source,
        id=name.removesuffix(".onnx"),
        library="onnx",
        size=status.st_size,
        origin="contributed",
        location=str(file.resolve()),
        stamp=f"{status.st_size}-{status.st_mtime_ns}",
    )


def onnx_package() -> Iterator[ModelRef]:
    """The zoo models, without their weights, that the onnx package carries for its own tests."""
    for name, file in sorted(zoo_files().items()):
        yield ModelRef(
            source="onnx-package",
            id=name,
            revision=version("onnx"),
            library="onnx",
            task="image-classification",
            # bvlc_alexnet -> alexnet, inception_v2 -> inception, resnet50 -> resnet
            family=re.sub(r"(_v)?\d+$", "", name.removeprefix("bvlc_")),
            size=file.stat().st_size,
            origin="published",
        )


def zoo_files() -> dict[str, Path]:
    """The path of each zoo model in the installed onnx package, by name.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    package = find_spec("onnx")
    if package is None or package.origin is None:
        raise MissingExtraError("onnx", "build")
    light = Path(package.origin).parent / "backend" / "test" / "data" / "light"
    return {file.stem.removeprefix("light_"): file for file in light.glob("light_*.onnx")}
