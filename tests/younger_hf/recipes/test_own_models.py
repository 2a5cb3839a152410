"""`--model` with a class of one's own: trained and evaluated as built-in ones are, or refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from younger_hf.cli import app
from younger_hf.errors import UsageError
from younger_hf.recipes.checkpoints import fresh_model
from younger_hf.recipes.models import build_model
from younger_hf.recipes.recipe import RECIPES, find_recipe
from younger_hf.recipes.run import Run

OF_ENCODERS = [name for name in RECIPES.names if "gcn" in find_recipe(name).config.models]
"""The recipes that take any encoder, and so a class of one's own; generation does not."""

MODELS = """
import torch
from torch import nn
from torch_geometric.nn import SAGEConv


class Net(nn.Module):
    def __init__(self, num_operators, out_channels):
        super().__init__()
        self.embedding = nn.Embedding(num_operators, 32)
        self.conv = SAGEConv(32, out_channels)

    def forward(self, x, edge_index, edge_attr, targets=None):
        out = self.conv(self.embedding(x), edge_index)
        return out if targets is None else out[targets]


class Greedy(Net):
    def forward(self, x, edge_index, edge_attr, targets=None):
        return super().forward(x, edge_index, edge_attr)


class Integers(Net):
    def forward(self, *inputs):
        return super().forward(*inputs).long()


class Pair(Net):
    def forward(self, *inputs):
        return super().forward(*inputs), None


class Forgetful(Net):
    def forward(self, x, edge_index):
        return super().forward(x, edge_index, None)


class Narrow(Net):
    def forward(self, x, edge_index, edge_attr, targets=None):
        assert len(x) < 10, "too many\\nnodes"
        return super().forward(x, edge_index, edge_attr, targets)


class Needy(Net):
    def __init__(self, num_operators, out_channels, depth):
        super().__init__(num_operators, out_channels)


def function(num_operators, out_channels):
    return Net(num_operators, out_channels)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_models.py"
    path.write_text(MODELS)
    return path


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def train(recipe: str, release: Path, model: str) -> Result:
    quick = ("--epochs", 1, "--limit", 6, "--split-scheme", "paper" if recipe in ("operator", "pretrain") else "family")
    return command("train", recipe, "--release", release, "--model", model, "--device", "cpu", *quick)


@pytest.mark.parametrize("recipe", OF_ENCODERS)
def test_a_class_in_a_file_is_trained_evaluated_and_embedded(release, file, recipe):
    done = train(recipe, release, "my_models.py:Net")
    assert done.exit_code == 0, done.exception
    run = Path("runs") / f"{recipe}-Net"
    assert done.stdout.startswith(f"{run}: best of validation at step ")
    assert Run.open(run).config.model == "my_models.py:Net"
    assert command("evaluate", run).exit_code == 0
    assert command("embed", run, "--level", "node", "--output", "vectors").exit_code == 0


def test_a_class_of_a_package_is_the_same_model_with_the_same_fresh_parameters(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    parameters = []
    for name in ("my_models:Net", "my_models.py:Net"):
        torch.manual_seed(3)
        parameters.append(build_model("operator", name, 20).state_dict())
    ours, theirs = parameters
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    # Trying a model draws nothing that counts.
    torch.manual_seed(3)
    plain = sys.modules["my_models"].Net(20, 20).state_dict()
    assert all(torch.equal(ours[name], plain[name]) for name in ours)


@pytest.mark.parametrize("recipe", OF_ENCODERS)
@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("my_models.py:Nett", "model my_models.py:Nett does not exist: my_models.py has no Nett"),
        ("none.py:Net", "model none.py:Net cannot be imported (FileNotFoundError: there is no file none.py)"),
        ("no_such:Net", "(ModuleNotFoundError: No module named 'no_such'); name a file as path/to/file.py:Class"),
        ("my_models.py:function", "model my_models.py:function is no class that derives from torch.nn.Module"),
        ("my_models.py:Needy", "model my_models.py:Needy cannot be made with ("),
        ("my_models.py:Greedy", "for 2 targets of a graph of 4: it must be floating point [2, "),
        ("my_models.py:Integers", "model my_models.py:Integers gives torch.int64 [4, "),
        ("my_models.py:Pair", "model my_models.py:Pair gives tuple where it is asked for all nodes"),
        ("my_models.py:Forgetful", "model my_models.py:Forgetful fails where it is asked for all nodes: TypeError: "),
        ("my_models.py:Narrow", "model my_models.py:Narrow fails in the first step (AssertionError: too many nodes)"),
    ],
)
def test_what_is_no_model_is_one_sentence_and_nothing_is_written(release, file, recipe, model, sentence):
    error = train(recipe, release, model).exception
    assert isinstance(error, UsageError)
    assert sentence in str(error)
    assert "\n" not in str(error)
    assert not Path("runs").exists()


def test_a_file_that_fails_is_one_sentence(file):
    file.write_text("import torch\n1 / 0\n")
    with pytest.raises(
        UsageError, match=r"my_models\.py:Net cannot be imported \(ZeroDivisionError: division by zero\)"
    ):
        build_model("operator", "my_models.py:Net", 20)


def test_a_run_whose_class_is_gone_says_so(release, file):
    assert train("operator", release, "my_models.py:Net").exit_code == 0
    file.unlink()
    with pytest.raises(UsageError, match=r"there is no file my_models\.py"):
        fresh_model(Run.open(Path("runs/operator-Net")))
