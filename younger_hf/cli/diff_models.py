"""`younger-hf diff-models`: what two models have in common and what not, by their normal forms.

In go two files, or rows of a release; out comes a table, or a JSON object.
"""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from younger_hf.cli.show import given_model
from younger_hf.text import escaped

if TYPE_CHECKING:
    from younger_hf.recognise import BlockChange, ModelDifference

_WIDTH = 80
_LONGEST_LINE = 20_000
_MOST_SHOWN = 20
_MOST_BLOCKS = 60


def diff_models(
    a: Annotated[
        str, typer.Argument(metavar="A", help="An ONNX file; or the name or the fingerprint of a row of the release.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    release: Annotated[str, typer.Option(help="The release of the rows: a directory or Hub repository.")] = "younger",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two models, by operators and by blocks.

    Blocks are compared where modules are known. Exporters' habits do not show: two exports of one network have all in
    common.
    """
    models = given_model(a, release), given_model(b, release)
    from younger_hf.recognise import diff_models as compare

    difference = compare(*models)
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
    blocks = [*_alike(difference.blocks)]
    if blocks:
        lines.append("by block")
    for alike in blocks[:_MOST_BLOCKS]:
        lines.append(_line(f"  {alike[0].fate}", _block(alike), indent=2 * alike[0].depth))
    if len(blocks) > _MOST_BLOCKS:
        lines.append(_line("", f"and {len(blocks) - _MOST_BLOCKS:,} more: see --json"))
    return "\n".join(lines)


def _alike(blocks: Sequence[BlockChange]) -> Iterator[list[BlockChange]]:
    """Blocks one after the other of which the same is to be said."""
    for _, alike in groupby(blocks, _what):
        yield [*alike]


def _what(block: BlockChange) -> object:
    one_place = block.path if block.fate == "changed" or _place(block) != (block.path or block.by) else None
    return block.fate, block.depth, block.kind, block.num_nodes, one_place


def _block(alike: list[BlockChange]) -> str:
    block = alike[0]
    kind = block.kind.rpartition(".")[2]
    first, second = block.num_nodes
    names = f"{_place(block)} … {_place(alike[-1])}" if len(alike) > 1 else _place(block)
    said = [f"{len(alike):,} blocks"] * (len(alike) > 1) + [kind] * bool(kind and not kind.startswith("#"))
    if block.fate in ("changed", "replaced"):
        said.append(f"{block.num_common:,} of {first:,} and {second:,} operators common")
    else:
        said.append(f"{max(first, second):,} operator{'s' * (max(first, second) > 1)}")
    return f"{names} ({', '.join(said)})"


def _place(block: BlockChange) -> str:
    """Where it is: in the first model and, if that is elsewhere, in the second."""
    if block.path is None or block.by is None or block.path == block.by:
        return block.by or block.path or "the network"
    return f"{block.path} -> {block.by}"


def _line(name: str, value: str, indent: int = 0) -> str:
    indent = min(indent, _WIDTH // 2)
    first, rest = f"{name:<14}{' ' * indent}", " " * (14 + indent)
    return textwrap.fill(escaped(value, _LONGEST_LINE), _WIDTH, initial_indent=first, subsequent_indent=rest)
