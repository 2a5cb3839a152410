"""Slot filling: what is held out, who the candidates are, and how a true one ranks among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from younger_hf import Evaluator, load
from younger_hf.errors import UsageError
from younger_hf.release import open_release
from younger_hf.tasks import slots as slot_filling
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.predictions import Predictions, PredictionsError, check_labels
from younger_hf.tasks.slots import hold_out_slots, ranks, unused_candidates


def chain(num_nodes: int) -> GraphUnion:
    """Each node feeds the next by its first output, and the one after that by its second."""
    first = np.arange(num_nodes - 1)
    second = np.arange(num_nodes - 2)
    edges = np.stack((np.concatenate((first, second)), np.concatenate((first + 1, second + 2))))
    slots = np.stack((np.repeat([0, 1], (len(first), len(second))),) * 2)
    return GraphUnion(np.full(num_nodes, 2), edges, slots, np.array([0, num_nodes]), np.array([], np.int64))


@pytest.mark.parametrize("seed", range(3))
def test_the_answer_is_the_edge_that_was_held_out_and_all_earlier_outputs_are_candidates(seed):
    graph = chain(30)
    slots = hold_out_slots(graph, 0.3, np.random.default_rng(seed))
    assert (~slots.is_message).sum() == round(0.3 * graph.edge_index.shape[1])
    held = {
        (*graph.edge_index[:, edge].tolist(), *graph.edge_slot[:, edge].tolist())
        for edge in np.flatnonzero(~slots.is_message)
    }
    # The last node has no second output, nor has the one before: nothing uses them.
    everything = [(node, slot) for node in range(30) for slot in range(2 if node < 28 else 1)]
    assert list(map(tuple, slots.candidate.T.tolist())) == everything
    for number, (consumer, slot) in enumerate(zip(slots.consumer, slots.slot, strict=True)):
        earlier = [each for each in everything if each[0] < consumer]
        assert slots.num_candidates[number] == len(earlier)
        producer, output = earlier[slots.answer[number]]
        assert (producer, consumer, output, slot) in held
        other = slots.other[slots.other_ends[number] : slots.other_ends[number + 1]]
        assert {earlier[at] for at in other} == {(consumer - 1, 0), (consumer - 2, 1)} - {(producer, output)}
    unused = unused_candidates(graph, slots)
    assert {everything[at] for at in np.flatnonzero(unused)} == {(p, o) for p, _, o, _ in held} | {(29, 0)}


def test_large_graphs_ask_for_no_more_than_a_hundred_slots():
    slots = hold_out_slots(chain(20_000), 0.2, np.random.default_rng(0))
    assert len(slots.slot) == slot_filling.MOST_SLOTS
    assert (~slots.is_message).sum() == round(0.2 * 39_997)


def test_a_rank_counts_what_scores_more_and_half_of_what_ties_but_no_other_answer():
    scores = np.array([0.9, 0.5, 0.5, 0.1, 0.7, 1.0, 2.0])
    found = ranks(scores, np.array([0, 4, 7]), np.array([1, 0]), np.array([0, 2]), np.array([0, 1, 2]))
    assert found.tolist() == [1.5, 2.0]


@pytest.fixture(scope="module")
def predictions(zoo: Path) -> Predictions:
    opened = open_release(zoo / "younger")
    of = EvaluationSet.of(opened, "slots", "test", attributes=False)
    labels = of.labels(opened)
    random = np.random.default_rng(0)
    scores = [random.random(size) for size in labels["candidates"].to_pylist()]
    return Predictions(of, "noise", labels.append_column("y_pred", pa.array(scores, pa.list_(pa.float32()))))


def test_labels_are_slots_of_the_release(predictions, zoo):
    rows = {row["type_fingerprint"]: row for row in load("graphs-no-attributes", "test", zoo / "younger")}
    labels = predictions.table.to_pylist()
    assert {label["fingerprint"] for label in labels} <= rows.keys()
    for label in labels[:50]:
        row = rows[label["fingerprint"]]
        consumers, slots = row["edge_index"][1], row["edge_slot"][1]
        assert (label["consumer"], label["slot"]) in set(zip(consumers, slots, strict=True))
        assert 0 <= label["y_true"] < label["candidates"]


def test_a_file_of_scores_is_held_against_the_release(predictions, zoo, tmp_path):
    path = tmp_path / "p.parquet"
    predictions.save(path)
    metrics = Evaluator.score(path, zoo / "younger")
    assert 0 < metrics["hits1"] < metrics["mrr"] < metrics["hits10"] < 1
    constant = [np.zeros(size) for size in predictions.table["candidates"].to_pylist()]
    with_column(predictions, constant).save(path)
    assert Evaluator.score(path)["hits1"] < 0.2  # no rank is won by saying nothing


def with_column(predictions: Predictions, scores: list[object]) -> Predictions:
    table = predictions.table
    at = table.column_names.index("y_pred")
    return replace(predictions, table=table.set_column(at, "y_pred", pa.array(scores, pa.list_(pa.float32()))))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda scores: [scores[0][:-1], *scores[1:]], r"y_pred\[0\] is \d+, and the slot has another number of cand"),
        (lambda scores: [[np.nan, *scores[0][1:]], *scores[1:]], "y_pred has a score that is no number"),
        (lambda scores: [[np.inf, *scores[0][1:]], *scores[1:]], "y_pred has a score that is no number"),
        (lambda scores: [[None, *scores[0][1:]], *scores[1:]], "y_pred has a score that is no number"),
    ],
)
def test_scores_of_other_candidates_are_refused(predictions, tmp_path, change, sentence):
    scores = predictions.table["y_pred"].to_pylist()
    with_column(predictions, change(scores)).save(tmp_path / "p.parquet")
    with pytest.raises(PredictionsError, match=rf"p\.parquet: {sentence}"):
        Evaluator.score(tmp_path / "p.parquet")


@pytest.mark.parametrize("column", ["candidates", "others", "y_true"])
def test_a_file_cannot_say_who_the_candidates_are(predictions, zoo, column):
    table = predictions.table
    values = table[column].to_pylist()
    values[0] = [0, 1, 2] if column == "others" else values[0] - 1
    at = table.column_names.index(column)
    changed = table.set_column(at, column, pa.array(values, table.schema.field(column).type))
    with pytest.raises(PredictionsError, match=r"leaves out 1 of|gives another label"):
        check_labels(replace(predictions, table=changed), open_release(zoo / "younger"), Path("p"))


def test_a_share_that_is_none_is_refused(zoo):
    with pytest.raises(UsageError, match="held_out is a share between 0 and 1, not 0"):
        EvaluationSet.of(open_release(zoo / "younger"), "slots", "test", held_out=0.0)


def test_the_graphs_of_a_split_ask_the_same_each_time(zoo):
    table = GraphTable(load("graphs-no-attributes", "test", zoo / "younger"))
    choices = slot_filling.SlotChoices()
    first, second = (list(slot_filling.derive(table, choices)) for _ in range(2))
    assert all(
        (a["y_true"] == b["y_true"]).all() and a["others"] == b["others"] for a, b in zip(first, second, strict=True)
    )
