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
from younger_hf.recipes.batches import GraphBatch
from younger_hf.recipes.checkpoints import fresh_model, load_best, restore
from younger_hf.recipes.recipe import RECIPES, config_of, find_recipe
from younger_hf.recipes.run import Run, RunError
from younger_hf.recipes.splits import evaluate_columns, evaluator_of, load_splits
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.vocabulary import MASK_ID

Begin = Callable[..., Run]

OF_ENCODERS = [name for name in RECIPES.names if "gcn" in find_recipe(name).config.models]
"""The recipes that take any encoder."""


@pytest.fixture(scope="module")
def vocabulary(release: Path) -> Vocabulary:
    return Vocabulary.load(release)


@pytest.fixture(scope="module")
def begin(release: Path, vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Begin:
    """Begin a run on the zoo; every setting that is not given is one that ends in seconds."""

    def of(task: str, model: str, **settings: Any) -> Run:
        quick: dict[str, Any] = {"release": str(release), "learning_rate": 1e-3, "validate_every": 0, "device": "cpu"}
        of_task: dict[str, dict[str, Any]] = {
            "operator": {"split_scheme": "paper", "batch_size": 16},
            "pretrain": {"split_scheme": "paper"},
            "graph": {"target": "depth"},
        }
        quick |= of_task.get(task, {"held_out": 0.5})
        config = config_of(task, {**quick, "model": model, **settings})
        return Run.create(tmp_path_factory.mktemp("run"), config, vocabulary)

    return of


def train(run: Run) -> None:
    run.recipe.train(run)


def whole_table(table: GraphTable) -> GraphBatch:
    return GraphBatch.of(table.union(np.arange(len(table))))


def trained(run: Run) -> Run:
    train(run)
    return run


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
        ("gat", {"epochs": 8, "limit": 40, "learning_rate": 3e-3}),
        ("sage", {"epochs": 8}),
        ("gae", {"epochs": 20, "encoder_epochs": 4, "learning_rate": 1e-2}),
        ("vgae", {"epochs": 20, "encoder_epochs": 4, "learning_rate": 1e-2}),
        ("gine", {"epochs": 8, "attributes": True}),
    ],
)
def test_operator_design_learns_more_than_the_most_frequent_operator(begin, model, settings):
    run = begin("operator", model, **settings)
    operator.train(run)
    table = load_splits(run.config, "validation")[0]
    _, y_true = operator.mask_boundary(whole_table(table))
    trivial = Evaluator("operator").evaluate(
        {"y_true": y_true, "y_pred": torch.full_like(y_true, y_true.mode().values)}
    )
    assert run.best()["accuracy"] > trivial["accuracy"]
    assert run.best()["f1"] > 1.5 * trivial["f1"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("gcn", {"epochs": 6}),
        ("gat", {"epochs": 4, "limit": 3, "learning_rate": 3e-3}),
        ("sage", {"epochs": 3}),
        ("gine", {"epochs": 3, "decoder": "directed", "attributes": True}),
        ("gcn", {"epochs": 6, "protocol": "paper", "batch_size": 2}),
    ],
)
def test_data_flow_design_learns_more_than_chance(begin, model, settings):
    run = begin("dataflow", model, **settings)
    dataflow.train(run)
    assert run.best()["auc"] > 0.6


TINY = {
    "dataflow": ("gcn", {"epochs": 2, "limit": 5}),
    "operator": ("vgae", {"epochs": 2, "encoder_epochs": 1, "limit": 20}),
}


@pytest.fixture(scope="module", params=TINY)
def tiny(request, begin: Begin) -> Callable[..., Run]:
    """Begins a run of one task that ends after a few steps; those of the operator task have two phases."""
    model, settings = TINY[request.param]
    return lambda **others: begin(request.param, model, **{**settings, **others})


@pytest.fixture(scope="module")
def whole(tiny) -> Run:
    """A run that nothing interrupted."""
    return trained(tiny())


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tiny, whole):
    assert_same(trained(tiny()), whole)
    assert without_seconds(trained(tiny(seed=1))) != without_seconds(whole)


