"""`younger-hf measure` and `import-results`: what architectures take, and what others say that they reach.

Both write into a work directory; the next `younger-hf build` there puts it into the release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Release = Annotated[str, typer.Option(help="A release directory or Hub repository.")]
Work = Annotated[Path, typer.Option(help="Where results are kept: the directory of the ledger of a build.")]


def measure(
    work: Work,
    release: Release = "younger",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Of the runtime.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many models now.")] = None,
    passes: Annotated[int, typer.Option(help="Forward passes that are timed at most.")] = 30,
    seconds: Annotated[float, typer.Option(help="That timing one model may take, three passes at the least.")] = 5,
    timeout: Annotated[float, typer.Option(help="Time limit of one model, in seconds.")] = 120,
    memory: Annotated[float, typer.Option(help="Memory limit of one model, in GiB.")] = 8,
) -> None:
    """Measure how long the architectures of a release take.

    Their skeletons run in ONNX Runtime with random parameters, one at a time, each in a process with limits. What is
    measured is not measured again. The next build in the same directory makes it config measurements of the release.
    """
    from builders.results.measurements import Limits
    from builders.results.measurements import measure as run
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_named

    limits = Limits(passes, seconds, timeout, int(memory * 2**30))
    opened = open_named(release)
    check_foreign_release(opened, {"graphs": ("fingerprint",), "skeletons": None})
    ended = run(opened, work, device=device, threads=threads, limit=limit, limits=limits)
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in ended.most_common()) or "nothing was left to measure"
    typer.echo(f"{work / 'measurements.parquet'}: {said}")


def import_results(
    table: Annotated[str, typer.Argument(help="A CSV file as timm publishes its results, or a link to one.")],
    work: Work,
    release: Release = "younger",
    dataset: Annotated[str, typer.Option(help="What accuracies are on, e.g. imagenet-1k.")] = "",
    split: Annotated[str, typer.Option(help="That of the dataset, e.g. validation.")] = "",
    device: Annotated[str, typer.Option(help="What speeds are on, e.g. rtx3090-amp.")] = "",
) -> None:
    """Take published figures of the models of a release.

    The next build in the same directory makes them config evaluations of the release.
    """
    from builders.results.tables import import_table
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_named

    opened = open_named(release)
    check_foreign_release(opened, {"graphs": ("fingerprint", "models")})
    found = import_table(table, opened, work, dataset=dataset, split=split, device=device)
    typer.echo(f"{found.rows:,} figures of {found.models:,} models; {found.unknown:,} models are not in {opened.name}")
