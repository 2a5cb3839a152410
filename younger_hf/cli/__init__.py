"""The `younger-hf` command: it parses, calls and prints; the work is done elsewhere.

The pipeline (`builders`) is imported inside the commands that need it, so that the others start quickly and work
without its extra.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from younger_hf import __version__
from younger_hf.choices import check_choice
from younger_hf.cli.diff_models import diff_models
from younger_hf.cli.draw import draw
from younger_hf.cli.explore import explore
from younger_hf.cli.generate import complete, generate
from younger_hf.cli.inspect import inspect
from younger_hf.cli.leaderboard import leaderboard
from younger_hf.cli.results import import_results, measure
from younger_hf.cli.runs import compare, embed, evaluate, suggest
from younger_hf.cli.show import show
from younger_hf.cli.train import Commands, train
from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.text import escaped

if TYPE_CHECKING:
    from builders.convert import Outcome

_FAILURES_SHOWN = 20
_LONGEST_FAILURE = 1000  # characters
_TRAINING_PACKAGES = ("torch", "torch_geometric", "safetensors")
_INTERRUPTED = 130  # as shells have it: 128 and the signal's number

app = typer.Typer(
    name="younger-hf",
    cls=Commands,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"younger-hf {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Younger: a dataset of real neural-network architectures."""


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
    """List the models of a source in the ledger.

    No weights are fetched, and nothing is converted.
    """
    name, _, selection = source.partition(":")
    terms = ",".join([*([selection] if selection else []), *(filters or [])])
    spec = f"{name}:{terms}" if terms or ":" in source else name
    _check_source(spec)
    from builders.ledger import Ledger
    from builders.pipeline import crawl as run

    with Ledger(work) as ledger:
        listed = run(ledger, spec, limit=limit)
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
    trust_previous: Annotated[
        bool,
        typer.Option(
            "--trust-previous", help="Take skeletons and measurements of --previous as they are: for your own release."
        ),
    ] = False,
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
    executor: Annotated[str, typer.Option(help="Where conversions run: local, or ray for a cluster.")] = "local",
    address: Annotated[
        str, typer.Option(help="The Ray cluster: auto, HOST:PORT, or local, which starts one of --jobs processors.")
    ] = "local",
    store: Annotated[
        str | None, typer.Option(help="URL where workers keep results until they are in the ledger: file:// or s3://.")
    ] = None,
) -> None:
    """Crawl, convert, and assemble a release from the ledger."""
    check_choice("executor", executor, ("local", "ray"))
    if trust_previous and previous is None:
        raise UsageError("--trust-previous needs --previous: which release is to be trusted?")
    for spec in source or ():
        _check_source(spec)
    versions, outcomes = _opsets(opset), [_outcome(name) for name in retry or ()]
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
        opsets=versions,
        retry=outcomes,
        seed=seed,
        previous=previous,
        allow_unisolated_code=allow_unisolated_code,
        allow_removals=allow_removals,
        address=address if executor == "ray" else None,
        store=store,
        trust_previous=trust_previous,
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
        from younger_hf.foreign_release import check_foreign_release
        from younger_hf.release import open_release

        opened = open_release(str(release))
        check_foreign_release(opened, dict.fromkeys(("conversions", "skeletons")))
        summary = summarize_release(opened)
    else:
        with Ledger(work, read_only=True) as ledger:
            summary = summarize(ledger)
    typer.echo(summary.to_json() if as_json else str(summary))


