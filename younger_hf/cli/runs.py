"""`younger-hf evaluate`, `embed` and `suggest`: what a training run is worth, what it has learned, what it advises.

PyTorch is imported inside the commands, so that the others start quickly and work without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.given_paths import check_file
from younger_hf.text import plain, table

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run
    from younger_hf.release import Release

_LONGEST_LABEL: Final = 100

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def evaluate(
    what: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run's directory, or a predictions file.")],
    split: Annotated[str | None, typer.Option(help="train, validation, test or unseen. [default: test]")] = None,
    release: Annotated[
        str | None,
        typer.Option(help="For a file: the release to check its labels against. For a run: another than its own."),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score a run, or a file of predictions.

    Prints the row that it gives in the paper's tables. For a run, this writes predictions-SPLIT.parquet and
    evaluation-SPLIT.json into its directory. The Parquet file is a leaderboard entry: with --release, it is refused if
    its labels are not the release's, or if rows are missing.
    """
    if split is not None:
        check_choice("split", split, ("train", "validation", "test", "unseen"))
    from younger_hf.foreign_release import check_foreign_release

    if what.is_dir():
        from younger_hf.recipes.run import Run
        from younger_hf.recipes.scoring import predict_split, write_evaluation

        run = Run.open(what)
        opened = _release_of(run, release)
        check_foreign_release(opened, dict.fromkeys((run.config.table, "operators")))
        predictions = predict_split(run, opened, split or "test", device)
        metrics, files = write_evaluation(run, predictions)
        notes = [f"wrote {file}" for file in files]
    else:
        from younger_hf.release import open_named
        from younger_hf.tasks.evaluator import Evaluator
        from younger_hf.tasks.predictions import Predictions

        if split is not None:
            raise UsageError(f"{what} says itself of which split it is: leave --split out")
        predictions = Predictions.load(what)
        if release is not None:
            check_foreign_release(open_named(release), dict.fromkeys((predictions.of.config, "operators")))
        metrics = Evaluator.score(what, release)
        notes = [
            f"the labels are those of {release}, and none is left out"
            if release
            else f"the labels are what {what} says: check them against a release with --release"
        ]
    of = predictions.of
    row = {
        "model": predictions.model,
        "config": of.config,
        "splits": of.split_scheme,
        **of.choices.shown(),
        "split": of.split,
        "labels": f"{predictions.table.num_rows:,}",
        **{name: f"{value:.4f}" for name, value in metrics.items()},
    }
    cells = [tuple(map(str, row.values()))]
    numbers = len(metrics) + 1
    facts = {"model": predictions.model, "of": of.to_dict(), "labels": predictions.table.num_rows, "metrics": metrics}
    typer.echo(json.dumps(facts, indent=2) if as_json else table(tuple(row), cells, len(row) - numbers))
    for note in notes:
        typer.echo(note, err=True)


def embed(
    run: Annotated[Path, typer.Argument(help="A run's directory.")],
    level: Annotated[str, typer.Option(help="node (the operators), subgraph or graph.")],
    output: Annotated[Path, typer.Option(help="Directory for LEVEL-embeddings.parquet and .png.")],
    release: Annotated[str | None, typer.Option(help="Another release than the run's own.")] = None,
    device: Device = "auto",
) -> None:
    """Write the embeddings that a run has learned.

    They are drawn by t-SNE, as in the paper.
    """
    check_choice("level", level, ("node", "subgraph", "graph"))
    from younger_hf.recipes.run import Run

    opened = Run.open(run)
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.recipes.embed_release import configs_embedded, write_embeddings

    of = _release_of(opened, release)
    check_foreign_release(of, dict.fromkeys(configs_embedded(opened, level)))
    for file in write_embeddings(opened, level, output, of, device):
        typer.echo(f"wrote {file}")


def suggest(
    model: Annotated[Path, typer.Argument(help="An ONNX file; its weights are not read.")],
    run: Annotated[Path, typer.Option(help="A run's directory.")],
    node: Annotated[
        str | None, typer.Option(help="The node to fill, by its name or position. For a run of operator.")
    ] = None,
    edge: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two nodes: is there a data flow from the first to the second? For a run of dataflow."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many operators to list.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Suggest operators for a node of a model.

    Or, with --edge, give the probability of a data flow between two nodes.
    """
    if (node is None) == (edge is None):
        raise UsageError("name one place with --node NAME, or two with --edge NAME NAME")
    check_file(model)
    from younger_hf.recipes.run import Run

    opened = Run.open(run)
    from younger_hf.recipes.suggest import edge_facts, place_facts

    if node is not None:
        facts = place_facts(opened, model, node, top)
        text = _place_text(facts)
    elif edge is not None:
        facts = edge_facts(opened, model, *edge)
        there = "there is one" if facts["there"] else "there is none"
        text = f"{facts['producer']} -> {facts['consumer']}: {facts['probability']:.4f} ({there} in the model)"
    typer.echo(json.dumps(facts, indent=2) if as_json else text)


def _release_of(run: Run, named: str | None) -> Release:
    from younger_hf.release import open_named, open_release

    return open_named(named) if named else open_release(run.config.release, run.config.revision)


def _place_text(facts: dict[str, Any]) -> str:
    rows = [
        (str(rank), plain(each["operator"], _LONGEST_LABEL), f"{each['probability']:.4f}")
        for rank, each in enumerate(facts["suggestions"], 1)
    ]
    here = plain(facts["operator"], _LONGEST_LABEL)
    rank = f"suggestion {facts['rank']:,}" if facts["rank"] else "not in the run's vocabulary"
    return f"{facts['node']} is {here}, {rank}\n{table(('', 'operator', 'probability'), rows, 2)}"
