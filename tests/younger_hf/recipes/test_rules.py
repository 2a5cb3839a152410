"""Rules: what they count and predict, in runs like those of models, without PyTorch."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from younger_hf import Evaluator, Vocabulary, YoungerError
from younger_hf.cli import app
from younger_hf.errors import UsageError
from younger_hf.recipes.recipe import config_of, find_recipe
from younger_hf.recipes.rules import complete
from younger_hf.recipes.run import Run, RunError
from younger_hf.recipes.scoring import predict_split
from younger_hf.release import open_release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.predictions import Predictions, check_labels

from .test_scoring import without_pytorch

RULES = [(recipe, rule) for recipe in ("operator", "dataflow") for rule in find_recipe(recipe).config.rules]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def fitted(release: Path, directory: Path, recipe: str, rule: str, **settings: object) -> Run:
    schemes = {"operator": "paper", "dataflow": "family", "slots": "family"}
    given = {"model": rule, "release": str(release), "split_scheme": schemes[recipe], **settings}
    run = Run.create(directory, config_of(recipe, given), Vocabulary.load(release))
    complete(run)
    return Run.open(directory)


@pytest.mark.parametrize(("recipe", "rule"), RULES)
def test_a_rule_leaves_a_run_whose_predictions_are_the_whole_split(release, tmp_path, recipe, rule):
    run = fitted(release, tmp_path / "run", recipe, rule)
    names = {"config.json", "vocabulary.json", "environment.json", "metrics.jsonl", "best.json", "rule.parquet"}
    assert {file.name for file in run.directory.iterdir()} == names
    opened = open_release(release)
    predictions = predict_split(run, opened, "test")
    predictions.save(tmp_path / "p.parquet")
    check_labels(Predictions.load(tmp_path / "p.parquet"), opened, Path("p"))
    metrics = Evaluator.score(tmp_path / "p.parquet")
    assert all(0 <= value <= 1 for value in metrics.values())
    # What was validated is what evaluation gives.
    predict_split(run, opened, "validation").save(tmp_path / "v.parquet")
    validated = Evaluator.score(tmp_path / "v.parquet")
    assert {name: run.best()[name] for name in run.config.task.metrics} == pytest.approx(
        {name: validated[name] for name in run.config.task.metrics}
    )


def test_the_majority_is_the_operator_most_often_masked_in_train(release, tmp_path):
    opened = open_release(release)
    of = EvaluationSet.of(opened, "operator", "train", attributes=False, split_scheme="paper")
    count = Counter(of.labels(opened)["y_true"].to_pylist())
    predictions = predict_split(fitted(release, tmp_path / "run", "operator", "majority"), opened, "test").table
    assert set(predictions["y_pred"].to_pylist()) == {min(count, key=lambda operator: (-count[operator], operator))}
    top = predictions["top"][0].as_py()
    assert [count[operator] for operator in top] == [number for _, number in count.most_common(10)]


def test_a_look_up_knows_what_it_has_seen_and_the_farther_it_sees_the_better(release, tmp_path):
    opened = open_release(release)
    scores = []
    for hops, title in ((1, "ngram, 1 hop"), (4, "ngram, 4 hops")):
        run = fitted(release, tmp_path / str(hops), "operator", "ngram", hops=hops)
        assert run.config.title == title
        predictions = predict_split(run, opened, "train")
        scores.append(np.mean(np.equal(*predictions.arrays().values())))
    majority = predict_split(fitted(release, tmp_path / "m", "operator", "majority"), opened, "train")
    assert np.mean(np.equal(*majority.arrays().values())) < scores[0] < scores[1]
    assert scores[1] > 0.8


def test_the_order_rule_ranks_by_distance(release, tmp_path):
    table = predict_split(fitted(release, tmp_path / "run", "dataflow", "rule"), open_release(release), "test").table
    producer, consumer, probability = (table[name].to_numpy() for name in ("producer", "consumer", "y_pred"))
    backward = consumer < producer
    assert backward.any()
    assert not probability[backward].any()
    distance, forward = (consumer - producer)[~backward], probability[~backward]
    assert (np.diff(forward[np.argsort(distance, kind="stable")]) <= 0).all()


def test_a_rule_is_not_resumed_and_has_nothing_to_embed_or_suggest(release, tmp_path):
    run = fitted(release, tmp_path / "run", "operator", "majority")
    error = command("train", "operator", "--run", run.directory, "--resume").exception
    assert isinstance(error, UsageError)
    assert str(error).endswith("is complete: a rule is not trained in steps")
    error = command("embed", run.directory, "--level", "graph", "--output", tmp_path / "out").exception
    assert isinstance(error, UsageError)
    assert "is a run of the rule majority, which has no parameters" in str(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no Parquet"])
def test_a_damaged_rule_is_named(release, tmp_path, content):
    run = fitted(release, tmp_path / "run", "operator", "majority")
    run.checkpoint.write_bytes(content)
    with pytest.raises(RunError, match=r"rule\.parquet is damaged"):
        predict_split(run, open_release(release), "test")


def test_a_rule_needs_no_pytorch(release, tmp_path):
    train = f"train operator --model ngram --split-scheme paper --release {release} --run mine"
    for arguments in (train, "evaluate mine"):
        done = without_pytorch(arguments, tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "mine/evaluation-test.json").read_text())["model"] == "ngram, 4 hops"


def test_a_model_that_there_is_not_is_answered_with_rules_too(release):
    error = command("train", "operator", "--release", release, "--model", "n-gram").exception
    assert isinstance(error, YoungerError)
    assert "did you mean ngram" in str(error)
