"""The ONNX Model Zoo, which lives on the Hugging Face Hub as the organisation `onnxmodelzoo`.

In: `onnx-model-zoo`, or `onnx-model-zoo:NAME,NAME` for repositories of the organisation. Out: pages of `ModelRef`, one
for each `.onnx` file: those of the repositories with one exported model each (`resnet50_Opset17_timm`), and those in
the folders of the older tree (`legacy_models`: `validated/vision/classification/resnet/model/resnet50-v1-7.onnx`).
The names say what the task and the family are: by the registry that a model was exported from, or by the folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Final

from builders.crawl import huggingface, timm, torchvision, transformers
from builders.crawl.huggingface import Listing
from builders.crawl.source import Page, Query, Source
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError

ORGANISATION: Final = "onnxmodelzoo"

# Of a repository or a folder: `bert_Opset17_transformers`.
_EXPORTED: Final = re.compile(r"(.+)_Opset\d+_(timm|torch_hub|transformers|graph_convolutions)", re.IGNORECASE)
# `validated/vision/classification/inception_and_googlenet/googlenet/model/googlenet-7.onnx`: group, topic, family.
_VALIDATED: Final = re.compile(r"(?:validated/)?(vision|text)/(\w+)/(?:.+/)?([^/]+)/[^/]+/[^/]+")

_TASKS_OF_TOPICS: Final = {
    "body_analysis": "image-classification",
    "classification": "image-classification",
    "object_detection_segmentation": "object-detection",
    "style_transfer": "image-to-image",
    "super_resolution": "image-to-image",
}
# Where it is another than its topic's; the topic machine_comprehension has none.
_TASKS_OF_FAMILIES: Final = {
    "arcface": "image-feature-extraction",
    "bert-squad": "question-answering",
    "bidirectional_attention_flow": "question-answering",
    "duc": "image-segmentation",
    "fcn": "image-segmentation",
    "gpt-2": "text-generation",
    "gpt2-bs": "text-generation",
    "mask-rcnn": "image-segmentation",
    "t5": "text2text-generation",
    "ultraface": "object-detection",
}


def pages(query: Query) -> Iterator[Page]:
    """Every ONNX file of the zoo, page by page.

    Raises:
        UsageError: a repository that the organisation does not have.
        YoungerError: the Hub does not answer; what came before stands.
    """
    listings = [Listing(f"{ORGANISATION}/{name}", None) for name in dict.fromkeys(query.terms)]
    for page in huggingface.crawl(query, listings or [Listing(ORGANISATION, {"author": [ORGANISATION]})]):
        yield Page(tuple(_described(model) for model in page.models if model.library == "onnx"), page.cursor)


SOURCE = Source(pages, "REPOSITORY,REPOSITORY", files=huggingface.FILES)


def _described(model: ModelRef) -> ModelRef:
    """The model with the task and the family that its names tell, where its card tells none."""
    name = model.id.partition("/")[2]
    # The folder knows more than the repository that it is in.
    for part in (*reversed(model.component.split("/")[:-1]), name):
        if exported := _EXPORTED.fullmatch(part):
            task, family = _of_registry(exported[1], exported[2].lower())
            return replace(model, task=model.task or task, family=family or model.family)
    if validated := _VALIDATED.fullmatch(model.component):
        _, topic, family = validated.groups()
        task = _TASKS_OF_FAMILIES.get(family) or _TASKS_OF_TOPICS.get(topic, "")
        return replace(model, task=model.task or task, family=family)
    return model


def _of_registry(name: str, registry: str) -> tuple[str, str]:
    """The task and the family of a model of a registry; "" for what it does not say."""
    if registry == "graph_convolutions":
        return "graph-ml", name
    if registry == "transformers":  # `gpt2lmhead` is of the type gpt2, `blenderbotsmall` of blenderbot-small
        return "", max((kind for plain, kind in _model_types().items() if name.startswith(plain)), key=len, default="")
    known = _registered(timm.models if registry == "timm" else torchvision.models)
    while name and name not in known:  # `convnext_base_384_in22ft1k` was convnext_base, trained otherwise
        name = name.rpartition("_")[0]
    return known.get(name, ("image-classification" if registry == "timm" else "", ""))


@cache
def _registered(registry: Callable[[], Iterable[ModelRef]]) -> Mapping[str, tuple[str, str]]:
    """(task, family) of every model of a registry; none where it is not installed."""
    with suppress(MissingExtraError):
        return {model.id: (model.task, model.family) for model in registry()}
    return {}


@cache
def _model_types() -> Mapping[str, str]:
    """The model types of transformers by their names as the zoo writes them; none where it is not installed."""
    with suppress(MissingExtraError):
        return {re.sub("[-_]", "", name): name for name in transformers.architectures()}
    return {}
