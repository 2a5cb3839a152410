"""timm's architectures, read from its source text: what `timm.list_models()` gives, without importing torch.

Each is listed three times, as timm documents its use: with its classifier, as a backbone that gives the features of
every stage (`features_only=True`), and as an encoder that gives one embedding (`num_classes=0`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.registered_models import registered_models
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# The Hub's name of the task, by component: the classifier is the whole model.
_TASKS: Final = {
    "": "image-classification",
    "features": "image-feature-extraction",
    "embedding": "image-feature-extraction",
}


def models() -> Iterator[ModelRef]:
    """Every registered architecture, sorted by component and name; its family is the module that defines it.

    Raises:
        MissingExtraError: timm is not installed.
    """
    timm = installed("timm", extra="timm")
    registered = sorted(registered_models(timm.directory / "models"))
    for component, task in _TASKS.items():
        for name, module in registered:
            yield ModelRef(
                source="timm",
                id=name,
                revision=timm.version,
                component=component,
                library="timm",
                task=task,
                family=module.stem,
                origin="registry",
            )


SOURCE = registry(models, license="apache-2.0")
