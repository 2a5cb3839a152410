"""How far the models of each source came, as Table 3 of the paper has it for its hubs.

In go the ledger, the rows of config `graphs`, and what is to be left out; out come counts. Models that are left out
were listed, tried and perhaps converted, and are counted so; they are in no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.assemble.merge import Merged
from builders.convert import Outcome
from builders.removals import Removals

if TYPE_CHECKING:
    from builders.ledger import Ledger


@dataclass(frozen=True)
class SourceCounts:
    """The models of one source.

    Attributes:
        source: its name, as in column `source`.
        listed: models that a crawl found.
        tried: those whose conversion was tried, or that of a model which is sure to give the same graph.
        converted: those that gave a graph.
        graphs: rows of `graphs` that have one of them.
        graphs_alone: rows of `graphs` that have no model of another source.
    """

    source: str
    listed: int
    tried: int
    converted: int
    graphs: int
    graphs_alone: int


@dataclass(frozen=True)
class Stages:
    """The models of all sources.

    Attributes:
        sources: by name.
        failures: how many models ended in each other outcome than `ok`, most first.
        conversions: those that the release stands on, one for all models that share an export key.
        removed: models that were converted and are left out, as their owners asked.
    """

    sources: Sequence[SourceCounts]
    failures: Mapping[str, int]
    conversions: int
    removed: int


def count_stages(ledger: Ledger, graphs: Sequence[Merged], removals: Removals) -> Stages:
    """Count the models of each source at every stage."""
    # A model is one whatever path it was found at, and converted if it was for any of the opsets asked for.
    listed = ledger.query(
        "SELECT source, count(DISTINCT json_array(id, revision, component)) FROM models GROUP BY source ORDER BY source"
    )
    ended = ledger.query(
        "SELECT source, id, CASE WHEN max(outcome = 'ok') THEN 'ok' ELSE min(outcome) END FROM results "
        "GROUP BY source, id, revision, component"
    )
    tried, converted, failures, removed = Counter[str](), Counter[str](), Counter[str](), 0
    for source, model_id, outcome in ended:
        tried[source] += 1
        if outcome == Outcome.OK:
            converted[source] += 1
            removed += removals.cover(model_id)
        else:
            failures[outcome] += 1
    conversions = {
        attempt
        for attempt, model_id in ledger.query("SELECT attempt, id FROM results WHERE outcome = 'ok'")
        if not removals.cover(model_id)
    }
    of_rows = [{model.source for model, _ in row.models} for row in graphs]
    rows = Counter(source for sources in of_rows for source in sources)
    alone = Counter(source for sources in of_rows if len(sources) == 1 for source in sources)
    return Stages(
        [SourceCounts(name, count, tried[name], converted[name], rows[name], alone[name]) for name, count in listed],
        dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        len(conversions),
        removed,
    )
