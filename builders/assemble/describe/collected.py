"""How far the models of each source came, as Table 3 of the paper has it for its hubs.

In go the ledger, what the rows of config `graphs` show, and what is to be left out; out come counts. Models that are
left out were listed, tried and perhaps converted, and are counted so; they are in no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from builders.assemble.describe.counted import Counted
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
class Collected:
    """What was collected from all sources.

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


def count_collected(ledger: Ledger, counted: Counted, removals: Removals) -> Collected:
    """Count the models of each source from the crawl to the release."""
    tried, converted, failures, removed = Counter[str](), Counter[str](), Counter[str](), 0
    for model in ledger.model_endings():
        tried[model.source] += 1
        if model.outcome is Outcome.OK:
            converted[model.source] += 1
            removed += removals.cover(model.id)
        else:
            failures[model.outcome] += 1
    attempts = (attempt for attempt, model_id in ledger.conversions() if not removals.cover(model_id))
    conversions = np.unique(np.fromiter(attempts, np.int64))
    return Collected(
        [
            SourceCounts(name, count, tried[name], converted[name], counted.graphs_of[name], counted.graphs_alone[name])
            for name, count in ledger.count_listed().items()
        ],
        dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        len(conversions),
        removed,
    )
