"""Keras applications, read from the package's own list of them; Keras and TensorFlow are not imported.

Each is listed twice, as Keras documents its use: with its classifier, and as a feature extractor without
(`include_top=False`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# The Hub's name of the task, by component: the classifier is the whole model.
_TASKS: Final = {"": "image-classification", "features": "image-feature-extraction"}


def models() -> Iterator[ModelRef]:
    """Every model of `keras.applications`, sorted by component and name; its family is the module that defines it.

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
    for component, task in _TASKS.items():
        for name, module in sorted(found.items()):
            yield ModelRef(
                source="keras",
                id=name,
                revision=keras.version,
                component=component,
                library="keras",
                task=task,
                family=module,
                origin="registry",
            )


SOURCE = registry(models, license="apache-2.0")
