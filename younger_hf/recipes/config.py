"""The settings that all training runs share; each recipe adds its own, and the paper's values, in a dataclass.

In go the settings that someone gave; out comes a `RecipeConfig`, checked. The options of `younger-hf train` are made of
its fields, so nothing heavy is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from younger_hf.choices import check_choice
from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.recipes.encoders import DIRECTIONS, OPTIONS
from younger_hf.settings import check_settings, setting
from younger_hf.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """The settings of all recipes; a recipe derives its own, with defaults for those that have none here.

    Attributes:
        recipe: the name of the recipe.
        task: what it trains for.
        models: its models by name, each a line `module:attribute` as `younger_hf.recipes.models` says.
        rules: what models have to beat, by name, each the place of a `younger_hf.recipes.rules.Rule`.
    """

    recipe: ClassVar[str]
    task: ClassVar[Task]
    models: ClassVar[Mapping[str, str]]
    rules: ClassVar[Mapping[str, str]] = {}

    model: str = setting("Or a class of your own: package.module:Class, or path/to/file.py:Class. Built in:")
    layers: int | None = setting("How many gine and dag-transformer have.", None, above=0)
    direction: str | None = setting("Which way messages pass. Default: as the model does.", None, choices=DIRECTIONS)
    slots: bool | None = setting("Whether gine and dag-transformer know the slots of data flows.", None)
    norm: bool | None = setting("Whether gine has LayerNorm before each layer.", None)
    residual: bool | None = setting("Whether the layers of gine add to what stands there.", None)
    init: str | None = setting("A run or release whose encoder is begun from, as younger-hf pretrain makes it.", None)
    attributes: bool = setting("Whether operators that differ in attributes are different classes.", False)
    release: str = setting("A release directory or Hub repository.", "younger")
    revision: str | None = setting("The repository's branch, tag or commit.", None)
    split_scheme: str = setting("How rows are split.", "family", choices=("family", "paper"))
    limit: int | None = setting("At most so many rows of each split, drawn with the seed.", None, above=0)
    steps: int | None = setting("Updates at most.", None, above=0)
    epochs: int | None = setting("Passes over the training split, in the place of --steps.", None, above=0)
    patience: int = setting("Stop after so many validations without a better one; 0 never does.", 0, least=0)
    batch_size: int = setting("Graphs a step.", above=0)
    learning_rate: float = setting("Adam's.", above=0)
    weight_decay: float = setting("Adam's.", least=0)
    validate_every: int = setting("Steps between validations; 0 validates after each epoch.", least=0)
    seed: int = setting("Of initialisation, order, dropout and negatives.", 12345, least=0)
    device: str = setting("auto (a GPU if there is one), cpu, cuda, cuda:1, mps.", "auto")

    def __post_init__(self) -> None:
        if ":" not in self.model:
            check_choice(f"model for {self.recipe}", self.model, [*self.models, *self.rules])
        check_settings(self)
        for each in fields(self):
            if self.is_rule and each.name in (*OPTIONS, "init") and getattr(self, each.name) != each.default:
                raise UsageError(f"{self.model} is a rule, which has no {each.name}: leave --{each.name} out")
        if (self.steps is None) == (self.epochs is None):
            raise UsageError("a run has a number of steps, or of epochs: leave one of both out")

    @classmethod
    def defaults(cls, model: str) -> Mapping[str, Any]:  # noqa: ARG003 - for those that derive
        """Settings whose default differs for this model."""
        return {}

    @property
    def table(self) -> str:
        """The config of the release that is trained on."""
        return self.task.config(self.attributes)

    def in_form(self, config: str) -> str:
        """A config of the release, in the form whose operators the run knows."""
        return config if self.attributes else f"{config}-no-attributes"

    @property
    def graph_key(self) -> str:
        """The column of `graphs` that tells graphs of such operators apart."""
        return "fingerprint" if self.attributes else "type_fingerprint"

    @property
    def vocabulary(self) -> str:
        """The id space of the operators: "variant" with attributes, else "operator"."""
        return "variant" if self.attributes else "operator"

    @property
    def is_rule(self) -> bool:
        """Whether the model is a rule, which has no parameters."""
        return self.model in self.rules

    def num_steps(self, steps_per_epoch: int) -> int:
        """How many updates the run has at most."""
        return self.steps if self.steps is not None else (self.epochs or 0) * steps_per_epoch

    @property
    def options(self) -> dict[str, Any]:
        """What the model is told beside the sizes: the settings of `OPTIONS` that are given."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}

    @property
    def title(self) -> str:
        """The model in words, with its options, for a row of a table."""
        words = {True: "with {}", False: "without {}"}
        options = [
            words[value].format(name) if isinstance(value, bool) else f"{name} {value}"
            for name, value in self.options.items()
        ]
        return ", ".join([self.model, *options, *(["pretrained"] if self.init else [])])

    def choices(self) -> dict[str, Any]:
        """What `EvaluationSet.of` takes as choices of the task."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """The recipe and every setting, as `config_of` reads them back."""
        return {"recipe": self.recipe, **asdict(self)}


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
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as TOML ({error})") from error