def press_ctrl_c(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at_call: int) -> None:
    """Have Ctrl-C pressed while a method is called for the nth time, before it has done its work."""
    method, calls = getattr(owner, name), []

    def pressed(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == at_call:
            signal.raise_signal(signal.SIGINT)
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, pressed)


@pytest.mark.parametrize(
    ("owner", "name", "at_call"),
    [
        (torch.optim.Adam, "step", 3),  # amid an update
        (torch.Tensor, "backward", 4),  # amid a step
        (Evaluator, "evaluate", 1),  # amid a validation
        (Run, "record", 1),  # amid the writing of one
    ],
)
def test_a_run_that_was_interrupted_and_resumed_is_one_that_was_not(tiny, whole, monkeypatch, owner, name, at_call):
    broken = tiny()
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, owner, name, at_call)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    resumed = Run.open(broken.directory)
    assert resumed.position != whole.position
    assert_same(trained(resumed), whole)


def test_a_run_that_was_killed_goes_on_from_its_last_state(tiny, whole, tmp_path):
    # What was validated after the state was written is there, and a file that was being written.
    half, killed = trained(tiny(epochs=1)), tmp_path / "killed"
    shutil.copytree(whole.directory, killed)
    shutil.copy(half.directory / "state.safetensors", killed)
    (killed / "state.safetensors.unfinished").write_bytes(b"half of it")
    resumed = Run.open(killed)
    assert resumed.position.step < whole.position.step
    assert_same(trained(resumed), whole)


def test_a_run_that_ended_can_be_made_longer(tiny, whole):
    run = Run.open(trained(tiny(epochs=1)).directory)
    run.config = whole.config
    assert_same(trained(run), whole)
    assert Run.open(run.directory).config == whole.config


@pytest.mark.parametrize(
    ("task", "model", "settings"),
    [
        ("operator", "sage", {"epochs": 9, "limit": 20}),
        ("operator", "gae", {"epochs": 1, "encoder_epochs": 9, "limit": 20, "encoder_learning_rate": 1e30}),
        ("dataflow", "gcn", {"epochs": 1, "limit": 2}),  # whose last step spoils the parameters
    ],
)
def test_a_run_that_diverges_says_so_and_leaves_what_was_there(begin, task, model, settings):
    run = begin(task, model, learning_rate=1e30, **settings)
    with pytest.raises(RunError, match=f"{run.directory} has diverged, .* a smaller learning rate"):
        train(run)
    again = Run.open(run.directory)
    model = fresh_model(again)
    restore(again, model)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_the_masks_hide_the_label(begin):
    config = begin("operator", "gcn").config
    table = load_splits(config, "train")[0]
    batch = whole_table(table)
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
    table = load_splits(run.config, "test")[0]
    predicted = operator.predict(load_best(run), table, run.config)
    whole = whole_table(table)
    positions = whole.ptr[predicted["row"]] + torch.from_numpy(predicted["node"])
    assert sorted(positions.tolist()) == sorted(whole.boundary.tolist())
    assert whole.x[positions].tolist() == predicted["y_true"].tolist()


def test_the_pairs_of_a_graph_are_the_same_whatever_other_rows_and_seeds_there_are(begin):
    run = begin("dataflow", "gcn")
    model, table = fresh_model(run).eval(), load_splits(run.config, "train")[0]
    other = config_of("dataflow", {**run.config.to_dict(), "limit": 3, "seed": 5})
    few = load_splits(other, "train")[0]
    ours, all_pairs = dataflow.predict(model, few, other), dataflow.predict(model, table, run.config)
    for row, key in enumerate(few.fingerprints.to_pylist()):
        there = all_pairs["row"] == table.fingerprints.to_pylist().index(key)
        for name in ("producer", "consumer", "y_true"):
            assert np.array_equal(ours[name][ours["row"] == row], all_pairs[name][there])


@pytest.mark.parametrize("task", OF_ENCODERS)
def test_dropout_is_off_where_a_model_is_judged(begin, task):
    run = begin(task, "gcn", epochs=1, limit=4)
    train(run)
    table = load_splits(run.config, "validation")[0]
    predicted = run.recipe.predict(load_best(run), table, run.config, "cpu")
    judged = evaluate_columns(evaluator_of(run, load_splits(run.config, "train")[0]), predicted)
    assert judged == {name: run.best()[name] for name in judged}
