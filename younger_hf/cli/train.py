"""`younger-hf train`: settings from a TOML file and flags, a run directory, and the recipe that fills it.

PyTorch is imported inside the commands, so that the others start quickly and work without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from younger_hf.errors import UsageError
from younger_hf.recipes.config import Config, config_of, read_toml

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run

train = typer.Typer(name="train", help="Train a baseline of the paper, or one beyond it.", no_args_is_help=True)

_MAY_CHANGE = {"epochs", "device"}
"""What a resumed run can be told anew: it is the same run, only longer or elsewhere."""

Release = Annotated[str | None, typer.Option(help="A release directory or Hub repository.", show_default="younger")]
Revision = Annotated[str | None, typer.Option(help="The repository's branch, tag or commit.")]
Attributes = Annotated[
    bool | None,
    typer.Option("--attributes/--no-attributes", help="Whether attributes make classes.", show_default="no-attributes"),
]
Scheme = Annotated[str | None, typer.Option(help="family or paper.", show_default="family")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many rows of each split.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training split.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Graphs a step.")]
LearningRate = Annotated[float | None, typer.Option(help="Adam's.")]
WeightDecay = Annotated[float | None, typer.Option(help="Adam's.")]
ValidateEvery = Annotated[int | None, typer.Option(min=0, help="Steps between validations; 0: each epoch.")]
Seed = Annotated[int | None, typer.Option(min=0, show_default="12345")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", show_default="auto")]
Directory = Annotated[Path | None, typer.Option("--run", help="The run's directory.", show_default="runs/TASK-MODEL")]
File = Annotated[Path | None, typer.Option("--config", help="Settings as TOML: model, epochs, …; flags come first.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run; only --epochs and --device may change.")]


def _settings_of_both(
    attributes: Attributes = None,
    release: Release = None,
    revision: Revision = None,
    split_scheme: Scheme = None,
    limit: Limit = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    weight_decay: WeightDecay = None,
    validate_every: ValidateEvery = None,
    seed: Seed = None,
    device: Device = None,
    run: Directory = None,
    config: File = None,
    resume: Resume = False,
) -> None:
    """What both commands take beside their own options: typer reads a signature."""


def _and_those_of_both(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with `_settings_of_both` in the place of its `**others`."""
    *own, _ = inspect.signature(command, eval_str=True).parameters.values()
    both = inspect.signature(_settings_of_both, eval_str=True).parameters.values()
    command.__signature__ = inspect.Signature([*own, *both])  # type: ignore[attr-defined]
    return command


@train.command()
@_and_those_of_both
def dataflow(
    model: Annotated[str | None, typer.Option(help="gcn, gat, sage; or gine, which uses direction and slots.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="heldout: what is predicted passes no messages. paper: it does.", show_default="heldout"),
    ] = None,
    decoder: Annotated[str | None, typer.Option(help="dot or directed.", show_default="dot")] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share of edges that is predicted.", show_default="0.2")
    ] = None,
    evaluation_seed: Annotated[
        int | None, typer.Option(min=0, help="Of the pairs in validation and test.", show_default="12345")
    ] = None,
    **others: Any,
) -> None:
    """Data flow design: predict which operators are joined. Settings left out are the paper's."""
    _train(
        "dataflow",
        model=model,
        protocol=protocol,
        decoder=decoder,
        held_out=held_out,
        evaluation_seed=evaluation_seed,
        **others,
    )


@train.command()
@_and_those_of_both
def operator(
    model: Annotated[
        str | None, typer.Option(help="gcn, gat, sage, gae, vgae; or gine, which uses direction and slots.")
    ] = None,
    encoder_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of gae and vgae, at first.", show_default="100")
    ] = None,
    encoder_steps: Annotated[int | None, typer.Option(min=1, help="At most so many.", show_default="4000")] = None,
    encoder_learning_rate: Annotated[float | None, typer.Option(help="Adam's.", show_default="0.0001")] = None,
    encoder_weight_decay: Annotated[float | None, typer.Option(help="Adam's.", show_default="0.00005")] = None,
    **others: Any,
) -> None:
    """Operator design: predict the operators at a subgraph's boundary. Settings left out are the paper's."""
    _train(
        "operator",
        model=model,
        encoder_epochs=encoder_epochs,
        encoder_steps=encoder_steps,
        encoder_learning_rate=encoder_learning_rate,
        encoder_weight_decay=encoder_weight_decay,
        **others,
    )


def _train(task: str, *, run: Path | None, config: Path | None, resume: bool, **flags: Any) -> None:
    given = read_toml(config) if config else {}
    given |= {name: value for name, value in flags.items() if value is not None}
    if run is None and resume and "model" not in given:
        raise UsageError("--resume goes on with a run: name it with --run DIRECTORY")
    directory = run or Path("runs") / f"{task}-{given.get('model')}"
    _fill(_resumed(task, given, directory) if resume else _begun(config_of(task, given), directory))


def _fill(run: Run) -> None:
    """Train a run to its end, and say how good its best checkpoint is."""
    from younger_hf.recipes import dataflow, operator
    from younger_hf.recipes.training import keep_freed_memory
    from younger_hf.tasks.evaluator import METRICS

    task = run.config.task
    keep_freed_memory()
    try:
        (dataflow if task == "dataflow" else operator).train(run)
    except KeyboardInterrupt:
        if (run.directory / "config.json").is_file():
            typer.echo(f"go on with: younger-hf train {task} --run {run.directory} --resume", err=True)
        raise
    best = run.best()
    scores = "  ".join(f"{name} {best[name]:.4f}" for name in METRICS[task])
    typer.echo(f"{run.directory}: best of validation at step {best['step']:,} of {run.position.step:,}: {scores}")


def _begun(config: Config, directory: Path) -> Run:
    from younger_hf.recipes.run import Run
    from younger_hf.vocabulary import Vocabulary

    return Run.create(directory, config, Vocabulary.load(config.release, config.revision))


def _resumed(task: str, given: dict[str, Any], directory: Path) -> Run:
    from younger_hf.recipes.run import Run
    from younger_hf.vocabulary import Vocabulary

    run = Run.open(directory)
    if run.config.task != task:
        raise UsageError(f"{directory} is a run of {run.config.task}: younger-hf train {run.config.task} --resume")
    wanted = config_of(task, {**run.config.to_dict(), **given})
    for name in given.keys() - _MAY_CHANGE:
        if getattr(wanted, name) != getattr(run.config, name):
            raise UsageError(f"{directory} has {name} {getattr(run.config, name)}: a resumed run keeps it")
    run.check_vocabulary(Vocabulary.load(wanted.release, wanted.revision))
    run.config = wanted
    return run
