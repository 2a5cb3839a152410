"""The `younger-hf` command: it parses, calls and prints; the work is done elsewhere.

The pipeline (`builders`) is imported inside the commands that need it, so that the others start quickly and work
without its extra.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from younger_hf.choices import check_choice
from younger_hf.cli.runs import embed, evaluate, suggest
from younger_hf.cli.train import train
from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.text import escaped

if TYPE_CHECKING:
    from builders.convert import Outcome

_FAILURES_SHOWN = 20
_LONGEST_FAILURE = 1000  # characters
_LONGEST_LINE = 20_000
_TRAINING_PACKAGES = ("torch", "torch_geometric", "safetensors")
_INTERRUPTED = 130  # as shells have it: 128 and the signal's number

app = typer.Typer(
    name="younger-hf",
    help="Younger: a dataset of real neural-network architectures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Read by `main`, which sees it before any command runs."""


@app.command()
def crawl(
    source: Annotated[str, typer.Argument(help="A source, as for build.")],
    work: Annotated[Path, typer.Option(help="Directory of the ledger; resumes an interrupted crawl.")],
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", help="Same as after the source's colon, e.g. library=timm; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many models.")] = None,
) -> None:
    """List the models of a source in the ledger, without fetching weights or converting."""
    from builders.ledger import Ledger
    from builders.pipeline import crawl as run

    name, _, selection = source.partition(":")
    terms = ",".join([*([selection] if selection else []), *(filters or [])])
    with Ledger(work) as ledger:
        listed = run(ledger, f"{name}:{terms}" if terms or ":" in source else name, limit=limit)
    typer.echo(f"{listed:,} models of {source}; convert them with: younger-hf build --work {work}")


