"""Published sizes of transformers' models: the hyper-parameters of named checkpoints, to be built without weights.

`configurations.json` has the table, each entry with where it was read; `collect.py` makes it. A checkpoint is listed
for what it was made for, and by the parts that it is deployed as, as `builders.crawl.transformers` has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.crawl.transformers import architectures, parts
from builders.model_ref import ModelRef

TABLE: Final = Path(__file__).with_name("configurations.json")

# What a model type is made for is the first of these that it has a class for; and what it gives without a head.
_TASKS: Final = (
    *("text2text-generation", "automatic-speech-recognition", "fill-mask", "text-generation", "image-text-to-text"),
    *("image-classification", "object-detection", "zero-shot-object-detection", "image-segmentation"),
    *("depth-estimation", "image-to-image", "mask-generation", "video-classification", "audio-classification"),
    *("zero-shot-image-classification", "keypoint-detection"),
)
_BARE: Final = "feature-extraction"


def models() -> Iterator[ModelRef]:
    """Every checkpoint of the table by its tasks and their parts, sorted by id; its family is its model type.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    revision = installed("transformers", extra="transformers").version
    classes, in_parts = architectures(), parts()
    for entry in json.loads(TABLE.read_text(encoding="utf-8")):
        model_type = entry["config"]["model_type"]
        known = classes.get(model_type, {})
        first = next((task for task in (entry.get("task"), *_TASKS) if task in known), _BARE)
        for task in dict.fromkeys((first, _BARE)):
            for part in ("", *in_parts.get((model_type, task), ())) if task in known else ():
                yield ModelRef(
                    source="published-configurations",
                    id=entry["id"],
                    revision=revision,
                    component=f"{task}/{part}" if part else task,
                    library="transformers",
                    task=task,
                    family=model_type,
                    origin="published-configuration",
                    config=json.dumps(entry["config"], sort_keys=True),
                )


SOURCE = registry(models)
