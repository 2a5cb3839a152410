"""What a source is asked, and what it answers: `Query`, `Page`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builders.model_ref import ModelRef


@dataclass(frozen=True)
class Query:
    """What is wanted of a source.

    Attributes:
        source: its name.
        selection: what follows the colon; "" for all that it has.
        cursor: where to go on, as a page said; "" to begin.
        known: whether the configuration of this id and revision is on record already, and need not be fetched.
        work: the directory of the ledger that asks, where files may be kept; None without one.
    """

    source: str
    selection: str = ""
    cursor: str = ""
    known: Callable[[str, str], bool] = lambda *_: False
    work: Path | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The selection's parts, as commas part them."""
        return tuple(term for part in self.selection.split(",") if (term := part.strip()))


@dataclass(frozen=True)
class Page:
    """Some models of a source.

    Attributes:
        models: in the source's own order.
        cursor: where the next page begins; "" where there is none.
    """

    models: tuple[ModelRef, ...]
    cursor: str = ""
