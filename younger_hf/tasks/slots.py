"""Slot filling: which output feeds an input slot, of all outputs that stand before it.

A share of each graph's input slots is held out and passes no messages. For each of them, all output slots of earlier
nodes are candidates; a model gives each a score, and what counts is the rank of the true one. Link prediction has pairs
in any order as negatives, which their order alone gives away; here all candidates stand before the consumer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.errors import UsageError
from younger_hf.graph import IntArray
from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.task import Choices, Columns, Task

MOST_SLOTS: Final = 100
"""So many slots of a graph are asked for at most, so that large graphs neither count for more nor need much memory."""


@dataclass(frozen=True)
class SlotChoices(Choices):
    """Which slots are to be filled.

    Attributes:
        held_out: the share of a graph's input slots that pass no messages.
        seed: of the choice.
    """

    held_out: float = 0.2
    seed: int = 12345

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"the seed must be 0 or more, not {self.seed}")
        if not 0 < self.held_out < 1:
            raise UsageError(f"held_out is a share between 0 and 1, not {self.held_out}")


@dataclass(frozen=True, eq=False)
class Slots:
    """What is asked of one graph: Q slots with C candidates in all.

    Attributes:
        is_message: bool [E], the edges that messages pass along.
        consumer: int64 [Q], the nodes that have the slots.
        slot: int64 [Q], the input slots.
        candidate: int64 [2, C], node and output slot, by node, then by slot.
        num_candidates: int64 [Q]: the first so many candidates stand before the consumer.
        answer: int64 [Q], the position of the true one among the candidates.
        other: int64 [O], the positions of what feeds the consumer's other slots, for each slot in turn,
        other_ends: int64 [Q + 1], and where those of a slot begin and end.
    """

    is_message: NDArray[np.bool_]
    consumer: IntArray
    slot: IntArray
    candidate: IntArray
    num_candidates: IntArray
    answer: IntArray
    other: IntArray
    other_ends: IntArray


def hold_out_slots(graph: GraphUnion, held_out: float, generator: np.random.Generator) -> Slots:
    """Choose the slots that pass no messages, and of these, those that are asked for.

    Args:
        graph: one.
        held_out: the share of its input slots that pass no messages, one at least.
        generator: of the choice.
    """
    (producer, consumer), (output_slot, input_slot) = graph.edge_index, graph.edge_slot
    num_edges = len(producer)
    held = generator.permutation(num_edges)[: max(1, round(held_out * num_edges))]
    is_message = np.ones(num_edges, dtype=bool)
    is_message[held] = False
    # An output slot exists where something uses it, and every node has the first.
    width = int(output_slot.max(initial=0)) + 1
    codes = np.unique(np.concatenate((producer * width + output_slot, np.arange(graph.num_nodes) * width)))
    at = np.searchsorted(codes, producer * width + output_slot)
    before = np.searchsorted(codes, consumer * width)
    by_consumer = np.argsort(consumer, kind="stable")
    first = np.searchsorted(consumer[by_consumer], np.arange(graph.num_nodes + 1))

    def others(edge: int) -> IntArray:
        of_consumer = at[by_consumer[first[consumer[edge]] : first[consumer[edge] + 1]]]
        return np.setdiff1d(of_consumer, at[edge])

    asked: list[int] = []
    other: list[IntArray] = []
    for edge in held:
        if len(asked) == MOST_SLOTS:
            break
        found = others(edge)
        if before[edge] - len(found) > 1:  # else the answer is the only candidate
            asked.append(edge)
            other.append(found)
    order = np.lexsort((input_slot[asked], consumer[asked])) if asked else np.empty(0, np.int64)
    edges = np.array(asked, np.int64)[order]
    other = [other[number] for number in order]
    return Slots(
        is_message,
        consumer[edges],
        input_slot[edges],
        np.stack(np.divmod(codes, width)),
        before[edges],
        at[edges],
        np.concatenate([np.empty(0, np.int64), *other]),
        np.cumsum([0, *map(len, other)]),
    )


def evaluation_slots(table: GraphTable, choices: SlotChoices) -> Iterator[tuple[int, GraphUnion, Slots]]:
    """Each graph of a split with what is asked of it: a function of the graph, its fingerprint and the choices."""
    for row, fingerprint in enumerate(table.fingerprints.to_pylist()):
        graph = table.union(np.array([row]))
        if graph.edge_index.shape[1]:
            generator = np.random.default_rng([choices.seed, *fingerprint.encode()])
            yield row, graph, hold_out_slots(graph, choices.held_out, generator)


def unused_candidates(graph: GraphUnion, slots: Slots) -> NDArray[np.bool_]:
    """Which candidates, bool [C], pass no messages."""
    node, output = slots.candidate
    width = int(output.max(initial=0)) + 1
    producer, output_slot = graph.edge_index[0, slots.is_message], graph.edge_slot[0, slots.is_message]
    return ~np.isin(node * width + output, producer * width + output_slot)


def labels_of(row: int, slots: Slots) -> Columns:
    """The labels of one graph."""
    return {
        "row": np.full(len(slots.consumer), row),
        "consumer": slots.consumer,
        "slot": slots.slot,
        "candidates": slots.num_candidates,
        "others": pa.ListArray.from_arrays(slots.other_ends.astype(np.int32), slots.other),
        "y_true": slots.answer,
    }


def derive(table: GraphTable, choices: SlotChoices) -> Iterator[Columns]:
    """The slots that are asked for, how many candidates each has, and which is the true one."""
    for row, _, slots in evaluation_slots(table, choices):
        yield labels_of(row, slots)


def ranks(
    scores: Array, ends: IntArray, y_true: IntArray, other: IntArray, other_ends: IntArray
) -> NDArray[np.float64]:
    """The rank of each true candidate, from 1; one that ties with others stands in the middle of them.

    Args:
        scores: floating point [S], of the candidates of all slots in turn.
        ends: int64 [Q + 1], where those of a slot begin and end.
        y_true: int64 [Q], the position of the true one among the candidates of its slot.
        other: int64 [O], positions of candidates that do not count, since they feed other slots of the consumer,
        other_ends: int64 [Q + 1], and where those of a slot begin and end.
    """
    of = np.repeat(np.arange(len(y_true)), np.diff(ends))
    true = scores[ends[:-1] + y_true][of]
    counts = np.ones(len(scores), dtype=bool)
    counts[np.repeat(ends[:-1], np.diff(other_ends)) + other] = False
    counts[ends[:-1] + y_true] = False
    larger = np.bincount(of[counts & (scores > true)], minlength=len(y_true))
    equal = np.bincount(of[counts & (scores == true)], minlength=len(y_true))
    return np.asarray(1 + larger + equal / 2)


def arrays(table: pa.Table) -> dict[str, NDArray[Any]]:
    """`rank`, float64 [Q], from the scores of a table of predictions."""
    y_pred, others = table["y_pred"].combine_chunks(), table["others"].combine_chunks()
    expected, y_true = (table[name].to_numpy() for name in ("candidates", "y_true"))
    given = y_pred.value_lengths().to_numpy(zero_copy_only=False)
    check_values("y_pred", given, given == expected, "and the slot has another number of candidates")
    scores = y_pred.flatten()
    if scores.null_count or not np.isfinite(scores.to_numpy(zero_copy_only=False)).all():
        raise UsageError("y_pred has a score that is no number")
    within = (y_true >= 0) & (y_true < expected)
    check_values("y_true", y_true, within, "and the slot has fewer candidates")
    other, lengths = others.flatten().to_numpy(), others.value_lengths().to_numpy(zero_copy_only=False)
    check_values("others", other, (other >= 0) & (other < np.repeat(expected, lengths)), "no candidate of the slot")
    return {"rank": ranks(scores.to_numpy(), _ends(given), y_true, other, _ends(lengths))}


def _ends(lengths: IntArray) -> IntArray:
    return np.concatenate(([0], np.cumsum(lengths)))


def score(rank: Array, _: int | None) -> dict[str, float]:
    """Mean reciprocal rank, and the shares of ranks up to 1, 3 and 10."""
    check_kind("rank", rank, "iuf", "integer or floating point, ranks")
    check_values("rank", rank, rank >= 1, "no rank: the first is 1")
    hits = {f"hits{k}": float((rank <= k).mean()) for k in (1, 3, 10)}
    return {"mrr": float((1 / rank).mean()), **hits}


TASK: Final = Task(
    name="slots",
    title="slot filling",
    table="graphs",
    metrics=("mrr", "hits1", "hits3", "hits10"),
    labels=pa.schema(
        [
            ("fingerprint", pa.string()),
            ("consumer", pa.int64()),
            ("slot", pa.int64()),
            ("candidates", pa.int64()),
            ("others", pa.list_(pa.int64())),
            ("y_true", pa.int64()),
        ]
    ),
    prediction=pa.field("y_pred", pa.list_(pa.float32())),
    derive=derive,
    score=score,
    inputs=("rank",),
    arrays=arrays,
    choices=SlotChoices,
    expects="""\
Slot filling: {"rank": rank}, a NumPy array or a torch tensor
- rank: [M], of the output that feeds each held-out input slot, among all outputs of earlier nodes by their scores, from
  1; those that feed other slots of the consumer do not count (`younger_hf.tasks.slots.ranks`)""",
    gives="""\
{"mrr": float, "hits1": float, "hits3": float, "hits10": float}, each from 0 to 1
- mrr: mean of 1 / rank
- hits1, hits3, hits10: share of the slots whose output is among the first 1, 3, 10""",
)
