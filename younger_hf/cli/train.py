"""`younger-hf train`: settings from a TOML file and flags, a run directory, and the recipe that fills it.

Each recipe is a command whose options are the fields of its `RecipeConfig`. A recipe is imported when it or its help is
asked for, and PyTorch when it trains, so that other commands start quickly and work without PyTorch.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from younger_hf.cli.memory import keep_freed_memory
from younger_hf.errors import UsageError, YoungerError
from younger_hf.given_paths import check_unused

if TYPE_CHECKING:
    from younger_hf.recipes.config import RecipeConfig
    from younger_hf.recipes.recipe import Recipe
    from younger_hf.recipes.run import Run

_MAY_CHANGE = {"epochs", "steps", "patience", "device"}
"""What a resumed run can be told anew: it is the same run, only longer or elsewhere."""

PRETRAIN: Final = "pretrain"
"""The recipe that is a command by itself too."""

_TYPES: dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": float}


class _Recipes(TyperGroup):
    """A command for each recipe, including those of installed packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        from younger_hf.recipes.recipe import RECIPES

        return [*super().list_commands(ctx), *RECIPES.names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _click_command(cmd_name) if cmd_name in self.list_commands(ctx) else None


class Commands(TyperGroup):
    """The commands of `younger-hf`, and the recipe that is one by itself; it is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return [*super().list_commands(ctx), PRETRAIN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name."""
        return _click_command(PRETRAIN) if cmd_name == PRETRAIN else super().get_command(ctx, cmd_name)


train = typer.Typer(
    name="train", cls=_Recipes, help="Train a baseline of the paper, or one beyond it.", no_args_is_help=True
)


def _click_command(name: str) -> Any:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    # Options of a recipe that cannot be imported are not known; `_train` says why.
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    command, is_known = _command(name)
    app.command(name, context_settings=None if is_known else anything)(command)
    return typer.main.get_command(app)


def _command(name: str) -> tuple[Any, bool]:
    """A function with an option for each setting of a recipe, and whether the recipe can be used."""
    from younger_hf.recipes.recipe import find_recipe

    def command(**given: Any) -> None:
        run, config, resume = (given.pop(common) for common in ("run", "config", "resume"))
        save = given.pop("save", False)
        settings = {setting: value for setting, value in given.items() if value is not None}
        filled = _train(name, settings, run, config, resume)
        if save:
            from younger_hf.recipes.pretrained import save_encoder

            typer.echo(f"wrote {save_encoder(filled, Path(filled.config.release))}")

    settings: list[inspect.Parameter] | None = None
    try:
        recipe = find_recipe(name)
        settings, command.__doc__ = _options(recipe), recipe.summary
    except YoungerError as error:  # another package's, which must not spoil the help of the others
        command.__doc__ = str(error)
    command.__signature__ = inspect.Signature([*(settings or ()), *_common_options(name)])  # type: ignore[attr-defined]
    return command, settings is not None


def _options(recipe: Recipe) -> list[inspect.Parameter]:
    """An option for each setting; None where it is not given, so that a file's comes before the default."""
    from younger_hf.settings import annotation_of, declaration

    options = []
    for field in fields(recipe.config):
        said = declaration(recipe.config, field.name)
        is_model = field.name == "model"
        choices = [*recipe.config.models, *recipe.config.rules] if is_model else said.choices
        default = None if field.default in (None, MISSING) else str(field.default)
        if isinstance(field.default, bool):
            default = field.name if field.default else f"no-{field.name}"
        sentence = f"{said.help} {', '.join(choices)}{'.' if choices else ''}".strip()
        kind = _TYPES[annotation_of(field).partition(" |")[0]] | None
        options.append(_option(field.name, Annotated[kind, typer.Option(help=sentence, show_default=default or False)]))
    return options


def _common_options(name: str) -> list[inspect.Parameter]:
    directory = typer.Option("--run", help="The run's directory.", show_default=f"runs/{name}-MODEL")
    file = typer.Option("--config", help="Settings as TOML, e.g. epochs = 5; options override them.")
    again = typer.Option("--resume", help="Continue the run; only its length and --device may change.")
    options = [
        _option("run", Annotated[Path | None, directory]),
        _option("config", Annotated[Path | None, file]),
        _option("resume", Annotated[bool, again], default=False),
    ]
    if name == PRETRAIN:
        save = typer.Option("--save", help="Put the encoder into the release's directory, for suggest and embed.")
        options.append(_option("save", Annotated[bool, save], default=False))
    return options


def _option(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _train(recipe: str, flags: dict[str, Any], run: Path | None, config: Path | None, resume: bool) -> Run:
    from younger_hf.recipes.config import read_toml
    from younger_hf.recipes.recipe import config_of

    given = (read_toml(config) if config else {}) | flags
    if run is None and resume and "model" not in given:
        raise UsageError("--resume continues a run: name it with --run DIRECTORY")
    if resume:
        filled = _resumed(recipe, given, _directory(recipe, given.get("model"), run))
    else:
        if run is not None:
            check_unused(run)
        chosen = config_of(recipe, given)
        directory = _directory(recipe, chosen.model, run)
        check_unused(directory)
        filled = _begun(chosen, directory)
    _fill(filled)
    return filled


def _directory(recipe: str, model: str | None, run: Path | None) -> Path:
    """Where a run lies: of a class of one's own, by its name."""
    return run or Path("runs") / f"{recipe}-{str(model).rpartition(':')[2]}"


def _fill(run: Run) -> None:
    """Train a run to its end, and say how good its best checkpoint is."""
    from younger_hf.recipes.rules import complete

    keep_freed_memory()
    try:
        complete(run)
    except KeyboardInterrupt:
        if (run.directory / "config.json").is_file():
            command = f"younger-hf train {run.config.recipe} --run {run.directory} --resume"
            typer.echo(f"resume with: {command}", err=True)
        raise
    best = run.best()
    scores = "  ".join(f"{name} {best[name]:.4f}" for name in run.config.task.metrics)
    if run.config.is_rule:
        typer.echo(f"{run.directory}: in validation {scores}")
        return
    typer.echo(f"{run.directory}: best of validation at step {best['step']:,} of {run.position.step:,}: {scores}")
    if run.position.step < run.position.planned:
        typer.echo(
            f"stopped early, {run.position.stale:,} validations after the best, where {run.position.planned:,} steps "
            "were planned: --resume with a larger --patience, or 0, goes on"
        )


def _begun(config: RecipeConfig, directory: Path) -> Run:
    from younger_hf.recipes.run import Run
    from younger_hf.vocabulary import Vocabulary

    _check(config)
    return Run.create(directory, config, Vocabulary.load(config.release, config.revision))


def _resumed(recipe: str, given: dict[str, Any], directory: Path) -> Run:
    from younger_hf.recipes.recipe import config_of
    from younger_hf.recipes.run import Run
    from younger_hf.vocabulary import Vocabulary

    run = Run.open(directory)
    if run.config.recipe != recipe:
        raise UsageError(f"{directory} is a run of {run.config.recipe}: younger-hf train {run.config.recipe} --resume")
    kept = run.config.to_dict()
    if {"epochs", "steps"} & given.keys():
        kept |= {"epochs": None, "steps": None}
    wanted = config_of(recipe, {**kept, **given})
    for name in given.keys() - _MAY_CHANGE:
        if getattr(wanted, name) != getattr(run.config, name):
            raise UsageError(f"{directory} has {name} {getattr(run.config, name)}: a resumed run keeps it")
    _check(wanted)
    run.check_vocabulary(Vocabulary.load(wanted.release, wanted.revision))
    run.config = wanted
    return run


def _check(config: RecipeConfig) -> None:
    """Look through what training opens of the release, before it does, and for PyTorch, which only rules do without."""
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_release

    check_foreign_release(open_release(config.release, config.revision), dict.fromkeys((config.table, "operators")))
    if not config.is_rule:
        from younger_hf.recipes import checkpoints  # noqa: F401 - says what to install where PyTorch is missing
