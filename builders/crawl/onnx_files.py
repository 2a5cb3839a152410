"""ONNX files that are on this machine, at a path that the user names.

The path may be one file, whatever its name, or a directory, whose `.onnx` files are taken in the order of
their names. Nothing is opened: a file that is no model is found out when it is converted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from builders.crawl.source import Page, Query, Source
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError


def pages(query: Query) -> Iterator[Page]:
    """The model file at the path that is selected, or every `.onnx` file below that directory.

    A model is named by its path below the directory, without the suffix.

    Raises:
        UsageError: no path is given, nothing is there, or the directory holds no model.
    """
    source, selection = query.source, query.selection
    if not selection:
        raise UsageError(f"the source {source} needs a path: {source}:{SOURCE.selection}")
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


SOURCE = Source(pages, "PATH")


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
