"""The recipes: each learns, hides what it asks for, and goes on after an interruption as if there had been none."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from younger_hf import Evaluator, Vocabulary
from younger_hf.recipes import dataflow, operator
from younger_hf.recipes.config import config_of
from younger_hf.recipes.run import Run, RunError
from younger_hf.recipes.training import load_split
from younger_hf.vocabulary import MASK_ID

RECIPES = {"dataflow": dataflow.train, "operator": operator.train}

Begin = Callable[..., Run]


@pytest.fixture
def begin(release: Path, tmp_path: Path) -> Begin:
    """Begin a run on the zoo; every setting that is not given is one that ends in seconds."""

    def of(task: str, model: str, name: str = "run", **settings: Any) -> Run:
        quick: dict[str, Any] = {"release": str(release), "learning_rate": 1e-3, "validate_every": 0, "device": "cpu"}
        quick |= {"split_scheme": "paper", "batch_size": 16} if task == "operator" else {"held_out": 0.5}
        config = config_of(task, {**quick, "model": model, **settings})
        return Run.create(tmp_path / name, config, Vocabulary.load(release))

    return of


def without_seconds(run: Run) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in run.metrics()]


def assert_same(left: Run, right: Run) -> None:
    assert without_seconds(left) == without_seconds(right)
    for name in ("best.safetensors", "state.safetensors"):
        ours, theirs = load_file(left.directory / name), load_file(right.directory / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("gcn", {"epochs": 12}),
        ("gat", {"epochs": 5}),
        ("sage", {"epochs": 8}),
        ("gae", {"epochs": 20, "encoder_epochs": 4, "learning_rate": 1e-2}),
        ("vgae", {"epochs": 20, "encoder_epochs": 4, "learning_rate": 1e-2}),
        ("gine", {"epochs": 8, "attributes": True}),
    ],
)
def test_operator_design_learns_more_than_the_most_frequent_operator(begin, model, settings):
    run = begin("operator", model, **settings)
    operator.train(run)
    table = load_split(run.config, "validation")
    _, y_true = operator.mask_boundary(table.batch(np.arange(len(table))))
    trivial = Evaluator("operator").evaluate(
        {"y_true": y_true, "y_pred": torch.full_like(y_true, y_true.mode().values)}
    )
    assert run.best()["accuracy"] > trivial["accuracy"]
    assert run.best()["f1"] > 1.5 * trivial["f1"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("gcn", {"epochs": 6}),
        ("gat", {"epochs": 4, "limit": 4, "learning_rate": 3e-3}),
        ("sage", {"epochs": 3}),
        ("gine", {"epochs": 3, "decoder": "directed", "attributes": True}),
        ("gcn", {"epochs": 6, "protocol": "paper", "batch_size": 2}),
    ],
)
def test_data_flow_design_learns_more_than_chance(begin, model, settings):
    run = begin("dataflow", model, **settings)
    dataflow.train(run)
    assert run.best()["auc"] > 0.6


TINY = [
    ("dataflow", "gcn", {"epochs": 2, "limit": 5}),
    ("operator", "vgae", {"epochs": 2, "encoder_epochs": 1, "limit": 20}),
]


@pytest.mark.parametrize(("task", "model", "settings"), TINY)
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(begin, task, model, settings):
    runs = [begin(task, model, f"run-{number}", **settings, seed=seed) for number, seed in enumerate((1, 1, 2))]
    for run in runs:
        RECIPES[task](run)
    assert_same(runs[0], runs[1])
    assert without_seconds(runs[0]) != without_seconds(runs[2])


def press_ctrl_c(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at_call: int) -> None:
    """Have Ctrl-C pressed while a method is called for the nth time, before it has done its work."""
    method, calls = getattr(owner, name), []

    def pressed(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == at_call:
            signal.raise_signal(signal.SIGINT)
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, pressed)


@pytest.mark.parametrize(("task", "model", "settings"), TINY)
@pytest.mark.parametrize(
    ("owner", "name", "at_call"),
    [
        (torch.optim.Adam, "step", 3),  # amid an update
        (torch.Tensor, "backward", 4),  # amid a step
        (Evaluator, "evaluate", 1),  # amid a validation
        (Run, "record", 1),  # amid the writing of one
    ],
)
def test_a_run_that_was_interrupted_and_resumed_is_one_that_was_not(
    begin, monkeypatch, task, model, settings, owner, name, at_call
):
    whole = begin(task, model, "whole", **settings)
    RECIPES[task](whole)
    broken = begin(task, model, "broken", **settings)
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, owner, name, at_call)
        with pytest.raises(KeyboardInterrupt):
            RECIPES[task](broken)
    assert Run.open(broken.directory).position != whole.position
    resumed = Run.open(broken.directory)
    RECIPES[task](resumed)
    assert_same(whole, resumed)


def test_a_run_that_was_killed_goes_on_from_its_last_state(begin, tmp_path):
    settings = TINY[0][2]
    whole = begin("dataflow", "gcn", "whole", **settings)
    dataflow.train(whole)
    # What was validated after the state was written is there, and a file that was being written.
    half = begin("dataflow", "gcn", "half", **{**settings, "epochs": 1})
    dataflow.train(half)
    killed = tmp_path / "killed"
    shutil.copytree(whole.directory, killed)
    shutil.copy(half.directory / "state.safetensors", killed)
    (killed / "state.safetensors.unfinished").write_bytes(b"half of it")
    resumed = Run.open(killed)
    assert resumed.position.step < whole.position.step
    dataflow.train(resumed)
    assert_same(whole, resumed)


def test_a_run_that_ended_can_be_made_longer(begin):
    run = begin("dataflow", "gcn", epochs=1, limit=4)
    dataflow.train(run)
    longer = Run.open(run.directory)
    longer.configure(config_of("dataflow", {**run.config.to_dict(), "epochs": 2}))
    dataflow.train(longer)
    whole = begin("dataflow", "gcn", "whole", epochs=2, limit=4)
    dataflow.train(whole)
    assert_same(longer, whole)


@pytest.mark.parametrize("model", ["sage", "gae"])
def test_a_loss_that_is_not_a_number_is_one_sentence_and_leaves_what_was_there(begin, model):
    run = begin("operator", model, epochs=9, encoder_epochs=9, limit=20, learning_rate=1e30, encoder_learning_rate=1e30)
    with pytest.raises(
        RunError, match=f"the loss of {run.directory} is (nan|inf) at step [1-9].*smaller --learning-rate"
    ):
        operator.train(run)
    again = Run.open(run.directory)
    model = again.build_model()
    again.restore(model)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_the_masks_hide_the_label(begin):
    config = begin("operator", "gcn").config
    table = load_split(config, "train")
    batch = table.batch(np.arange(len(table)))
    masked, labels = operator.mask_boundary(batch)
    assert torch.equal(labels, batch.x[batch.boundary])
    assert (masked.x[batch.boundary] == MASK_ID).all()
    batch.x[batch.boundary] += 1
    again, others = operator.mask_boundary(batch)
    assert (others != labels).all()
    for name in ("x", "edge_index", "edge_attr", "ptr", "boundary"):
        assert torch.equal(getattr(again, name), getattr(masked, name))


def test_predictions_say_of_which_node_of_which_row_they_are(begin):
    run = begin("operator", "gcn", epochs=1)
    operator.train(run)
    table = load_split(run.config, "test")
    predicted = operator.predict(run.load_best(), table)
    whole = table.batch(np.arange(len(table)))
    positions = whole.ptr[predicted["row"]] + torch.from_numpy(predicted["node"])
    assert sorted(positions.tolist()) == sorted(whole.boundary.tolist())
    assert whole.x[positions].tolist() == predicted["y_true"].tolist()


def test_the_pairs_of_a_graph_are_the_same_whatever_other_rows_there_are(begin):
    run = begin("dataflow", "gcn", epochs=1)
    dataflow.train(run)
    model, table = run.load_best(), load_split(run.config, "train")
    few = load_split(config_of("dataflow", {**run.config.to_dict(), "limit": 3}), "train")
    ours, all_pairs = (dataflow.predict(model, rows, run.config) for rows in (few, table))
    for row, key in enumerate(few.fingerprints.to_pylist()):
        there = all_pairs["row"] == table.fingerprints.to_pylist().index(key)
        for name in ("producer", "consumer", "y_true"):
            assert np.array_equal(ours[name][ours["row"] == row], all_pairs[name][there])


@pytest.mark.parametrize("task", RECIPES)
def test_dropout_is_off_where_a_model_is_judged(begin, task):
    run = begin(task, "gcn", epochs=1, limit=4)
    RECIPES[task](run)
    table = load_split(run.config, "validation")
    arguments = (run.config,) if task == "dataflow" else ()
    predict = (dataflow if task == "dataflow" else operator).predict
    y = predict(run.load_best(), table, *arguments)
    judged = Evaluator(task).evaluate(y)
    assert judged == {name: run.best()[name] for name in judged}
