"""`younger-hf train graph`: a column of the release from the whole graph, as classes or as a number."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from younger_hf import Evaluator, Vocabulary, class_names, load
from younger_hf.errors import UsageError
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.rules import complete
from younger_hf.recipes.run import Run
from younger_hf.recipes.scoring import predict_split
from younger_hf.release import open_release
from younger_hf.tasks.predictions import check_labels


def train_on(release: Path, directory: Path, model: str, target: str) -> Run:
    settings = {"model": model, "target": target, "release": str(release), "steps": 3, "limit": 20, "device": "cpu"}
    run = Run.create(directory, config_of("graph", {**settings, "validate_every": 2}), Vocabulary.load(release))
    complete(run)
    return Run.open(directory)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("majority", "source"),
        ("bag", "source"),
        ("gine", "source"),
        ("majority", "depth"),
        ("bag", "depth"),
        ("gcn", "depth"),
    ],
)
def test_a_column_is_predicted_for_every_row_that_has_it(release, tmp_path, model, target):
    run = train_on(release, tmp_path / "run", model, target)
    opened = open_release(release)
    predictions = predict_split(run, opened, "test")
    predictions.save(tmp_path / "p.parquet")
    check_labels(predictions, opened, Path("p"))
    rows = load("graphs-no-attributes", "test", release)
    assert predictions.table["y_true"].to_pylist() == rows[target][:]
    metrics = Evaluator.score(tmp_path / "p.parquet", opened)
    assert tuple(metrics) == run.config.task.metrics
    assert np.isfinite(list(metrics.values())).all()


def test_classes_are_numbered_as_the_release_of_the_training_lists_them(release, tmp_path, monkeypatch):
    run = train_on(release, tmp_path / "run", "gcn", "source")
    opened = open_release(release)
    before = predict_split(run, opened, "test")
    listed = class_names("source", release)
    assert load_best(run).classes == listed

    def of_another(column: str, source: object = "", revision: str | None = None) -> tuple[str, ...]:
        return listed if str(source) == str(release) else ("another", *listed)

    monkeypatch.setattr("younger_hf.recipes.graph.class_names", of_another)
    other = open_release(shutil.copytree(release, tmp_path / "younger"))
    assert predict_split(run, other, "test").table == before.table


def test_the_median_is_predicted_where_nothing_is_looked_at(release, tmp_path):
    run = train_on(release, tmp_path / "run", "majority", "depth")
    rows = load("graphs-no-attributes", "train", release)
    predicted = predict_split(run, open_release(release), "test").table["y_pred"].to_pylist()
    assert len({*predicted}) == 1
    assert len(rows) > 20 or predicted[0] == np.median(rows["depth"][:])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"target": "tsk"}, "no target 'tsk': did you mean task"),
        ({"target": "fingerprint"}, "no target 'fingerprint'"),
        ({"target": "family"}, "no family of test is in train, where splits keep families apart"),
    ],
)
def test_a_target_that_cannot_be_is_refused(settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        config_of("graph", {"model": "gine", **settings})


def test_a_target_without_values_is_refused_and_no_run_is_begun(release, tmp_path, monkeypatch):
    from younger_hf.tasks.graph_table import GraphTable

    column = GraphTable.column
    monkeypatch.setattr(GraphTable, "column", lambda table, name: column(table, name).slice(0, 0))
    for model in ("majority", "gine"):
        with pytest.raises(UsageError, match=r"no row of .* has a macs there: choose another target"):
            train_on(release, tmp_path / model, model, "macs")
        assert not (tmp_path / model).exists()


def test_regression_by_hand():
    metrics = Evaluator("graph-value").evaluate(
        {"y_true": np.array([9.0, 99.0, 999.0]), "y_pred": np.array([9.5, 9.0, 99.0])}
    )
    assert metrics == pytest.approx({"tau": 1 / 3, "within10": 1 / 3, "mae": (np.log10(10.5) - 1 + 1 + 1) / 3})
    for value in (-1.0, np.nan):
        with pytest.raises(UsageError, match=r"y_pred\[1\] is"):
            Evaluator("graph-value").evaluate({"y_true": np.array([1.0, 2.0]), "y_pred": np.array([1.0, value])})


def test_classification_by_hand():
    y_true, y_pred = (np.array(names, dtype=object) for names in (["a", "a", "b", "c"], ["a", "b", "b", "a"]))
    metrics = Evaluator("graph-class", classes=["a", "b", "d"]).evaluate({"y_true": y_true, "y_pred": y_pred})
    assert metrics == pytest.approx({"accuracy": 1 / 2, "f1": (1 / 2 + 2 / 3) / 2})
