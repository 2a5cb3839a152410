"""Slot filling by rules: the nearest output, the nearest that nothing uses, and what most often feeds such a slot.

Each orders the candidates of a slot; a score is what puts them into that order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.recipes.rules import Rule
from younger_hf.recipes.run import Run
from younger_hf.tasks.evaluation_set import joined
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.slots import Slots, evaluation_slots, labels_of, unused_candidates

_Score = Callable[[Any, GraphUnion, Slots, int], NDArray[np.float64]]
"""Scores [c] of the candidates of a slot, given by its number; those that tie are ordered by nearness."""


def _predict_by(score: _Score, read: Callable[[pa.Table, Run], Any]) -> Callable[..., dict[str, Any]]:
    def predict(counted: pa.Table, table: GraphTable, run: Run) -> dict[str, Any]:
        knows = read(counted, run)
        parts = []
        for row, graph, slots in evaluation_slots(table, run.config.slot_choices):
            ranks = [
                _order(score(knows, graph, slots, number)[: slots.num_candidates[number]])
                for number in range(len(slots.slot))
            ]
            ends = np.cumsum([0, *map(len, ranks)]).astype(np.int32)
            flat = np.concatenate([np.empty(0, np.float32), *ranks])
            parts.append({**labels_of(row, slots), "y_pred": pa.ListArray.from_arrays(ends, flat)})
        return joined(parts, parts[0])

    return predict


def _order(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Minus the place, from 0, by score and then by nearness: the last candidate is the nearest."""
    places = np.empty(len(scores), np.float32)
    places[np.lexsort((np.arange(len(scores)), scores))[::-1]] = -np.arange(len(scores))
    return places


def nearest(_: Any, __: GraphUnion, slots: Slots, ___: int) -> NDArray[np.float64]:
    """All alike: nearness decides."""
    return np.zeros(slots.candidate.shape[1])


def nearest_unused(_: Any, graph: GraphUnion, slots: Slots, __: int) -> NDArray[np.float64]:
    """Outputs that pass no messages come first."""
    return unused_candidates(graph, slots).astype(np.float64)


def fit_feeders(table: GraphTable, _: Run) -> pa.Table:
    """Count what feeds what: `consumer`, `slot`, `producer`, `output`, `count`, of operators and slots."""
    codes = []
    for part in table.parts(1 << 9):
        graphs = table.union(part)
        producer, consumer = graphs.x[graphs.edge_index]
        codes.append(np.stack((consumer, graphs.edge_slot[1], producer, graphs.edge_slot[0])))
    found, count = np.unique(np.concatenate(codes, axis=1), axis=1, return_counts=True)
    columns = dict(zip(("consumer", "slot", "producer", "output"), found, strict=True))
    return pa.table({**columns, "count": count})


def _feeders(counted: pa.Table, _: Run) -> dict[tuple[int, int], tuple[IntArray, IntArray]]:
    """By operator and slot of the consumer: codes of operators and output slots, ascending, and their counts."""
    names = ("consumer", "slot", "producer", "output", "count")
    consumer, slot, producer, output, count = (counted[name].to_numpy() for name in names)
    starts = np.flatnonzero(np.diff(consumer, prepend=-1) | np.diff(slot, prepend=-1))
    code = producer << 32 | output
    ends = [*starts[1:], len(code)]
    return {
        (int(consumer[start]), int(slot[start])): (code[start:end], count[start:end])
        for start, end in zip(starts, ends, strict=True)
    }


def feeders(
    knows: dict[tuple[int, int], tuple[IntArray, IntArray]], graph: GraphUnion, slots: Slots, number: int
) -> NDArray[np.float64]:
    """How often such an output feeds such a slot in train; among those that tie, unused ones come first."""
    unused = unused_candidates(graph, slots).astype(np.float64)
    found = knows.get((int(graph.x[slots.consumer[number]]), int(slots.slot[number])))
    if found is None:
        return unused
    code, count = found
    node, output = slots.candidate
    wanted = graph.x[node] << 32 | output
    at = np.minimum(np.searchsorted(code, wanted), len(code) - 1)
    return np.where(code[at] == wanted, count[at], 0) * 2 + unused


def _nothing(_: GraphTable, __: Run) -> pa.Table:
    return pa.table({"nothing": pa.array([], pa.int64())})


def _no_counts(_: pa.Table, __: Run) -> None:
    return None


NEAREST: Final = Rule(_nothing, _predict_by(nearest, _no_counts))
NEAREST_UNUSED: Final = Rule(_nothing, _predict_by(nearest_unused, _no_counts))
NGRAM: Final = Rule(fit_feeders, _predict_by(feeders, _feeders))
