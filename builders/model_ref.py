"""`ModelRef`: what a hub or a registry tells of one model before anything of it is fetched or converted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Origin = Literal["published", "published-configuration", "registry", "default-configuration", "composed", "contributed"]


@dataclass(frozen=True)
class Evaluation:
    """One result that a model's publisher reports; `value` is in the metric's own unit."""

    task: str
    dataset: str
    split: str
    metric: str
    value: float


@dataclass(frozen=True)
class ModelRef:
    """A model as its source lists it.

    Attributes:
        source: the name of the source, as on the command line: `torchvision`, `onnx-package`.
        id: the model's name within the source.
        revision: the commit, or the version of the package that the registry belongs to; "" where there is none.
        component: the part of what `id` names that this is: a file of its repository, a sub-model of its pipeline, the
            task that a model type is built for; "" for the whole.
        library: what the model is written in, by which its exporter is chosen.
        task: the Hub's name of the task, "" if unknown.
        family: the architecture family (a registry's module, a configuration's model type), "" if unknown.
        backbones: what its configuration says that it is built upon, in the same words as `family`.
        license: the license identifier of the published model; of an entry of a registry, of the package whose code
            defines it; "" if unknown.
        tags: the hub's tags.
        downloads: downloads as the hub counts them, or None.
        likes: likes as the hub counts them, or None.
        size: bytes of the published file or repository, or None.
        gated: whether the files are only given to those who ask.
        origin: published weights, the published sizes of a model without its weights, an entry of a registry, a default
            configuration, a combination of parts that a library supports and nobody published, or a contribution.
        retrieved: the ISO date on which a hub listed it; "" for registries and files, which have a version.
        evaluations: the results its publisher reports.
        config: the configuration as published, as JSON text; "" where there is none, or where it was not to be had.
        location: absolute path of a local file; never part of a release.
        stamp: what tells that a local file has changed; never part of a release.
        refused: why it is not to be converted, where its source can tell; "" for all others.
    """

    source: str
    id: str
    revision: str = ""
    component: str = ""
    library: str = ""
    task: str = ""
    family: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    downloads: int | None = None
    likes: int | None = None
    size: int | None = None
    gated: bool = False
    origin: Origin = "published"
    retrieved: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    config: str = ""
    location: str = ""
    stamp: str = ""
    refused: str = ""
    backbones: tuple[str, ...] = ()

    @property
    def has_remote_files(self) -> bool:
        """Whether the model's files are on a hub, and not on this machine or made from a library."""
        return self.origin == "published" and not self.location

    @property
    def part(self) -> str:
        """The part that a component `task/part` of a model made from a configuration names; "" for a whole model."""
        made = self.origin in ("default-configuration", "published-configuration")
        return self.component.partition("/")[2] if made else ""  # the components of a hub are files

    def to_json(self, *, with_config: bool = True) -> str:
        """The reference as one line of ASCII JSON, or all of it but the configuration."""
        # Neither dataclasses.asdict nor replace, which copy every value: a hub has millions of these.
        fields = {**vars(self), "evaluations": [vars(result) for result in self.evaluations]}
        if not with_config:
            fields["config"] = ""
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelRef:
        """The reference that `to_json` wrote."""
        fields = json.loads(text)
        fields["tags"] = tuple(fields["tags"])
        fields["backbones"] = tuple(fields.get("backbones", ()))  # older ledgers do not have it
        fields["evaluations"] = tuple(Evaluation(**result) for result in fields["evaluations"])
        return cls(**fields)
