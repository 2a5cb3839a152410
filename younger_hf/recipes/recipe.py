"""`Recipe`: how to train for a task, and the table of all recipes.

A built-in recipe is one file and a line in `RECIPES`; other packages add theirs by entry points of the group
`younger_hf.recipes`. `younger-hf train NAME` finds both. The module of a recipe is imported for its `--help`, so it
imports PyTorch inside its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.extensions import ExtensionError, Extensions
from younger_hf.recipes.config import RecipeConfig
from younger_hf.settings import typed_settings
from younger_hf.tasks.task import TASKS, Task


@dataclass(frozen=True)
class Recipe:
    """How to train for a task.

    Attributes:
        summary: what `younger-hf train --help` says of it.
        config: what a run is told, a dataclass; it names the recipe, the task and the models.
        build: a model with fresh parameters, drawn from torch's global generator: of the config and how many operator
            ids there are, V.
        train: of a `Run` whose model is no rule: from where it stands to its end.
        predict: of a model in evaluation mode, a `GraphTable`, the config, and the device where the model is: `row`,
            the columns of the task's labels but the key, and `y_pred`, [M] each.
        encode: of a model in evaluation mode and a `GraphBatch`: what its last layer, below a classifier or decoder of
            its own, gives for each node, [N, C]. None where `younger-hf embed` has nothing to say.
    """

    summary: str
    config: type[RecipeConfig]
    build: Callable[[Any, int], Any]
    train: Callable[[Any], None]
    predict: Callable[[Any, Any, Any, Any], dict[str, Any]]
    encode: Callable[[Any, Any], Any] | None = None

    @property
    def name(self) -> str:
        """Its name on the command line: `younger-hf train NAME`."""
        return self.config.recipe

    @property
    def task(self) -> Task:
        """What it trains for."""
        return self.config.task


RECIPES: Final[Extensions[Recipe]] = Extensions(
    kind="recipe",
    group="younger_hf.recipes",
    type=Recipe,
    built_in={
        "slots": "younger_hf.recipes.slots:RECIPE",
        "dataflow": "younger_hf.recipes.dataflow:RECIPE",
        "operator": "younger_hf.recipes.operator:RECIPE",
        "graph": "younger_hf.recipes.graph:RECIPE",
        "pretrain": "younger_hf.recipes.pretrain:RECIPE",
        "generation": "younger_hf.recipes.generation:RECIPE",
    },
)
"""All recipes by name; `find_recipe` gives one."""


def find_recipe(name: str) -> Recipe:
    """Look up a recipe.

    Raises:
        UsageError: there is no recipe of this name; the message suggests close matches.
        ExtensionError: an installed package adds it, and it cannot be used.
    """
    recipe = RECIPES.find(name)
    if recipe.name != name:
        raise ExtensionError(f"the recipe {name} of an installed package calls itself {recipe.name}")
    if TASKS.get(recipe.task.name) is not recipe.task:
        raise ExtensionError(
            f"the recipe {name} has the task {recipe.task.name}, which its package does not add to younger_hf.tasks"
        )
    return recipe


def config_of(recipe: str, settings: Mapping[str, Any]) -> Any:
    """The configuration of a run; what is not set is as in the paper.

    Args:
        recipe: its name.
        settings: by the names of the fields of the recipe's `RecipeConfig`; `model` is one of them.

    Raises:
        UsageError: a setting that there is not, or that has a value it cannot have.
    """
    kind = find_recipe(recipe).config
    settings = {name: value for name, value in settings.items() if name != "recipe"}
    for name in settings:
        check_choice("setting", name, [field.name for field in fields(kind)])
    default: Any = next(field.default for field in fields(kind) if field.name == "model")
    if "model" not in settings and default is MISSING:
        raise UsageError(f"no model is named: choose one of {', '.join([*kind.models, *kind.rules])}")
    typed = {"model": default} | typed_settings(kind, settings)
    instead = {"epochs": "steps", "steps": "epochs"}  # a length in one of them is none in the other
    other = {instead[name]: None for name in instead if typed.get(name) is not None}
    return kind(**{**kind.defaults(typed["model"]), **other, **typed})
