"""The leaderboard on the page of the release: `Standings`.

In goes a release directory; out come its entries, scored anew as `younger-hf leaderboard` scores them, on a thread
that begins when they are first asked for. An entry that cannot be right is named with its reason, and hides no other.
What scores is imported then: no other page waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from younger_hf.errors import YoungerError
from younger_hf.explore.afterwards import Afterwards
from younger_hf.foreign_release import check_foreign_release
from younger_hf.release import Release
from younger_hf.text import plain

if TYPE_CHECKING:
    from younger_hf.tasks.leaderboard import Entry

MOST_SECONDS: Final = 120.0
"""After so many seconds no further entry is begun."""

_DRAWS: Final = 200
_LONGEST: Final = 300


@dataclass(frozen=True)
class Standing:
    """The entries of one evaluation set.

    Attributes:
        title: task, config, split and choices.
        metrics: their names.
        entries: the best first.
    """

    title: str
    metrics: tuple[str, ...]
    entries: list[Entry]


@dataclass(frozen=True)
class Scored:
    """What is said of all entries.

    Attributes:
        standings: those that could be scored, by evaluation set.
        refused: name and reason of those that could not.
        waiting: names of those for which there was no time.
    """

    standings: list[Standing]
    refused: list[tuple[str, str]]
    waiting: list[str]


class Standings:
    """The leaderboard of a release, scored once.

    Args:
        release: only a directory has entries that are scored here.
        clock: seconds.
    """

    def __init__(self, release: Release, clock: Callable[[], float] = time.monotonic) -> None:
        self._release = release
        self._clock = clock
        self._scored = Afterwards(self._score, "leaderboard")

    @property
    def is_here(self) -> bool:
        """Whether the release is a directory, where entries can be looked at."""
        return isinstance(self._release.source, Path)

    @property
    def has_entries(self) -> bool:
        """Whether there is anything to score."""
        if not self.is_here or not Path(self._release.source, "leaderboard").is_dir():
            return False
        from younger_hf.tasks.leaderboard import entry_files

        return any(entry_files(self._release))

    def scored(self) -> Scored | None:
        """All entries; None while they are scored, which the first call begins."""
        return self._scored()

    def wait(self) -> Scored | None:
        """All entries, when they are scored."""
        self.scored()
        return self._scored.join()

    def _score(self) -> Scored:
        from younger_hf.tasks.leaderboard import TABLES, entry_files, score_entry

        until = self._clock() + MOST_SECONDS
        entries: list[Entry] = []
        refused: list[tuple[str, str]] = []
        waiting: list[str] = []
        claims, alone = entry_files(self._release)
        try:
            check_foreign_release(self._release, dict.fromkeys(TABLES))
        except YoungerError as error:
            return Scored([], [(file.stem, self._said(error)) for file in claims], [])
        for file in claims:
            if self._clock() > until:
                waiting.append(file.stem)
                continue
            try:
                entries.append(score_entry(file, self._release, _DRAWS))
            except YoungerError as error:
                refused.append((file.stem, self._said(error)))
        refused += [(file.stem, "It has no YAML file that says what it is of.") for file in alone]
        groups = groupby(sorted(entries, key=lambda entry: entry.order), lambda entry: entry.setting)
        tables = [(title, list(of)) for title, of in groups]
        standings = [Standing(title, tuple(of[0].metrics), of) for title, of in tables]
        return Scored(standings, refused, waiting)

    def _said(self, error: Exception) -> str:
        """An error without the path of the release."""
        said = str(error).replace(f"{self._release.source}/", "").replace(str(self._release.source), "the release")
        return plain(said, _LONGEST)
