"""timm's architectures, read from its source text: what `timm.list_models()` gives, without importing torch."""

from __future__ import annotations

from collections.abc import Iterator

from builders.crawl.installed import installed
from builders.crawl.registered_models import registered_models
from builders.crawl.source import registry
from builders.model_ref import ModelRef


def models() -> Iterator[ModelRef]:
    """Every registered architecture, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: timm is not installed.
    """
    timm = installed("timm", extra="timm")
    for name, module in sorted(registered_models(timm.directory / "models")):
        yield ModelRef(
            source="timm",
            id=name,
            revision=timm.version,
            library="timm",
            task="image-classification",
            family=module.stem,
            origin="registry",
        )


SOURCE = registry(models)
