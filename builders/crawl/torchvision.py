"""torchvision's model registry, read from its source text.

Importing torchvision costs seconds and hundreds of megabytes, and the list is all that is wanted here: the
functions under `@register_model` in `torchvision/models` are what `torchvision.models.list_models()` gives.
"""

from __future__ import annotations

from collections.abc import Iterator

from builders.crawl.installed import installed
from builders.crawl.registered_models import registered_models
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# The Hub's name of the task by torchvision's subpackage; the Hub has none for optical flow.
_TASKS = {
    "": "image-classification",
    "quantization": "image-classification",
    "segmentation": "image-segmentation",
    "detection": "object-detection",
    "video": "video-classification",
    "optical_flow": "optical-flow",
}
_TASKS_OF_MODULES = {"mask_rcnn": "image-segmentation", "keypoint_rcnn": "keypoint-detection"}


def models() -> Iterator[ModelRef]:
    """Every registered model, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: torchvision is not installed.
    """
    torchvision = installed("torchvision", extra="torchvision")
    directory = torchvision.directory / "models"
    for name, module in sorted(registered_models(directory)):
        group = "" if module.parent == directory else module.parent.name
        yield ModelRef(
            source="torchvision",
            id=name,
            revision=torchvision.version,
            library="torchvision",
            task=_TASKS_OF_MODULES.get(module.stem, _TASKS.get(group, "")),
            family=module.stem,
            origin="registry",
        )


SOURCE = registry(models, license="bsd-3-clause")