@app.command()
def stats(
    source: Annotated[str, typer.Argument(help="A release directory or Hub repository.")] = "younger",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")] = None,
    output: Annotated[Path | None, typer.Option(help="Directory for statistics.json and figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Summarise a release.

    Sizes, operators, tasks, families, sources, licences.
    """
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_release
    from younger_hf.statistics import columns_counted, count_release
    from younger_hf.statistics_report import to_json, to_text, write

    release = open_release(source, revision)
    check_foreign_release(release, columns_counted(release))
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
def audit(
    release: Annotated[Path, typer.Argument(help="The release directory.")] = Path("younger"),
    runs: Annotated[int, typer.Option("--run", min=0, help="Skeletons to run with random parameters.")] = 200,
    again: Annotated[int, typer.Option("--convert", min=0, help="Models to convert once more.")] = 50,
    jobs: Annotated[int, typer.Option(min=1, help="Processes to use.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
) -> None:
    """Try what a release promises, and say so in its card.

    All skeletons are read again; some are run, and some models converted once more.
    """
    from builders.audit import audit as run
    from builders.audit import write_into_card
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_release

    opened = open_release(release)
    check_foreign_release(opened)
    found = run(opened, runs=runs, conversions=again, seed=seed, jobs=jobs)
    typer.echo(found)
    write_into_card(release, found)


@app.command()
def publish(
    repo_id: Annotated[str, typer.Option(help="ORG/NAME of a dataset repository; created if missing.")],
    directory: Annotated[
        Path | None, typer.Argument(help="The release directory; with --space it may be left out.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="ORG/NAME of a Space that gets the explorer of --repo-id; created if missing.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    tag: Annotated[str | None, typer.Option(help="Tag of the commit, e.g. v1.0.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, without changing it.")] = False,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Allow published rows to go that no removal asked for.")
    ] = False,
) -> None:
    """Publish a release to the Hugging Face Hub in one commit.

    Only changed files are uploaded. What rows it adds, changes and removes is shown before.
    """
    if directory is None and space is None:
        raise UsageError("publish takes a release directory, or --space, or both")
    if directory is None and (tag or create_pr or dry_run or allow_removals):
        raise UsageError("--tag, --create-pr, --dry-run and --allow-removals are about a release: name its directory")
    from builders.publish import publish as run

    if directory is None:
        _publish_space(str(space), repo_id, private)
        return

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
    if space is not None and not dry_run:
        _publish_space(space, repo_id, private)


@app.command()
def contribute(
    model: Annotated[str, typer.Argument(help="An ONNX file, or a model on the Hugging Face Hub: ORG/NAME.")],
    repo_id: Annotated[str, typer.Option(help="ORG/NAME of the dataset repository to contribute to.")],
    name: Annotated[str, typer.Option("--id", help="Id of the model in a file: ORG/NAME.")] = "",
    license_id: Annotated[
        str, typer.Option("--license", help="Its licence, if the source states none: the Hub's identifier or SPDX.")
    ] = "",
    task: Annotated[str, typer.Option(help="Its task as the Hub names it, e.g. image-classification.")] = "",
    family: Annotated[str, typer.Option(help="Its family of architectures, e.g. resnet.")] = "",
    component: Annotated[str, typer.Option(help="Which model of a repository that has several, e.g. unet.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be proposed, without proposing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Answer yes to all questions.")] = False,
    another_export: Annotated[
        bool,
        typer.Option("--yes-another-export", help="Propose it though a row is the same network by another exporter."),
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Time limit of the conversion, in seconds.")] = 600,
    memory: Annotated[float, typer.Option(min=0.1, help="Memory limit of the conversion, in GiB.")] = 8,
) -> None:
    """Contribute a model to a dataset on the Hub.

    It is stripped here and the result shown; then a pull request is opened.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError("no terminal to ask for confirmation: use --yes, or --dry-run to see what would be proposed")
    from builders.hub_terms import check_license, check_task

    license_id, task = check_license(license_id), check_task(task)
    from builders.contribute import Provenance
    from builders.contribute import contribute as run

    done = run(
        model,
        repo_id,
        Provenance(name, component, license_id, task, family),
        dry_run=dry_run,
        timeout=timeout,
        memory_limit=int(memory * 2**30),
        another_export=another_export,
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
    """Show what a release adds, removes and changes.

    Exits with 1 if an operator id changed its meaning.
    """
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_named
    from younger_hf.release_diff import compare_releases

    releases = open_named(old), open_named(new)
    for release in releases:
        check_foreign_release(release)
    found = compare_releases(*releases, contents=not keys)
    typer.echo(found.to_json() if as_json else str(found))
    if found.is_broken:
        raise typer.Exit(1)


def _publish_space(space: str, repo_id: str, private: bool) -> None:
    from builders.publish import publish_space

    done = publish_space(space, repo_id, private=private)
    typer.echo(f"{'published' if done.changed else 'nothing had changed'}: {done.url}")


def _check_source(spec: str) -> None:
    from builders.crawl import check_spec

    check_spec(spec)


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


app.add_typer(train)
for _command in (inspect, diff_models, show, draw, evaluate, compare, leaderboard, embed, suggest, generate, complete):
    app.command()(_command)
app.command()(explore)
app.command()(measure)
app.command("import-results")(import_results)


def main() -> None:
    """Run the command; a YoungerError becomes one sentence and its exit code, a traceback with --debug."""
    debug = "--debug" in sys.argv
    if not (debug or sys.warnoptions):
        # What libraries say to those who program with them.
        for category in (FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
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
