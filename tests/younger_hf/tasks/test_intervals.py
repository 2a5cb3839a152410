"""Intervals over families, and differences of two models on the same labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from younger_hf import load
from younger_hf.cli import app
from younger_hf.errors import UsageError
from younger_hf.release import Release, open_release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.intervals import differences, families_of, intervals, share_without_class
from younger_hf.tasks.predictions import Predictions


@pytest.fixture(scope="module")
def opened(zoo: Path) -> Release:
    return open_release(zoo / "younger")


def right_in(opened: Release, share: float, task: str = "operator", seed: int = 1) -> Predictions:
    """A model that is right by chance, whatever the family."""
    of = EvaluationSet.of(opened, task, "train", attributes=False)
    labels = of.labels(opened)
    right = np.random.default_rng(seed).random(labels.num_rows) < share
    y_true = labels["y_true"].to_numpy()
    wrong = np.where(y_true == 2, 3, 2)
    return Predictions(of, f"right {share}", labels.append_column("y_pred", pa.array(np.where(right, y_true, wrong))))


def test_a_subgraph_is_of_the_family_of_its_graph(opened, zoo):
    predictions = right_in(opened, 0.5)
    graphs = {row["fingerprint"]: row["family"] for row in load("graphs", source=zoo / "younger")["train"]}
    subgraphs = {row["fingerprint"]: row["graphs"][0] for row in load(predictions.of.config, "train", zoo / "younger")}
    numbers = families_of(predictions, opened)
    by_number: dict[int, set[str | None]] = {}
    for number, fingerprint in zip(numbers.tolist(), predictions.table["fingerprint"].to_pylist(), strict=True):
        by_number.setdefault(number, set()).add(graphs.get(subgraphs[fingerprint], "of another split"))
    assert len(by_number) > 3
    assert all(len(families) == 1 for families in by_number.values())


def test_an_interval_holds_the_metric_and_is_the_same_each_time(opened):
    predictions = right_in(opened, 0.6)
    families = families_of(predictions, opened)
    found = intervals(predictions, families, draws=25)
    assert found == intervals(predictions, families, draws=25)
    low, high = found["accuracy"]
    assert low < np.mean(np.equal(*predictions.arrays().values())) < high
    assert intervals(predictions, np.zeros_like(families), draws=25) == {}


def test_a_difference_is_paired(opened):
    """Both models fail on the same labels but for a share of them, so that the interval is narrow."""
    first, second = right_in(opened, 0.5), right_in(opened, 0.6)
    found, num_families = differences(first, second, opened, draws=25)
    each = found["accuracy"]
    assert num_families > 3
    assert 0 < each.low < each.second - each.first < each.high
    alone = intervals(first, families_of(first, opened), draws=25)["accuracy"]
    assert each.high - each.low < alone[1] - alone[0]
    # The order of the rows plays no part.
    shuffled = replace(second, table=second.table.take(np.random.default_rng(0).permutation(second.table.num_rows)))
    assert differences(first, shuffled, opened, draws=25) == (found, num_families)


def test_of_several_seeds_it_is_the_means_that_are_compared(opened):
    first = [right_in(opened, share, seed=seed) for seed, share in enumerate((0.3, 0.5, 0.7))]
    second = right_in(opened, 0.6, seed=9)
    found, _ = differences(first, second, opened, draws=25)
    alone = [differences(each, second, opened, draws=25)[0]["accuracy"] for each in first]
    each = found["accuracy"]
    assert each.first == pytest.approx(np.mean([one.first for one in alone]))
    assert each.second == alone[0].second
    # Seeds that differ so much leave it open which model is better.
    assert each.low < 0 < each.high
    same, _ = differences([first[1]] * 3, second, opened, draws=25)
    assert same["accuracy"].low == pytest.approx(alone[1].low)
    assert same["accuracy"].high == pytest.approx(alone[1].high)


def test_predictions_of_other_labels_are_not_compared(opened):
    first = right_in(opened, 0.5)
    other = replace(first, of=replace(first.of, split="test"))
    with pytest.raises(UsageError, match="they predict other labels: split is train and test"):
        differences(first, other, opened)


def test_the_share_of_labels_that_no_mean_counts_is_known(opened):
    predictions = right_in(opened, 0.5)
    assert share_without_class(predictions) == 0
    few = replace(predictions, of=replace(predictions.of, classes=predictions.of.classes[:2]))
    assert 0 < share_without_class(few) < 1


def test_the_command_compares_files_and_says_what_is_missing(opened, zoo, tmp_path):
    files = []
    for share in (0.5, 0.6):
        files.append(str(tmp_path / f"{share}.parquet"))
        right_in(opened, share).save(Path(files[-1]))
    arguments = ["compare", *files, "--release", str(zoo / "younger"), "--bootstrap", "20"]
    done = CliRunner().invoke(app, arguments)
    head, row, *_ = done.stdout.splitlines()
    assert head.split() == "metric right 0.5 right 0.6 difference 95 % interval".split()
    assert row.split()[0] == "accuracy"
    facts = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert facts["metrics"]["accuracy"]["first"] == pytest.approx(float(row.split()[1]), abs=1e-4)
    both = CliRunner().invoke(app, ["compare", ",".join(files), files[1], *arguments[3:]])
    assert (
        both.stdout.splitlines()[0].split() == "metric right 0.5 (2 seeds) right 0.6 difference 95 % interval".split()
    )
    error = CliRunner().invoke(app, ["compare", str(tmp_path), files[0]]).exception
    assert isinstance(error, UsageError)
    assert f"younger-hf evaluate {tmp_path} --split test" in str(error)
