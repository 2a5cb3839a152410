"""`younger-hf diff-models`: what two ONNX files have in common and what not, by their normal forms.

In go two files; out comes a table, or a JSON object.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from younger_hf.given_paths import check_file
from younger_hf.text import escaped

if TYPE_CHECKING:
    from younger_hf.recognise import ModelDifference

_WIDTH = 80
_LONGEST_LINE = 20_000
_MOST_SHOWN = 20


def diff_models(
    a: Annotated[Path, typer.Argument(metavar="A", help="An ONNX file; weights are not read.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two ONNX files, operator by operator.

    Exporters' habits do not show: two exports of one network have all in common.
    """
    check_file(a)
    check_file(b)
    from younger_hf.recognise import diff_models as compare

    difference = compare(a, b)
    typer.echo(json.dumps(asdict(difference), indent=2) if as_json else _table(difference))


def _table(difference: ModelDifference) -> str:
    first, second = difference.num_nodes
    lines = [_line("common", f"{difference.num_common:,} operators of {first:,} and {second:,}")]
    if difference.same:
        return _line("same network", "yes, whatever exported each") + "\n" + lines[0]
    lines.insert(0, _line("same network", "no"))
    for title in ("replaced", "removed", "added"):
        counts: Counter[str] = Counter()
        for change in getattr(difference, title):
            counts[str(change)] += change.count
        lines += [_line(title, f"{count:,} {name}") for name, count in counts.most_common(_MOST_SHOWN)]
        if len(counts) > _MOST_SHOWN:
            lines.append(_line(title, f"and {len(counts) - _MOST_SHOWN:,} more kinds: see --json"))
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return textwrap.fill(
        escaped(value, _LONGEST_LINE), _WIDTH, initial_indent=f"{name:<14}", subsequent_indent=" " * 14
    )
