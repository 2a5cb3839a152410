"""The leaderboard: entries are scored anew, the best first, and one that cannot be right is refused in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from younger_hf import Evaluator
from younger_hf.cli import app
from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import open_release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.leaderboard import score_entries
from younger_hf.tasks.predictions import Predictions

CLAIM = {"model": "a guess", "parameters": 12, "seed": 0, "code": "https://example.org/guess", "license": "MIT"}

Enter = Callable[..., Path]


@pytest.fixture(scope="module")
def labels(zoo: Path) -> tuple[EvaluationSet, pa.Table]:
    opened = open_release(zoo / "younger")
    of = EvaluationSet.of(opened, "operator", "train", attributes=False)
    return of, of.labels(opened)


@pytest.fixture
def release(zoo: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "younger"
    shutil.copytree(zoo / "younger", directory)
    (directory / "leaderboard").mkdir()
    return directory


@pytest.fixture
def enter(release: Path, labels: tuple[EvaluationSet, pa.Table]) -> Enter:
    """Lays an entry that is right in a share of the labels beside the release."""
    of, table = labels

    def lay(name: str, share: float = 0.5, **said: object) -> Path:
        y_true = table["y_true"].to_numpy()
        right = np.random.default_rng(0).random(len(y_true)) < share
        y_pred = pa.array(np.where(right, y_true, np.where(y_true == 2, 3, 2)))
        file = release / "leaderboard" / f"{name}.parquet"
        Predictions(of, name, table.append_column("y_pred", y_pred)).save(file)
        file.with_suffix(".yaml").write_text(yaml.safe_dump({**CLAIM, **said}))
        return file

    return lay


def test_entries_are_scored_anew_and_the_best_is_first(release, enter):
    files = [enter("poor", 0.3, model="Poor"), enter("good", 0.8, model="Good")]
    found = score_entries(open_release(release), draws=0)
    assert [entry.claim.model for entry in found] == ["Good", "Poor"]
    assert found[0].metrics == Evaluator.score(files[1], release)
    done = CliRunner().invoke(app, ["leaderboard", str(release), "--bootstrap", "5"])
    setting, head, good, poor = done.stdout.splitlines()
    assert setting == "operator, subgraphs-no-attributes, split train of scheme family, boundary both"
    assert head.split()[:4] == ["model", "parameters", "seed", "accuracy"]
    assert (good.split()[0], poor.split()[0]) == ("Good", "Poor")
    told = json.loads(CliRunner().invoke(app, ["leaderboard", str(release), "--bootstrap", "0", "--json"]).stdout)
    assert told[0]["metrics"] == found[0].metrics


def refused(release: Path) -> str:
    error = CliRunner().invoke(app, ["leaderboard", str(release), "--bootstrap", "0"]).exception
    assert isinstance(error, UsageError)
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"parameters": "12"}, "parameters is int, not '12'"),
        ({"parameters": -1}, "parameters must be 0 or more, not -1"),
        ({"code": "javascript:alert(1)"}, "code must be a link that begins with https://"),
        ({"model": "two\nlines"}, "model must be one line"),
        ({"accuracy": 1.0}, "must say model, parameters, seed, code, license, and nothing else"),
    ],
)
def test_what_an_entry_cannot_say_is_named(release, enter, said, sentence):
    enter("odd", **said)
    assert sentence in refused(release)


def test_an_entry_of_another_release_is_refused(release, enter):
    file = enter("foreign")
    predictions = Predictions.load(file)
    replace(predictions, of=replace(predictions.of, content="0" * 16)).save(file)
    assert "foreign.parquet is about another release" in refused(release)


def test_an_entry_with_rows_missing_or_twice_is_refused(release, enter):
    file = enter("short")
    predictions = Predictions.load(file)
    replace(predictions, table=predictions.table.slice(1)).save(file)
    assert "short.parquet leaves out 1 of the" in refused(release)
    replace(predictions, table=pa.concat_tables([predictions.table, predictions.table.slice(0, 1)])).save(file)
    assert "short.parquet has some of its" in refused(release)


def test_an_entry_that_counts_other_classes_is_refused(release, enter):
    file = enter("picky")
    predictions = Predictions.load(file)
    assert predictions.of.classes
    replace(predictions, of=replace(predictions.of, classes=predictions.of.classes[:1])).save(file)
    assert "picky.parquet is scored over other classes" in refused(release)


def test_half_an_entry_and_none_are_named(release, enter, tmp_path):
    assert "has no entries" in refused(release)
    file = enter("half")
    file.with_suffix(".yaml").rename(tmp_path / "half.yaml")
    enter("whole")
    assert "half.parquet has no half.yaml beside it" in refused(release)
    file.unlink()
    (tmp_path / "half.yaml").rename(file.with_suffix(".yaml"))
    assert "half.yaml has no half.parquet beside it" in refused(release)
    file.with_suffix(".yaml").write_text("model: [")
    assert "half.yaml cannot be read as YAML" in refused(release)


def test_likelihoods_that_a_file_claims_are_no_entry(release: Path) -> None:
    opened = open_release(release)
    of = EvaluationSet.of(opened, "generation", "train", attributes=False)
    table = of.labels(opened)
    file = release / "leaderboard" / "oracle.parquet"
    Predictions(of, "oracle", table.append_column("y_pred", pa.array(np.zeros(len(table))))).save(file)
    file.with_suffix(".yaml").write_text(yaml.safe_dump(CLAIM))
    with pytest.raises(YoungerError, match="claims likelihoods"):
        score_entries(opened, draws=0)
