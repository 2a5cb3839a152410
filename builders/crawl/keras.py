"""Keras applications, read from the package's own list of them; Keras and TensorFlow are not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef


def models() -> Iterator[ModelRef]:
    """Every model of `keras.applications`, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: Keras is not installed.
    """
    keras = installed("keras", extra="keras")
    listing = keras.directory / "applications" / "__init__.py"
    found = {
        name.name: line.module.rpartition(".")[2]
        for line in ast.parse(listing.read_text(encoding="utf-8")).body
        if isinstance(line, ast.ImportFrom) and line.module and line.module.startswith("keras.src.")
        for name in line.names
    }
    for name, module in sorted(found.items()):
        yield ModelRef(
            source="keras",
            id=name,
            revision=keras.version,
            library="keras",
            task="image-classification",
            family=module,
            origin="registry",
        )


SOURCE = registry(models)
