"""`younger-hf evaluate`, `embed` and `suggest`: what a training run is worth, what it has learned, what it advises.

PyTorch is imported inside the commands, so that the others start quickly and work without it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
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
    from younger_hf.tasks.predictions import Predictions

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
    draws: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws of families for intervals; 0 gives none.")
    ] = 500,
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

    certainty: dict[str, Any] = {}
    if what.is_dir():
        from younger_hf.recipes.run import Run
        from younger_hf.recipes.scoring import predict_split, write_evaluation

        run = Run.open(what)
        opened = _release_of(run, release)
        check_foreign_release(opened, columns_scored(run.config.table))
        predictions = predict_split(run, opened, split or "test", device)
        certainty = _certainty(predictions, opened, draws)
        metrics, files = write_evaluation(run, predictions, certainty)
        notes = [f"wrote {file}" for file in files]
    else:
        from younger_hf.release import open_named
        from younger_hf.tasks.evaluator import Evaluator
        from younger_hf.tasks.predictions import Predictions

        if split is not None:
            raise UsageError(f"{what} says itself of which split it is: leave --split out")
        predictions = Predictions.load(what)
        if release is not None:
            named = open_named(release)
            check_foreign_release(named, columns_scored(predictions.of.config))
        metrics = Evaluator.score(what, release)
        if release is not None:
            certainty = _certainty(predictions, named, draws)
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
    labels = predictions.table.num_rows
    facts = {"model": predictions.model, "of": of.to_dict(), "labels": labels, "metrics": metrics, **certainty}
    typer.echo(json.dumps(facts, indent=2) if as_json else table(tuple(row), cells, len(row) - numbers))
    for note in [*_in_words(certainty), *notes]:
        typer.echo(note, err=True)


def columns_scored(config: str) -> dict[str, Sequence[str] | None]:
    """What is read of a release to score predictions of a config: for each config, which columns, None for all."""
    families = {"graphs": ("fingerprint", "type_fingerprint", "family")}
    return {**families, config: None, "operators": None}


def _certainty(predictions: Predictions, release: Release, draws: int) -> dict[str, Any]:
    """What is said of metrics besides their values: intervals over families, and labels that no mean counts."""
    from younger_hf.tasks.intervals import families_of, intervals, share_without_class

    families = families_of(predictions, release)
    share = share_without_class(predictions)
    return {
        "intervals": intervals(predictions, families, draws),
        "families": len({*families.tolist()}),
        **({} if share is None else {"share_without_class": share}),
    }


def _in_words(certainty: dict[str, Any]) -> list[str]:
    lines = []
    if certainty.get("intervals"):
        spans = ", ".join(f"{name} {low:.3f} to {high:.3f}" for name, (low, high) in certainty["intervals"].items())
        lines.append(f"95 % intervals over {certainty['families']:,} families: {spans}")
    if certainty.get("share_without_class"):
        share = certainty["share_without_class"]
        lines.append(f"{share:.2%} of the labels are of classes that train lacks, and count in no mean over classes")
    return lines


def compare(
    first: Annotated[
        str, typer.Argument(metavar="RUN|FILE", help="An evaluated run, or a predictions file; seeds joined by commas.")
    ],
    second: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Another, of the same labels.")],
    split: Annotated[str, typer.Option(help="Of runs: train, validation, test or unseen.")] = "test",
    release: Annotated[
        str | None, typer.Option(help="The release of the labels. Default: a run's own, or younger.")
    ] = None,
    draws: Annotated[int, typer.Option("--bootstrap", min=2, help="Draws of families.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same labels.

    Intervals of the differences are of 95 %, over families that are drawn for both alike. Of a model that was trained
    with several seeds, as in runs/a-1,runs/a-2, metrics are the mean, and seeds are drawn too.
    """
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.recipes.run import Run
    from younger_hf.release import open_named, open_release
    from younger_hf.tasks.intervals import differences
    from younger_hf.tasks.predictions import Predictions, check_labels

    check_choice("split", split, ("train", "validation", "test", "unseen"))
    groups = [[Path(each) for each in group.split(",") if each] for group in (first, second)]
    if not all(groups):
        raise UsageError("a group of runs is empty: name runs, or predictions files, joined by commas")
    files = [[_predictions_of(each, split) for each in group] for group in groups]
    predictions = [[Predictions.load(file) for file in group] for group in files]
    given = [each for group in groups for each in group]
    if release:
        opened = open_named(release)
    elif run := next((Run.open(each) for each in given if each.is_dir()), None):
        opened = _release_of(run, None)
    else:
        opened = open_release("younger")
    check_foreign_release(opened, columns_scored(predictions[0][0].of.config))
    for of_group, files_of_group in zip(predictions, files, strict=True):
        for each, file in zip(of_group, files_of_group, strict=True):
            check_labels(each, opened, file)
    found, num_families = differences(predictions[0], predictions[1], opened, draws)
    if as_json:
        facts = {name: asdict(each) for name, each in found.items()}
        typer.echo(json.dumps({"families": num_families, "metrics": facts}, indent=2))
        return
    rows = [
        (
            name,
            f"{each.first:.4f}",
            f"{each.second:.4f}",
            f"{each.second - each.first:+.4f}",
            f"{each.low:+.4f} to {each.high:+.4f}",
        )
        for name, each in found.items()
    ]
    models = [f"{group[0].model}{f' ({len(group)} seeds)' if len(group) > 1 else ''}" for group in predictions]
    typer.echo(table(("metric", *models, "difference", "95 % interval"), rows, 1))
    typer.echo(f"{predictions[0][0].table.num_rows:,} labels of {num_families:,} families", err=True)


