"""`younger-hf leaderboard`: every entry of a release, scored anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from younger_hf.text import plain, table

if TYPE_CHECKING:
    from younger_hf.tasks.leaderboard import Entry

_LONGEST = 60


def leaderboard(
    release: Annotated[str, typer.Argument(help="A release directory with entries in leaderboard/.")] = "younger",
    draws: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws of families for the intervals; 0 gives none.")
    ] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score the entries of a leaderboard, and print the table.

    An entry is NAME.yaml and NAME.parquet in leaderboard/. An entry that cannot be right ends the command.
    """
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_release
    from younger_hf.tasks.leaderboard import TABLES, score_entries

    opened = open_release(release)
    check_foreign_release(opened, dict.fromkeys(name for name in opened.configs if name in TABLES))
    entries = score_entries(opened, draws)
    if as_json:
        typer.echo(json.dumps([{**asdict(each), "of": each.of.to_dict()} for each in entries], indent=2))
        return
    for number, (setting, group) in enumerate(groupby(entries, lambda entry: entry.setting)):
        typer.echo(f"{chr(10) if number else ''}{setting}")
        rows = list(group)
        names = list(rows[0].metrics)
        typer.echo(
            table(("model", "parameters", "seed", *names, "code", "license"), [_row(each, names) for each in rows], 1)
        )


def _row(entry: Entry, names: list[str]) -> tuple[str, ...]:
    claim = entry.claim
    texts = [plain(text, _LONGEST) for text in (claim.model, claim.code, claim.license)]
    metrics = [_metric(entry, name) for name in names]
    return (texts[0], f"{claim.parameters:,}", str(claim.seed), *metrics, *texts[1:])


def _metric(entry: Entry, name: str) -> str:
    value: Any = entry.metrics.get(name)
    if value is None:
        return ""
    interval = entry.intervals.get(name)
    return f"{value:.4f} ({interval[0]:.3f} to {interval[1]:.3f})" if interval else f"{value:.4f}"
