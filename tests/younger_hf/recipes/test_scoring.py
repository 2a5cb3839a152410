"""`younger-hf evaluate`: the row of a table, and a file that shows it to anyone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from younger_hf import Evaluator, Vocabulary, YoungerError
from younger_hf.cli import app
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.run import Run
from younger_hf.recipes.scoring import predict_split, write_evaluation
from younger_hf.release import open_release
from younger_hf.tasks.predictions import Predictions, check_labels

TASKS = ("operator", "dataflow")


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize("task", TASKS)
def test_what_a_run_predicts_is_the_whole_split_and_scores_as_its_row(trained, release, task):
    opened = open_release(release)
    predictions = predict_split(trained[task], opened, "test")
    check_labels(predictions, opened, Path("p"))
    metrics, (file, summary) = write_evaluation(trained[task], predictions)
    assert metrics == Evaluator.score(file, release)
    assert metrics == Evaluator.of(predictions.of).evaluate(predictions.arrays()) | predictions.details()
    report = json.loads(summary.read_text())
    assert (report["metrics"], report["predictions"]) == (metrics, "predictions-test.parquet")
    assert report["labels"] == predictions.table.num_rows
    assert report["of"]["content"] == opened.contents[trained[task].config.table]


@pytest.mark.parametrize("task", TASKS)
def test_a_validation_split_earns_what_the_best_validation_did(trained, release, task):
    """Dropout is off, and the negatives are those of the training run."""
    best = trained[task].best()
    predictions = predict_split(trained[task], open_release(release), "validation")
    metrics = Evaluator.of(predictions.of).evaluate(predictions.arrays())
    assert {name: best[name] for name in metrics} == pytest.approx(metrics)


@pytest.mark.parametrize("task", TASKS)
def test_a_run_that_saw_a_few_rows_is_scored_on_all(trained, release, task):
    run = trained[task]
    limited = Run(run.directory, replace(run.config, limit=1), run.labels)
    opened = open_release(release)
    assert predict_split(limited, opened, "test").table == predict_split(run, opened, "test").table


def test_the_command_prints_the_row_and_writes_the_same_files_each_time(trained, release):
    run = trained["dataflow"].directory
    written = []
    for _ in range(2):
        done = command("evaluate", run, "--split", "test")
        head, row, *notes = done.output.splitlines()
        assert head.split() == "model config splits protocol seed split labels auc f1 ap".split()
        assert row.split()[:9] == "gine with directed decoder graphs-no-attributes family heldout 0.2 12345".split()
        names = ("predictions-test.parquet", "evaluation-test.json")
        assert notes == [f"wrote {run / name}" for name in names]
        written.append([(run / name).read_bytes() for name in names])
    assert written[0] == written[1]
    done = command("evaluate", run / "predictions-test.parquet", "--release", release)
    assert done.output.splitlines() == [head, row, f"the labels are those of {release}, and none is left out"]
    done = command("evaluate", run / "predictions-test.parquet", "--json")
    facts = json.loads(done.stdout)
    assert list(facts) == ["model", "of", "labels", "metrics"]
    assert facts["metrics"] == Evaluator.score(run / "predictions-test.parquet")
    assert (facts["of"]["held_out"], facts["of"]["seed"]) == (0.2, 12345)
    assert "check them against a release with --release" in done.stderr


def test_a_file_that_lies_is_refused_by_the_command(trained, release, tmp_path):
    predictions = predict_split(trained["operator"], open_release(release), "test")
    right = predictions.table["y_true"]
    file = tmp_path / "lies.parquet"
    replace(predictions, table=predictions.table.set_column(2, "y_true", predictions.table["y_pred"])).save(file)
    assert Predictions.load(file).table["y_true"] != right
    done = command("evaluate", file, "--release", release)
    assert isinstance(done.exception, YoungerError)
    assert "lies.parquet gives another label than the release to" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("evaluate", "nowhere"), "there is no file nowhere"),
        (("evaluate", "{run}", "--split", "tets"), "no split 'tets': did you mean test"),
        (("evaluate", "{run}", "--split", "unseen"), "has no unseen rows in the paper split scheme"),
        (("evaluate", "{run}", "--device", "cuda:9"), "there is no device cuda:9 here"),
        (("evaluate", "{run}/config.json", "--split", "test"), "says itself of which split it is: leave --split out"),
        (("evaluate", "{run}/config.json"), "config.json is no Parquet file, or damaged"),
        (("evaluate", "{release}"), "there is no training run in"),
    ],
)
def test_bad_input_is_one_sentence(trained, release, arguments, sentence):
    places = {"run": trained["operator"].directory, "release": release}
    error = command(*(argument.format(**places) for argument in arguments)).exception
    assert isinstance(error, YoungerError)
    assert sentence in str(error)
    assert "\n" not in str(error)


def test_a_run_without_a_checkpoint_is_named(release, tmp_path):
    config = config_of("operator", {"model": "gcn", "release": str(release)})
    Run.create(tmp_path / "run", config, Vocabulary.load(release)).start({})
    error = command("evaluate", tmp_path / "run").exception
    assert isinstance(error, YoungerError)
    assert "run has no checkpoint yet" in str(error)


WITHOUT_PYTORCH = """
import sys
from importlib.machinery import PathFinder
class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "torch" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden
from younger_hf.cli import main
main()
"""


def without_pytorch(arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_PYTORCH, *arguments.split()]
    return subprocess.run(command, capture_output=True, text=True, cwd=directory)


@pytest.mark.parametrize(
    "arguments",
    [
        "evaluate {run}",
        "embed {run} --level node --output .",
        "suggest a.onnx --run {run} --node 1",
        "train operator --model gcn --release {release}",
    ],
)
def test_without_pytorch_the_extra_that_has_it_is_named(trained, release, tmp_path, arguments):
    (tmp_path / "a.onnx").touch()
    done = without_pytorch(arguments.format(release=release, run=trained["operator"].directory), tmp_path)
    assert done.stderr == "younger-hf: this needs the package torch: pip install 'younger-hf[train]'\n"
    assert done.returncode == 1


@pytest.mark.parametrize("task", TASKS)
def test_a_predictions_file_is_scored_without_pytorch(trained, release, tmp_path, task):
    predict_split(trained[task], open_release(release), "test").save(tmp_path / "p.parquet")
    done = without_pytorch(f"evaluate p.parquet --release {release}", tmp_path)
    assert done.stdout.split()[:2] == ["model", "config"]
    assert done.stderr.endswith(f"the labels are those of {release}, and none is left out\n")
