"""`younger-hf train`: what it prints and writes, and what it says where it cannot."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml

from younger_hf.cli import main
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.run import Run

QUICK = ["--epochs", "2", "--limit", "6", "--device", "cpu"]


class Told(NamedTuple):
    code: int
    out: str
    err: str


Train = Callable[..., Told]


@pytest.fixture(scope="module")
def release(zoo: Path) -> Path:
    return zoo / "younger"


@pytest.fixture
def train(release: Path, tmp_path: Path, monkeypatch, capsys) -> Train:
    """Runs `younger-hf train` on the zoo, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(task: str, *arguments: str, on: Path | None = release) -> Told:
        of_release = ["--release", str(on)] if on else []
        monkeypatch.setattr(sys, "argv", ["younger-hf", "train", task, *of_release, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Told(ended.value.code or 0, told.out, told.err)

    return run


def assert_one_sentence(told: Told, code: int, *parts: str) -> None:
    assert (told.code, told.out) == (code, "")
    assert told.err.startswith("younger-hf: ")
    assert told.err.count("\n") == 1
    for part in parts:
        assert part in told.err


def test_it_trains_and_leaves_a_run_that_can_be_read(train, release, tmp_path):
    told = train("operator", "--model", "gcn", *QUICK, "--split-scheme", "paper")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("runs/operator-gcn: best of validation at step 2 of 2: accuracy 0.")
    directory = tmp_path / "runs" / "operator-gcn"
    names = {"config.json", "vocabulary.json", "environment.json", "metrics.jsonl", "best.json"}
    assert {file.name for file in directory.iterdir()} == names | {"best.safetensors", "state.safetensors"}
    assert json.loads((directory / "environment.json").read_text())[0]["packages"]["torch"] in torch.__version__
    run = Run.open(directory)
    assert (run.config.release, run.config.limit, run.config.learning_rate) == (str(release), 6, 1e-3)
    assert run.best() == {**run.metrics()[0], "mean": run.position.best}
    assert not load_best(run).training


def test_flags_come_before_the_file_and_the_file_before_the_paper(train, tmp_path):
    (tmp_path / "my.toml").write_text('model = "sage"\nepochs = 9\nlearning_rate = 0.01\ndecoder = "directed"\n')
    assert train("dataflow", "--config", "my.toml", "--run", "mine", *QUICK).code == 0
    config = Run.open(tmp_path / "mine").config
    assert (config.model, config.epochs, config.learning_rate, config.decoder) == ("sage", 2, 0.01, "directed")
    assert config.weight_decay == 5e-5


def test_a_run_that_gets_no_better_stops_early_says_so_and_can_go_on(train, tmp_path):
    options = ["--model", "gcn", "--split-scheme", "paper", "--run", "mine", "--limit", "6", "--device", "cpu"]
    options += ["--validate-every", "1", "--learning-rate", "1e-12", "--weight-decay", "0"]
    told = train("operator", *options, "--steps", "9", "--patience", "2")
    assert told.code == 0
    assert told.out.startswith("mine: best of validation at step 1 of 3: accuracy 0.")
    assert "stopped early, 2 validations after the best, where 9 steps were planned: --resume with a larger" in told.out
    told = train("operator", "--run", "mine", "--resume", "--patience", "0", on=None)
    assert told.out.startswith("mine: best of validation at step 1 of 9: accuracy 0.")
    assert "stopped" not in told.out
    assert [line["step"] for line in Run.open(tmp_path / "mine").metrics()] == list(range(1, 10))


def test_ctrl_c_leaves_a_run_that_can_be_resumed(train, monkeypatch):
    step, steps = torch.optim.Adam.step, []

    def press(*arguments, **options):
        steps.append(None)
        if len(steps) == 4:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", press)
        told = train("dataflow", "--model", "gcn", "--run", "mine", *QUICK)
    assert told.code == 130
    assert "resume with: younger-hf train dataflow --run mine --resume\n" in told.err
    assert Run.open(Path("mine")).position.step == 4
    told = train("dataflow", "--run", "mine", "--resume", on=None)
    assert told.code == 0
    assert Run.open(Path("mine")).position.step == 12
    assert len(json.loads(Path("mine/environment.json").read_text())) == 2


def test_a_resumed_run_keeps_its_settings_and_its_task(train):
    assert train("dataflow", "--model", "gcn", "--run", "mine", *QUICK).code == 0
    resume = ["--run", "mine", "--resume"]
    assert_one_sentence(train("dataflow", *resume, "--seed", "3"), 2, "mine has seed 12345: a resumed run keeps it")
    assert_one_sentence(train("operator", *resume), 2, "mine is a run of dataflow")
    assert train("dataflow", *resume, "--epochs", "3").code == 0
    assert Run.open(Path("mine")).config.epochs == 3


def test_a_directory_in_use_or_without_a_run_is_named(train, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    told = train("operator", "--model", "gcn", "--run", "full", *QUICK)
    assert_one_sentence(told, 2, "full is there already")
    assert_one_sentence(train("operator", "--run", "full", "--resume"), 1, "there is no training run in full")
    assert_one_sentence(train("operator", "--resume"), 2, "--run DIRECTORY")


def test_a_gpu_that_is_not_there_is_one_sentence_and_no_run_is_begun(train, tmp_path):
    for device in ("cuda:77", "gpu"):
        told = train("operator", "--model", "gcn", "--device", device, "--split-scheme", "paper")
        assert_one_sentence(told, 2, f"there is no device {device} here: there is cpu")
    assert not (tmp_path / "runs").exists()


def test_a_release_without_subgraphs_is_one_sentence_and_no_run_is_begun(train, release, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(release, bare)
    _, front, body = (bare / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    card["configs"] = [entry for entry in card["configs"] if "subgraphs" not in entry["config_name"]]
    (bare / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n{body}")
    told = train("operator", "--model", "gcn", "--device", "cpu", on=bare)
    assert_one_sentence(told, 1, f"{bare} has no subgraphs-no-attributes")
    told = train("dataflow", "--model", "gcn", "--split-scheme", "paper", "--device", "cpu")
    assert_one_sentence(told, 1, "has no validation rows in the paper split scheme")
    assert not (tmp_path / "runs").exists()


def test_a_run_of_another_vocabulary_is_not_resumed(train):
    assert train("dataflow", "--model", "gcn", "--run", "mine", *QUICK).code == 0
    file = Path("mine/vocabulary.json")
    vocabulary = json.loads(file.read_text())
    there = vocabulary["labels"][5]
    vocabulary["labels"][5] = "Whatever"
    file.write_text(json.dumps(vocabulary))
    told = train("dataflow", "--run", "mine", "--resume")
    assert_one_sentence(
        told, 1, "mine was trained with another vocabulary", f"operator 5 is Whatever there, and {there}"
    )


@pytest.mark.parametrize("name", ["state.safetensors", "config.json", "vocabulary.json"])
def test_a_damaged_file_of_a_run_is_named(train, name):
    assert train("dataflow", "--model", "gcn", "--run", "mine", *QUICK).code == 0
    content = Path("mine", name).read_bytes()
    Path("mine", name).write_bytes(content[: len(content) // 2])
    assert_one_sentence(train("dataflow", "--run", "mine", "--resume"), 1, f"mine/{name}", "damaged")


def test_a_checkpoint_of_another_model_is_named(train):
    assert train("dataflow", "--model", "gcn", "--run", "mine", *QUICK).code == 0
    config = json.loads(Path("mine/config.json").read_text())
    Path("mine/config.json").write_text(json.dumps({**config, "model": "sage"}))
    told = train("dataflow", "--run", "mine", "--resume")
    assert_one_sentence(told, 1, "mine/state.safetensors holds the parameters of another model")


def test_the_command_starts_without_pytorch():
    code = "import younger_hf.cli, sys; print({'torch', 'datasets', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_options_of_a_recipe_are_listed_without_pytorch():
    code = """
import sys
sys.argv = ["younger-hf", "train", "operator", "--help"]
from younger_hf.cli import main
try:
    main()
finally:
    print({"torch", "torch_geometric"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--encoder-epochs" in done.stdout
    assert done.stdout.endswith("set()\n")
