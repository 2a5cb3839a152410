"""timm's architectures, read from its source text: what `timm.list_models()` gives, without importing torch."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from builders.crawl.registered_models import registered_models
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError


def registry() -> Iterator[ModelRef]:
    """Every registered architecture, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: timm is not installed.
    """
    package = find_spec("timm")
    if package is None or package.origin is None:
        raise MissingExtraError("timm", "timm")
    revision = version("timm")
    for name, module in sorted(registered_models(Path(package.origin).parent / "models")):
        yield ModelRef(
            source="timm",
            id=name,
            revision=revision,
            library="timm",
            task="image-classification",
            family=module.stem,
            origin="registry",
        )
