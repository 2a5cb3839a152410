"""What is read from a ledger, as types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builders.convert import Outcome
from builders.model_ref import ModelRef


@dataclass(frozen=True)
class Tool:
    """What made a skeleton: the exporter, and the packages that took part with their versions."""

    exporter: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Architecture:
    """One skeleton, and every model that turned out to be it.

    Attributes:
        skeleton_hash: 128-bit BLAKE2b of `skeleton`, hex.
        skeleton: the weightless ModelProto, serialised.
        modules: the module tree of the first of the models that has one, serialised; contributed ones come last.
        models: sorted by (source, id, revision, component), each once.
        tools: what made it, for each of the models.
    """

    skeleton_hash: str
    skeleton: bytes
    modules: bytes | None
    models: tuple[ModelRef, ...]
    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class Progress:
    """How far a crawl has come.

    Attributes:
        cursor: where its next page begins; "" at the beginning.
        models: how many it has listed.
        finished: whether it came to its end.
    """

    cursor: str = ""
    models: int = 0
    finished: bool = False


@dataclass(frozen=True)
class Crawl:
    """A source specification, and how many models its crawl has listed so far."""

    source: str
    models: int
    finished: bool


@dataclass(frozen=True)
class Ending:
    """What ended alike, of one source.

    Attributes:
        source: of the models.
        outcome: of their conversions; `untried` where there was none.
        models: how many.
        conversions: how many these took, since models with one export key share theirs.
        seconds: of all these conversions together.
        bytes_fetched: of all these conversions together.
        peak_memory: resident bytes of the largest of them.
    """

    source: str
    outcome: str
    models: int
    conversions: int
    seconds: float
    bytes_fetched: int
    peak_memory: int


@dataclass(frozen=True)
class Attempt:
    """An attempt at a conversion.

    Attributes:
        source: of the model that was tried, as are the next three.
        id: there.
        revision: there; "" if it has none.
        component: the part of the model; "" for the whole.
        exporter: that was tried.
        asked_opset: 0 where the exporter chose.
        opset: of what came out; 0 where nothing did.
        message: what went wrong.
        seconds: that it took.
        bytes_fetched: from the network.
        peak_memory: resident bytes.
        versions: the packages that took part, and their versions.
        outcome: how it ended.
        skeleton_hash: 128-bit BLAKE2b of the skeleton that it gave, hex; None where it gave none.
        modules_hash: the same of the module tree.
    """

    source: str
    id: str
    revision: str
    component: str
    exporter: str
    asked_opset: int
    opset: int
    message: str
    seconds: float
    bytes_fetched: int
    peak_memory: int
    versions: Mapping[str, str]
    outcome: Outcome
    skeleton_hash: str | None = None
    modules_hash: str | None = None


@dataclass(frozen=True)
class Entry:
    """A model on record, with one of the attempts that stand under its name.

    Attributes:
        model: as its source lists it.
        export_key: models with the same one share their conversions.
        attempt: None if no attempt was made in the name of this model.
    """

    model: ModelRef
    export_key: str
    attempt: Attempt | None = None


@dataclass(frozen=True)
class ModelEnding:
    """How it ended for one model, at whatever path it was found and for whatever opset.

    Attributes:
        source: of the model.
        id: there.
        outcome: `ok` if it was converted for any opset.
    """

    source: str
    id: str
    outcome: Outcome
