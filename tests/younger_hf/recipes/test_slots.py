"""`younger-hf train slots`: rules and models rank the outputs that the release defines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from younger_hf import Evaluator, Vocabulary, load
from younger_hf.recipes.models import build_model
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.rules import complete
from younger_hf.recipes.run import Run
from younger_hf.recipes.scoring import predict_split
from younger_hf.recipes.slots import scores_of
from younger_hf.release import open_release
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.predictions import check_labels
from younger_hf.tasks.slots import evaluation_slots, unused_candidates

from .test_rules import fitted


@pytest.fixture(scope="module")
def table(release: Path) -> GraphTable:
    return GraphTable(load("graphs-no-attributes", "test", release))


@pytest.mark.parametrize("rule", ["nearest", "nearest-unused", "ngram"])
def test_a_rule_ranks_all_candidates_of_all_slots(release, tmp_path, rule):
    run = fitted(release, tmp_path / "run", "slots", rule)
    opened = open_release(release)
    predictions = predict_split(run, opened, "test")
    check_labels(predictions, opened, Path("p"))
    for scores in predictions.table["y_pred"].to_pylist():
        assert sorted(scores) == list(range(1 - len(scores), 1))
    metrics = Evaluator.of(predictions.of).evaluate(predictions.arrays())
    assert metrics["mrr"] > 0.3  # noise has less than 0.1


def test_the_nearest_unused_output_is_first(release, tmp_path, table):
    run = fitted(release, tmp_path / "run", "slots", "nearest-unused")
    scores = iter(predict_split(run, open_release(release), "test").table["y_pred"].to_pylist())
    for _, graph, slots in evaluation_slots(table, run.config.slot_choices):
        unused = unused_candidates(graph, slots)
        for num_candidates in slots.num_candidates:
            free = np.flatnonzero(unused[:num_candidates])
            expected = free[-1] if len(free) else num_candidates - 1
            assert np.argmax(next(scores)) == expected


def test_scores_are_of_what_stands_before_the_consumer(table):
    model = build_model("slots", "gine", 60).eval()
    for _, graph, slots in evaluation_slots(table, config_of("slots", {"model": "gine"}).slot_choices):
        with torch.no_grad():
            scores = scores_of(model, graph, slots, "cpu")
        is_candidate = np.arange(slots.candidate.shape[1]) < slots.num_candidates[:, None]
        assert np.array_equal(torch.isfinite(scores).numpy(), is_candidate)


def test_a_model_learns_to_fill_slots(release, tmp_path):
    """It starts from what rules know of nearness and use, and is soon better than the nearest output."""
    settings = {"model": "gine", "release": str(release), "epochs": 4, "limit": 12, "device": "cpu"}
    run = Run.create(tmp_path / "run", config_of("slots", settings), Vocabulary.load(release))
    complete(run)
    first, *_, last = run.metrics()
    assert last["loss"] < first["loss"]
    assert set(run.config.task.metrics) <= last.keys()
