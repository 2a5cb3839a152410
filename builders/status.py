"""How far a build is: what a ledger holds, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory
from typing import Final

from builders.ledger import Attempt, Crawl, Ending, Ledger
from builders.restore import read_entries
from younger_hf.release import Release
from younger_hf.text import plain, table

_EXTREMES: Final = 5


@dataclass(frozen=True)
class Status:
    """What a ledger holds.

    Attributes:
        crawls: sorted by source.
        endings: sorted by source and outcome.
        slowest: attempts, the slowest first.
        largest: attempts, that with the largest peak memory first.
    """

    crawls: tuple[Crawl, ...]
    endings: tuple[Ending, ...]
    slowest: tuple[Attempt, ...]
    largest: tuple[Attempt, ...]

    def to_json(self) -> str:
        """As ASCII JSON; seconds, and bytes."""
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        """As tables for a terminal."""
        crawls = [
            (plain(crawl.source), f"{crawl.models:,}", "yes" if crawl.finished else "no") for crawl in self.crawls
        ]
        endings = [
            (
                *(plain(ending.source), ending.outcome, f"{ending.models:,}", f"{ending.conversions:,}"),
                *(_seconds(ending.seconds), _mebibytes(ending.bytes_fetched), _mebibytes(ending.peak_memory)),
            )
            for ending in self.endings
        ]
        head = ("source", "outcome", "models", "conversions", "seconds", "fetched MiB", "peak MiB")
        parts = [table(("crawl", "models", "finished"), crawls)] if crawls else []
        parts.append(table(head, endings, text_columns=2))
        for name, attempts in (("slowest", self.slowest), ("largest", self.largest)):
            rows = [
                (
                    plain(" ".join(filter(None, (one.source, one.id, one.component))), 60),
                    *(one.exporter, one.outcome, _seconds(one.seconds)),
                    *(_mebibytes(one.bytes_fetched), _mebibytes(one.peak_memory)),
                )
                for one in attempts
            ]
            parts.append(table((name, "exporter", "outcome", *head[4:]), rows, text_columns=3))
        return "\n\n".join(parts)


def summarize(ledger: Ledger) -> Status:
    """What a ledger holds."""
    return Status(
        tuple(ledger.crawls()),
        tuple(ledger.endings()),
        slowest=tuple(ledger.largest_attempts("seconds", _EXTREMES)),
        largest=tuple(ledger.largest_attempts("peak_memory", _EXTREMES)),
    )


def summarize_release(release: Release) -> Status:
    """What the ledger of a release held, as far as its config `conversions` says.

    Raises:
        ReleaseError: the release has no such config, or it cannot be read.
    """
    with TemporaryDirectory(prefix="younger-status-") as directory, Ledger(directory) as ledger:
        ledger.restore(entry for entry, _ in read_entries(release))
        return summarize(ledger)


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _mebibytes(value: int) -> str:
    return f"{value / (1 << 20):,.1f}"
