"""How far a build is: what a ledger holds, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from builders.ledger import Ledger
from younger_hf.text import plain, table

_EXTREMES: Final = 5


@dataclass(frozen=True)
class Crawl:
    """A source specification, and how many models its crawl has listed so far."""

    source: str
    models: int
    finished: bool


@dataclass(frozen=True)
class Ending:
    """What ended alike, of one source.

    Attributes:
        source: of the models.
        outcome: of their conversions; `untried` where there was none.
        models: how many.
        conversions: how many these took, since models with one export key share theirs.
        seconds: of all these conversions together.
        bytes_fetched: of all these conversions together.
        peak_memory: resident bytes of the largest of them.
    """

    source: str
    outcome: str
    models: int
    conversions: int
    seconds: float
    bytes_fetched: int
    peak_memory: int


@dataclass(frozen=True)
class Attempt:
    """An attempt at a conversion that stands out."""

    source: str
    id: str
    component: str
    exporter: str
    outcome: str
    message: str
    seconds: float
    bytes_fetched: int
    peak_memory: int


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
        parts = [table(("crawl", "models", "finished"), crawls), table(head, endings, text_columns=2)]
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
    crawls = ledger.query(
        "SELECT spec, (SELECT count(*) FROM listings WHERE crawl = crawls.crawl), finished FROM crawls ORDER BY spec"
    )
    endings = ledger.query(
        "SELECT source, outcome, sum(models), count(*), sum(seconds), sum(bytes_fetched), max(peak_memory) FROM ("
        "SELECT source, outcome, count(*) AS models, seconds, bytes_fetched, peak_memory "
        "FROM results GROUP BY source, outcome, attempt"
        ") GROUP BY source, outcome UNION ALL "
        "SELECT source, 'untried', count(*), 0, 0.0, 0, 0 FROM models "
        "WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.export_key = models.export_key) GROUP BY source "
        "ORDER BY source, outcome"
    )
    attempts = (
        "SELECT source, id, component, exporter, outcome, message, seconds, bytes_fetched, peak_memory "
        "FROM attempts JOIN models ON model = tried "
    )
    return Status(
        tuple(Crawl(spec, models, bool(finished)) for spec, models, finished in crawls),
        tuple(Ending(*row) for row in endings),
        *(
            tuple(
                Attempt(*row)
                for row in ledger.query(f"{attempts} ORDER BY {order} DESC, attempt LIMIT ?", (_EXTREMES,))
            )
            for order in ("seconds", "peak_memory")
        ),
    )


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _mebibytes(value: int) -> str:
    return f"{value / (1 << 20):,.1f}"