def _predictions_of(given: Path, split: str) -> Path:
    """The predictions file of a run, or the file that is given."""
    if not given.is_dir():
        return given
    file = given / f"predictions-{split}.parquet"
    if not file.is_file():
        raise UsageError(f"{given} has no predictions for {split}: younger-hf evaluate {given} --split {split}")
    return file


def embed(
    level: Annotated[str, typer.Option(help="node (the operators), subgraph or graph.")],
    output: Annotated[Path, typer.Option(help="Directory for LEVEL-embeddings.parquet and .png.")],
    run: Annotated[Path | None, typer.Argument(help="A run's directory. Default: the release's encoder.")] = None,
    release: Annotated[str | None, typer.Option(help="Another release than the run's own.")] = None,
    device: Device = "auto",
) -> None:
    """Write the embeddings that a run has learned.

    They are drawn by t-SNE, as in the paper.
    """
    check_choice("level", level, ("node", "subgraph", "graph"))
    opened = _run_of(run, release)
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.recipes.embed_release import configs_embedded, write_embeddings

    of = _release_of(opened, release)
    check_foreign_release(of, dict.fromkeys(configs_embedded(opened, level)))
    for file in write_embeddings(opened, level, output, of, device):
        typer.echo(f"wrote {file}")


def suggest(
    model: Annotated[Path, typer.Argument(help="An ONNX file; its weights are not read.")],
    run: Annotated[Path | None, typer.Option(help="A run's directory. Default: the release's encoder.")] = None,
    release: Annotated[str | None, typer.Option(help="Whose encoder is asked, without --run.")] = None,
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
    if run is not None and release is not None:
        raise UsageError("--release names whose encoder is asked in the place of a run: leave one of both out")
    check_file(model)
    opened = _run_of(run, release)
    from younger_hf.recipes.suggest import edge_facts, place_facts

    if node is not None:
        facts = place_facts(opened, model, node, top)
        text = _place_text(facts)
    elif edge is not None:
        facts = edge_facts(opened, model, *edge)
        there = "there is one" if facts["there"] else "there is none"
        text = f"{facts['producer']} -> {facts['consumer']}: {facts['probability']:.4f} ({there} in the model)"
    typer.echo(json.dumps(facts, indent=2) if as_json else text)


def _run_of(directory: Path | None, release: str | None) -> Run:
    """A run, or the encoder that a release brings along."""
    from younger_hf.recipes.run import Run
    from younger_hf.release import DEFAULT_SOURCE, open_named

    if directory is not None:
        return Run.open(directory)
    from younger_hf.recipes.pretrained import open_encoder

    return open_encoder(open_named(release or DEFAULT_SOURCE))


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
