"""Text for a terminal: tables, and names that come from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

LONGEST_NAME: Final = 40


def plain(name: str, longest: int = LONGEST_NAME) -> str:
    """A name from anywhere on one line: nothing that a terminal or a picture would act upon, and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def escaped(text: str, longest: int) -> str:
    """Text from anywhere as it is, but for what a terminal would act upon, which is escaped as Python does it."""
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Columns side by side, two spaces between them.

    Args:
        head: the names of the columns.
        rows: a cell for each column.
        text_columns: so many columns, the first ones, stand to the left; the others are numbers and stand to the right.
    """
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
