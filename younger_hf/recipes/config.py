"""What a training run is told: the paper's hyper-parameters, unless a TOML file or a flag says otherwise.

In go the settings that someone gave, by name; out comes a `DataflowConfig` or an `OperatorConfig`, checked. Nothing
heavy is imported here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Final

from younger_hf.choices import check_choice
from younger_hf.errors import MissingExtraError, UsageError

MODELS: Final = {
    "dataflow": ("gcn", "gat", "sage", "gine"),
    "operator": ("gcn", "gat", "sage", "gae", "vgae", "gine"),
}
"""The models of each task: the paper's, and one that uses direction and slots."""

_AUTOENCODERS: Final = ("gae", "vgae")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What both recipes are told.

    Attributes:
        model: one of `MODELS` of the task.
        attributes: whether operators that differ in attributes are different classes.
        release: a release directory, or the id of a Hub dataset repository.
        revision: the repository's branch, tag or commit.
        split_scheme: "family" or "paper", as `younger_hf.load` takes it.
        limit: use at most so many rows of each split, drawn with the seed.
        epochs: passes over the training split.
        batch_size: graphs a step.
        learning_rate: Adam's.
        weight_decay: Adam's.
        validate_every: steps between validations; 0 validates after each epoch.
        seed: of initialisation, order, dropout and negatives.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".
    """

    task: ClassVar[str]
    tables: ClassVar[str]

    model: str
    attributes: bool = False
    release: str = "younger"
    revision: str | None = None
    split_scheme: str = "family"
    limit: int | None = None
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    validate_every: int
    seed: int = 12345
    device: str = "auto"

    def __post_init__(self) -> None:
        check_choice(f"model for {self.task}", self.model, MODELS[self.task])
        check_choice("split scheme", self.split_scheme, ("family", "paper"))
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name))

    @property
    def table(self) -> str:
        """The config of the release that is trained on."""
        return self.tables if self.attributes else f"{self.tables}-no-attributes"

    @property
    def vocabulary(self) -> str:
        """The id space of the operators: "variant" with attributes, else "operator"."""
        return "variant" if self.attributes else "operator"

    def to_dict(self) -> dict[str, Any]:
        """The task and every setting, as `config_of` reads them back."""
        return {"task": self.task, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class DataflowConfig(Config):
    """Data flow design: which pairs of operators have a data flow between them.

    Attributes:
        protocol: "heldout", where no edge to be predicted passes messages and the negatives are fixed by the seed, or
            "paper", where messages pass over all edges.
        decoder: "dot" (the paper's: the score of a pair is that of its reverse), or "directed".
        held_out: the share of a graph's edges that is to be predicted, under "heldout".
        evaluation_seed: of the pairs to predict in validation and test, which runs of other seeds have in common.
    """

    task: ClassVar[str] = "dataflow"
    tables: ClassVar[str] = "graphs"

    epochs: int = 6
    batch_size: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 5e-5
    validate_every: int = 0
    protocol: str = "heldout"
    decoder: str = "dot"
    held_out: float = 0.2
    evaluation_seed: int = 12345

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("protocol", self.protocol, ("heldout", "paper"))
        check_choice("decoder", self.decoder, ("dot", "directed"))
        if not 0 < self.held_out < 1:
            raise UsageError(f"held_out is a share between 0 and 1, not {self.held_out}")


@dataclass(frozen=True, kw_only=True)
class OperatorConfig(Config):
    """Operator design: which operators stand in the places that are masked.

    Attributes:
        encoder_epochs: of an autoencoder's encoder, before it is frozen and a classifier is trained on it, which
            `epochs`, `learning_rate` and `weight_decay` are about.
        encoder_steps: the encoder is frozen after so many steps at the latest.
        encoder_learning_rate: Adam's, for the encoder.
        encoder_weight_decay: Adam's, for the encoder.
    """

    task: ClassVar[str] = "operator"
    tables: ClassVar[str] = "subgraphs"

    epochs: int = 200
    batch_size: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    validate_every: int = 20
    encoder_epochs: int = 100
    encoder_steps: int = 4000
    encoder_learning_rate: float = 1e-4
    encoder_weight_decay: float = 5e-5

    @property
    def is_autoencoder(self) -> bool:
        """Whether an encoder is trained first."""
        return self.model in _AUTOENCODERS


_TASKS: Final[dict[str, type[Config]]] = {"dataflow": DataflowConfig, "operator": OperatorConfig}


def config_of(task: str, settings: Mapping[str, Any]) -> Any:
    """The configuration of a task; what is not set is as in the paper.

    Args:
        task: "dataflow" or "operator".
        settings: by the names of the attributes of `DataflowConfig` or `OperatorConfig`; `model` is one of them.

    Raises:
        UsageError: a setting that there is not, or that has a value it cannot have.
    """
    check_choice("task", task, _TASKS)
    kind = _TASKS[task]
    names = [field.name for field in fields(kind)]
    settings = {name: value for name, value in settings.items() if name != "task"}
    for name in settings:
        check_choice("setting", name, names)
    if "model" not in settings:
        raise UsageError(f"no model is named: choose one of {', '.join(MODELS[task])}")
    if task == "operator" and settings["model"] in _AUTOENCODERS:
        settings = {"epochs": 100, "weight_decay": 5e-4, **settings}
    for field in fields(kind):
        if field.name in settings:
            settings[field.name] = _typed(field.name, settings[field.name], str(field.type))
    return kind(**settings)


def read_toml(file: Path) -> dict[str, Any]:
    """The settings of a TOML file.

    Raises:
        UsageError: the file is missing or no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise MissingExtraError("tomli", "train") from error
    try:
        return dict(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as TOML ({error})") from error


def _typed(name: str, value: Any, annotation: str) -> Any:
    """A value from a file as the type that its setting has; 1 is a float where one is wanted."""
    kinds: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}
    kind = kinds[annotation.partition(" |")[0]]
    if value is None and annotation.endswith("| None"):
        return value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{name} is {annotation}, not {value!r}")
    return float(value) if annotation == "float" else value


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    may_be_zero = name.endswith(("weight_decay", "seed")) or name == "validate_every"
    if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
        raise UsageError(f"{name} must be {'0 or more' if may_be_zero else 'more than 0'}, not {value}")