@app.command()
def build(
    work: Annotated[Path, typer.Option(help="Directory of the ledger; models in it are not converted again.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:SELECTION, e.g. torchvision:resnet18; repeatable. Default: what was crawled."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Directory of the release; replaced as a whole.")] = Path("younger"),
    previous: Annotated[
        str | None,
        typer.Option(help="The previous release, a directory or Hub repository; keeps its ids, splits and removals."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Conversions to run in parallel.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of models from each source.")] = None,
    opset: Annotated[str, typer.Option(help="Opsets to export for, e.g. 17,20. Default: the exporter's own.")] = "",
    retry: Annotated[
        list[str] | None, typer.Option(help="Retry conversions with this outcome, e.g. timeout; repeatable.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Time limit of a conversion, in seconds.")] = 600,
    memory: Annotated[float, typer.Option(min=0.1, help="Memory limit of a conversion, in GiB.")] = 8,
    allow_unisolated_code: Annotated[
        bool,
        typer.Option("--allow-unisolated-code", help="Run pytorch-hub code even where this system cannot isolate it."),
    ] = False,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Allow rows of --previous to go that no removal asked for.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 1234,
) -> None:
    """Crawl sources, convert what they list, and assemble a release from everything in the ledger."""
    from builders.ledger import Ledger
    from builders.pipeline import build as run

    report = run(
        source or (),
        output,
        work,
        jobs=jobs,
        limit=limit,
        timeout=timeout,
        memory_limit=int(memory * 2**30),
        opsets=_opsets(opset),
        retry=[_outcome(name) for name in retry or ()],
        seed=seed,
        previous=previous,
        allow_unisolated_code=allow_unisolated_code,
        allow_removals=allow_removals,
    )
    typer.echo(report)
    with Ledger(work, read_only=True) as ledger:
        failures = list(ledger.failures())
    if failures:
        typer.echo(f"{len(failures):,} models were not converted:", err=True)
    for model, outcome, message in failures[:_FAILURES_SHOWN]:
        typer.echo(escaped(f"  {model.source} {model.id}: {outcome}, {message}", _LONGEST_FAILURE), err=True)
    if len(failures) > _FAILURES_SHOWN:
        typer.echo(f"  and {len(failures) - _FAILURES_SHOWN:,} more: see younger-hf status --work {work}", err=True)


@app.command()
def status(
    release: Annotated[
        str | None, typer.Argument(help="A release directory or Hub repository: how it was made.")
    ] = None,
    work: Annotated[Path | None, typer.Option(help="Directory of a ledger; a build may be running there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how far a build has come, or how a release was made.

    Models and outcomes by source, the slowest and the largest.
    """
    if (release is None) == (work is None):
        raise UsageError("status takes a release, or the ledger of a build: --work DIRECTORY")
    from builders.ledger import Ledger
    from builders.status import summarize, summarize_release

    if work is None:
        from younger_hf.release import open_release

        summary = summarize_release(open_release(str(release)))
    else:
        with Ledger(work, read_only=True) as ledger:
            summary = summarize(ledger)
    typer.echo(summary.to_json() if as_json else str(summary))


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="An ONNX file; its weights are not read.")],
    release: Annotated[str | None, typer.Option(help="A release directory or Hub repository to search.")] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="graph-embeddings.parquet from younger-hf embed; lists the nearest architectures."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Identify the architecture in an ONNX file, and look it up in a release."""
    facts = _facts(model, release)
    if embeddings is not None:
        from younger_hf.recipes.embedding_files import nearest

        facts["nearest"] = nearest(model, embeddings)
    typer.echo(json.dumps(facts, indent=2) if as_json else _table(facts))


@app.command()
def stats(
    source: Annotated[str, typer.Argument(help="A release directory or Hub repository.")] = "younger",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
    output: Annotated[Path | None, typer.Option(help="Directory for statistics.json and figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Summarise a release: sizes, operators, tasks, families, sources, licences."""
    from younger_hf.statistics import count_release
    from younger_hf.statistics_report import to_json, to_text, write

    statistics = count_release(source, revision)
    typer.echo(to_json(statistics) if as_json else to_text(statistics), nl=not as_json)
    if output is not None:
        figures = {}
        try:
            from younger_hf.plots.figures import draw_all

            figures = draw_all(statistics)
        except ModuleNotFoundError as error:
            typer.echo(f"younger-hf: no figures: {MissingExtraError(str(error.name), 'plots')}", err=True)
        for path in write(statistics, output, figures):
            typer.echo(f"wrote {path}", err=True)


@app.command()
def publish(
    directory: Annotated[Path, typer.Argument(help="The release directory.")],
    repo_id: Annotated[str, typer.Option(help="ORG/NAME of a dataset repository; created if missing.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    tag: Annotated[str | None, typer.Option(help="Tag of the commit, e.g. v1.0.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, without changing it.")] = False,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Allow published rows to go that no removal asked for.")
    ] = False,
) -> None:
    """Publish a release to the Hugging Face Hub in one commit, uploading only changed files."""
    from builders.publish import publish as run

    done = run(
        directory,
        repo_id,
        private=private,
        tag=tag,
        create_pr=create_pr,
        dry_run=dry_run,
        allow_removals=allow_removals,
        show=typer.echo,
    )
    if done.commit:
        what = "nothing had changed" if done.plan.is_empty else "published"
        typer.echo(f"{what}: {done.url}, commit {done.commit}{f', tag {tag}' if tag else ''}")


@app.command()
def contribute(
    model: Annotated[str, typer.Argument(help="An ONNX file, or a model on the Hugging Face Hub: ORG/NAME.")],
    repo_id: Annotated[str, typer.Option(help="ORG/NAME of the dataset repository to contribute to.")],
    name: Annotated[str, typer.Option("--id", help="Id of the model in a file: ORG/NAME.")] = "",
    license_id: Annotated[str, typer.Option("--license", help="Its licence, if the source does not state one.")] = "",
    task: Annotated[str, typer.Option(help="Its task, e.g. image-classification.")] = "",
    family: Annotated[str, typer.Option(help="Its family of architectures, e.g. resnet.")] = "",
    component: Annotated[str, typer.Option(help="Which model of a repository that has several, e.g. unet.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be proposed, without proposing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer yes to all questions.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Time limit of the conversion, in seconds.")] = 600,
    memory: Annotated[float, typer.Option(min=0.1, help="Memory limit of the conversion, in GiB.")] = 8,
) -> None:
    """Contribute a model to a dataset on the Hub: strip it here, show the result, open a pull request."""
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError("no terminal to ask for confirmation: use --yes, or --dry-run to see what would be proposed")
    from builders.contribute import Provenance
    from builders.contribute import contribute as run

    done = run(
        model,
        repo_id,
        Provenance(name, component, license_id, task, family),
        dry_run=dry_run,
        timeout=timeout,
        memory_limit=int(memory * 2**30),
        show=typer.echo,
        confirm=lambda: yes or typer.confirm("Open a pull request?"),
    )
    if done.url and done.is_new:
        typer.echo(f"opened: {done.url}")


@app.command()
def diff(
    old: Annotated[
        str, typer.Argument(help="A release directory, or a Hub repository: ORG/NAME or ORG/NAME@REVISION.")
    ],
    new: Annotated[str, typer.Argument(help="The newer release, given the same way.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with every key.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Compare keys of rows only, not their contents.")] = False,
) -> None:
    """Show what a release adds, removes and changes. Exits with 1 if an operator id changed its meaning."""
    from younger_hf.release import open_named
    from younger_hf.release_diff import compare_releases

    found = compare_releases(open_named(old), open_named(new), contents=not keys)
    typer.echo(found.to_json() if as_json else str(found))
    if found.is_broken:
        raise typer.Exit(1)


def _outcome(name: str) -> Outcome:
    from builders.convert import Outcome

    check_choice("outcome", name, map(str, Outcome))
    return Outcome(name)


def _opsets(text: str) -> tuple[int, ...]:
    try:
        opsets = tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise UsageError(f"--opset takes comma-separated numbers, such as 17,20, not {text!r}") from None
    return opsets or (0,)


def _facts(model: Path, release: str | None) -> dict[str, Any]:
    from younger_hf.extract import extract
    from younger_hf.identity import fingerprint, wl_hash

    graph = extract(model)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint(graph),
        "type_fingerprint": fingerprint(graph, attributes=False),
        "wl_hash": wl_hash(graph),
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "num_parameters": graph.metadata.num_parameters,
        "opset": graph.metadata.opset,
        "operators": graph.operator_counts(),
        "in_release": None,
        "name": None,
    }
    if release is not None:
        from younger_hf.release import open_release

        rows = open_release(release).find("graphs", facts["fingerprint"], ["name"])
        facts |= {"in_release": bool(rows), "name": rows[0]["name"] if rows else None}
    return facts


def _table(facts: dict[str, Any]) -> str:
    found = {None: "", True: f"yes, as {facts['name']}", False: "no"}[facts["in_release"]]
    operators = "  ".join(f"{name}×{count}" for name, count in facts["operators"].items())
    lines = {
        "fingerprint": facts["fingerprint"],
        "type_fingerprint": facts["type_fingerprint"],
        "wl_hash": facts["wl_hash"],
        "nodes": f"{facts['num_nodes']:,}",
        "edges": f"{facts['num_edges']:,}",
        "parameters": f"{facts['num_parameters']:,}",
        "opset": facts["opset"],
        "operators": operators,
        **({"in release": found} if found else {}),
        **{
            f"nearest {rank}": f"{each['name']} ({each['family'] or 'no family'}, {each['similarity']:.3f})"
            for rank, each in enumerate(facts.get("nearest", ()), 1)
        },
    }
    width = max(map(len, lines))
    return "\n".join(escaped(f"{name:<{width}}  {value}", _LONGEST_LINE) for name, value in lines.items())


app.add_typer(train)
for _command in (evaluate, embed, suggest):
    app.command()(_command)


def main() -> None:
    """Run the command; a YoungerError becomes one sentence and its exit code, a traceback with --debug."""
    debug = "--debug" in sys.argv
    try:
        app()
    except YoungerError as error:
        if debug:
            raise
        typer.echo(f"younger-hf: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if debug or error.name is None or error.name.split(".")[0] in ("builders", "younger_hf"):
            raise
        extra = "train" if error.name.split(".")[0] in _TRAINING_PACKAGES else "build"
        typer.echo(f"younger-hf: {MissingExtraError(error.name, extra)}", err=True)
        sys.exit(MissingExtraError.exit_code)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's answer to Ctrl-C, and all that it says
            typer.echo("younger-hf: interrupted; finished work is kept", err=True)
        raise
