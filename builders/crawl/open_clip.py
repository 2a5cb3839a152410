"""OpenCLIP's models, read from the configurations in its package: the tower of images and the tower of text apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# The Hub's name of the task by component.
_TASKS: Final = {"image": "image-feature-extraction", "text": "feature-extraction"}


def models() -> Iterator[ModelRef]:
    """Every tower that is defined by its configuration alone, sorted by name and component.

    A text tower that names a model of the Hub is left out: its configuration is there. The family of a tower that
    timm makes is the prefix of its name there; that of others is `clip`.

    Raises:
        MissingExtraError: OpenCLIP is not installed.
    """
    package = installed("open_clip", extra="zoos", distribution="open_clip_torch")
    for file in sorted((package.directory / "model_configs").glob("*.json")):
        config = json.loads(file.read_text(encoding="utf-8"))
        of_timm = config["vision_cfg"].get("timm_model_name", "")
        for component, task in _TASKS.items():
            if component == "text" and "hf_model_name" in config["text_cfg"]:
                continue
            yield ModelRef(
                source="open-clip",
                id=file.stem,
                revision=package.version,
                component=component,
                library="open-clip",
                task=task,
                family=of_timm.partition("_")[0] if of_timm and component == "image" else "clip",
                origin="registry",
            )


SOURCE = registry(models, license="mit")
