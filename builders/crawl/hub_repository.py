"""What in a model repository of the Hugging Face Hub can be converted: what its API says goes in, `ModelRef` come out.

A repository is one model where transformers, timm, sentence-transformers or Keras can build it from its config.json; a
diffusers pipeline has a model for each of its neural components; and each `.onnx`, `.keras` or `.h5` file and each
SavedModel is one. Publishers write what the API repeats, so any part of it may be missing, or not what it should be.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from builders.crawl import timm
from builders.model_ref import Evaluation, ModelRef
from younger_hf.errors import MissingExtraError

# What is asked of the API; both generations of huggingface_hub know these names.
EXPAND: Final = (
    *("sha", "gated", "private", "library_name", "pipeline_tag", "tags", "downloads", "likes"),
    *("siblings", "config", "cardData", "model-index"),
)
LIBRARIES: Final = ("transformers", "diffusers", "timm", "sentence-transformers", "keras", "tf-keras")

_MAX_EVALUATIONS: Final = 1000  # of one repository
_MAX_VALUE: Final = 1e300  # of a result; NaN and infinities are not below it

ReadJson = Callable[[str], str]
"""The JSON object in a file of the repository, as its text; "" where there is none."""


@dataclass(frozen=True)
class ModelRepository:
    """A model repository at one commit.

    Attributes:
        model: what holds for each of its models.
        library: what the Hub says it is written in.
        files: their paths, sorted.
        model_type: of its configuration, as far as the API says it.
    """

    model: ModelRef
    library: str
    files: tuple[str, ...]
    model_type: str

    def listed_under(self, tag: str) -> bool:
        """Whether a listing that is filtered by this tag has the repository."""
        return tag == self.library or tag in self.model.tags

    def models(self, read: ReadJson, read_index: ReadJson) -> Iterator[ModelRef]:
        """Everything in it that can be converted; nothing of the libraries that no one here knows.

        Args:
            read: for configurations.
            read_index: for what says which parts a pipeline has.
        """
        if self.library == "diffusers":
            yield from self._diffusers(read, read_index)
        elif self.library in ("keras", "tf-keras"):
            yield from self._keras(read)
        elif self.library in LIBRARIES:
            yield self._whole(read)
        for path in self.files:
            if path.endswith(".onnx"):
                yield replace(self.model, component=path, library="onnx", family=self.model_type)

    def _whole(self, read: ReadJson) -> ModelRef:
        # Of a model of sentence-transformers the transformer; it stands in a folder of its own in old ones.
        config, fields = self._read(read, "config.json", "0_Transformer/config.json")
        family = text(fields.get("model_type")) or self.model_type
        task = self.model.task
        if self.library == "timm":
            family = _timm_families().get(text(fields.get("architecture")).partition(".")[0], "")
            task = task or "image-classification"
        return replace(self.model, library=self.library, family=family, task=task, config=config)

    def _diffusers(self, read: ReadJson, read_index: ReadJson) -> Iterator[ModelRef]:
        _, index = self._read(read_index, "model_index.json")
        if not index and "config.json" in self.files:
            config, fields = self._read(read, "config.json")
            yield replace(self.model, library="diffusers", family=text(fields.get("_class_name")), config=config)
        for name, entry in sorted(index.items()):
            path = f"{name}/config.json"
            if (
                path not in self.files
                or not isinstance(entry, list)
                or entry[:1] not in (["diffusers"], ["transformers"])
            ):
                continue
            config, fields = self._read(read, path)
            family = text(fields.get("_class_name" if entry[0] == "diffusers" else "model_type"))
            yield replace(self.model, component=name, library=entry[0], family=family, config=config)

    def _keras(self, read: ReadJson) -> Iterator[ModelRef]:
        if "model.weights.h5" in self.files and "config.json" in self.files:
            yield replace(self.model, library="keras", config=self._read(read, "config.json")[0])
        for path in self.files:
            folder, name = posixpath.split(path)
            if name == "saved_model.pb":
                yield replace(self.model, component=folder, library="tensorflow")
            elif name.endswith((".keras", ".h5", ".hdf5")) and not name.endswith((".weights.h5", "tf_model.h5")):
                yield replace(self.model, component=path, library="keras")

    def _read(self, read: ReadJson, *paths: str) -> tuple[str, dict[str, Any]]:
        """The text and the fields of the first of these files that the repository has."""
        for path in paths:
            if path in self.files:
                config = read(path)
                return config, json.loads(config) if config else {}
        return "", {}


def parse(entry: Any, source: str, retrieved: str) -> ModelRepository | None:
    """What an entry of the listing says; None if it is private, or says not even which commit it is about."""
    if not isinstance(entry, dict) or entry.get("private"):
        return None
    name, revision, tags = text(entry.get("id")), text(entry.get("sha")), tuple(_texts(entry.get("tags")))
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    if not revision:
        return None
    card = _mapping(entry.get("cardData"))
    library = text(entry.get("library_name")) or next((known for known in LIBRARIES if known in tags), "")
    siblings = entry.get("siblings")
    files = [_mapping(file).get("rfilename") for file in siblings] if isinstance(siblings, list) else []
    model = ModelRef(
        source=source,
        id=name,
        revision=revision,
        task=text(entry.get("pipeline_tag")),
        license=_license(card.get("license"), tags),
        tags=tags,
        downloads=_count(entry.get("downloads")),
        likes=_count(entry.get("likes")),
        gated=bool(entry.get("gated")),
        retrieved=retrieved,
        evaluations=evaluations(entry.get("model-index") or card.get("model-index")),
    )
    return ModelRepository(
        model, library, tuple(sorted(_texts(files))), text(_mapping(entry.get("config")).get("model_type"))
    )


def evaluations(model_index: Any) -> tuple[Evaluation, ...]:
    """The results in a card's `model-index`; those that are not finite numbers are left out.

    A dataset with configurations is named as `glue/mnli`.

    The format is that of https://github.com/huggingface/hub-docs/blob/main/modelcard.md.
    """
    found: list[Evaluation] = []
    for model in _mappings(model_index):
        for result in _mappings(model.get("results")):
            task, dataset = _mapping(result.get("task")), _mapping(result.get("dataset"))
            for metric in _mappings(result.get("metrics")):
                value = metric.get("value")
                if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MAX_VALUE:
                    found.append(
                        Evaluation(
                            task=text(task.get("type")),
                            dataset=_dataset(dataset),
                            split=text(dataset.get("split")),
                            metric=text(metric.get("type")) or text(metric.get("name")),
                            value=float(value),
                        )
                    )
    return tuple(dict.fromkeys(found))[:_MAX_EVALUATIONS]


def text(value: Any) -> str:
    """A value if it is text, without the half characters that JSON can hold and nothing can store; else ""."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _dataset(dataset: dict[str, Any]) -> str:
    name, config = text(dataset.get("type")) or text(dataset.get("name")), text(dataset.get("config"))
    return f"{name}/{config}" if name and config not in ("", "default", name) else name


@cache
def _timm_families() -> dict[str, str]:
    """The family of every architecture, as timm's registry says; none where it is not installed."""
    try:
        return {model.id: model.family for model in timm.models()}
    except MissingExtraError:
        return {}


def _license(value: Any, tags: tuple[str, ...]) -> str:
    tagged = (tag.removeprefix("license:") for tag in tags if tag.startswith("license:"))
    return next(iter(_texts(value if isinstance(value, list) else [value])), "") or next(tagged, "")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def _texts(values: Any) -> list[str]:
    return [known for value in values if (known := text(value))] if isinstance(values, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
