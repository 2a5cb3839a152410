"""Keras applications, read from the package's own list of them; Keras and TensorFlow are not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError


def applications() -> Iterator[ModelRef]:
    """Every model of `keras.applications`, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: Keras is not installed.
    """
    package = find_spec("keras")
    if package is None or package.origin is None:
        raise MissingExtraError("keras", "keras")
    listing = Path(package.origin).parent / "applications" / "__init__.py"
    models = {
        name.name: line.module.rpartition(".")[2]
        for line in ast.parse(listing.read_text(encoding="utf-8")).body
        if isinstance(line, ast.ImportFrom) and line.module and line.module.startswith("keras.src.")
        for name in line.names
    }
    revision = version("keras")
    for name, module in sorted(models.items()):
        yield ModelRef(
            source="keras",
            id=name,
            revision=revision,
            library="keras",
            task="image-classification",
            family=module,
            origin="registry",
        )
