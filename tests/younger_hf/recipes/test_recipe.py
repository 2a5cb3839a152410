"""A recipe of another package: one file and an entry point, trained and scored by the commands that are there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from younger_hf.errors import UsageError
from younger_hf.extensions import ExtensionError
from younger_hf.recipes.recipe import RECIPES, find_recipe
from younger_hf.recipes.run import Run
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.tasks.predictions import Predictions

# Whether a graph has a residual connection, of all that one may ask: a task, its labels and its metrics, a model's
# head, a loss and a loop.
RECIPE = """
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.task import Task


def derive(table, choices):
    for rows in table.parts(64):
        graphs = table.union(rows)
        of_graph = np.searchsorted(graphs.ptr, graphs.edge_index[1], side="right") - 1
        yield {"row": rows, "y_true": np.bincount(of_graph, minlength=len(rows)) > np.diff(graphs.ptr)}


TASK = Task(
    name="branching",
    title="whether a graph has more data flows than operators",
    table="graphs",
    metrics=("accuracy",),
    labels=pa.schema([("fingerprint", pa.string()), ("y_true", pa.bool_())]),
    prediction=pa.field("y_pred", pa.bool_()),
    derive=derive,
    score=lambda y_true, y_pred, _: {"accuracy": float((y_true == y_pred).mean())},
)


@dataclass(frozen=True, kw_only=True)
class BranchingConfig(RecipeConfig):
    recipe: ClassVar[str] = "branching"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = {"gine": "younger_hf.recipes.models.gine:GINE"}

    epochs: int = 3
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    validate_every: int = 0
    width: int = setting("Of what a node is encoded as.", 16, above=0)


def build(config, num_operators):
    from torch import nn
    from younger_hf.recipes.models import new_model

    return nn.ModuleDict(
        {"encoder": new_model(config, num_operators, config.width), "head": nn.Linear(config.width, 1)}
    )


def logits_of(model, batch):
    import torch

    encoded = model["encoder"](batch.x, batch.edge_index, batch.edge_attr)
    return model["head"](torch.segment_reduce(encoded, "mean", lengths=batch.ptr.diff())).squeeze(-1)


def train(run):
    from torch.nn.functional import binary_cross_entropy_with_logits
    from torch.optim import Adam
    from younger_hf.recipes.batches import GraphBatch, ShuffledRows
    from younger_hf.recipes.checkpoints import fresh_model
    from younger_hf.recipes.splits import load_splits
    from younger_hf.recipes.training import begin, find_device, fit
    from younger_hf.tasks.evaluator import Evaluator

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    labels = np.concatenate([part["y_true"] for part in derive(table, None)])
    rows = ShuffledRows(len(table), config.batch_size, config.seed)
    model = fresh_model(run).to(device)

    def loss(step, generator):
        batch = GraphBatch.of(table.union(rows[step])).to(device)
        return binary_cross_entropy_with_logits(logits_of(model, batch), batch.tensor(labels[rows[step]]).float())

    def validate():
        return Evaluator(TASK).evaluate(predict(model, validation, config, device))

    begin(run, model, loss, device)
    optimizer = Adam(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    fit(run, model, optimizer, loss, config.epochs * rows.steps_per_epoch, rows.steps_per_epoch, validate)


def predict(model, table, config, device):
    import torch
    from younger_hf.recipes.batches import GraphBatch

    parts = []
    for part in derive(table, None):
        with torch.no_grad():
            logits = logits_of(model, GraphBatch.of(table.union(part["row"])).to(device))
        parts.append({**part, "y_pred": (logits > 0).cpu().numpy()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


SUMMARY = "Branching: predict which graphs have more data flows than operators."
RECIPE = Recipe(SUMMARY, BranchingConfig, build, train, predict)
"""


RECIPE_ALONE = "[younger_hf.recipes]\n{name} = {module}:RECIPE\n"
WITH_TASK = RECIPE_ALONE + "[younger_hf.tasks]\n{name} = {module}:TASK\n"


def install(site: Path, name: str, module: str, code: str, entry_points: str = RECIPE_ALONE) -> None:
    """Lay a package of one module with its entry points where Python looks for packages, as pip does."""
    (site / f"{module}.py").write_text(code)
    about = site / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points.format(name=name, module=module))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of packages that is on the path, here and in child processes."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    return directory


def younger(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from younger_hf.cli import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", code, str(site), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=site.parent)


@pytest.mark.slow
def test_a_recipe_of_another_package_is_trained_evaluated_and_scored(site, release):
    install(site, "branching", "branching_recipe", RECIPE, WITH_TASK)
    done = younger(site, "train", "branching", "--help")
    assert "Branching: predict which graphs" in done.stdout
    assert "--width" in done.stdout
    arguments = ("--release", release, "--model", "gine", "--width", 8, "--device", "cpu", "--run", "mine")
    done = younger(site, "train", "branching", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mine: best of validation at step ")
    assert json.loads((site.parent / "mine" / "config.json").read_text())["width"] == 8
    done = younger(site, "evaluate", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:6] == ["model", "config", "splits", "split", "labels", "accuracy"]
    file = site.parent / "mine" / "predictions-test.parquet"
    done = younger(site, "evaluate", file, "--release", release)
    assert done.stderr.endswith(f"the labels are those of {release}, and none is left out\n")
    # Here, too: the package is on the path of this process.
    assert Run.open(site.parent / "mine").recipe is find_recipe("branching")
    assert (
        Evaluator.score(file, release)["accuracy"]
        == Evaluator("branching").evaluate(Predictions.load(file).arrays())["accuracy"]
    )


def test_a_run_is_not_opened_without_the_package_of_its_recipe(site, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained["operator"].directory, run)
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**settings, "recipe": "branching"}))
    with pytest.raises(UsageError, match="no recipe 'branching': there is slots, dataflow, operator"):
        Run.open(run)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import nothing_like_it", "the recipe odd cannot be imported from odd_recipe:RECIPE: No module named"),
        ("RECIPE = 3", "the recipe odd is a int in odd_recipe:RECIPE, and has to be a Recipe"),
        (
            "from younger_hf.recipes.operator import RECIPE",
            "the recipe odd of an installed package calls itself operator",
        ),
        (
            RECIPE.replace('"branching"', '"odd"'),
            "has the task odd, which its package does not add to younger_hf.tasks",
        ),
    ],
    ids=["no-module", "no-recipe", "another-name", "no-task"],
)
def test_a_package_that_adds_no_recipe_is_named_and_spoils_nothing_else(site, code, sentence):
    install(site, "odd", "odd_recipe", code)
    done = younger(site, "train", "odd", "--model", "gcn")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("younger-hf: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(ExtensionError):
        find_recipe("odd")
    assert "operator" in younger(site, "train", "--help").stdout


def test_another_package_cannot_take_the_name_of_a_built_in_recipe(site):
    install(site, "operator", "other_operator", "RECIPE = 3")
    assert RECIPES.names.count("operator") == 1
    assert find_recipe("operator").name == "operator"
