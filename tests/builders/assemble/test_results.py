"""Results become configs of a release, and what was made of a release stays with the next one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.ledgers import conversion, fill
from support.releases import every_row, files
from support.runtime import weightless
from typer.testing import CliRunner

from builders.assemble import assemble
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from builders.publish.release_check import check_release
from builders.results.files import write_results
from younger_hf.cli import app
from younger_hf.dataset import load
from younger_hf.errors import UsageError
from younger_hf.extract import extract
from younger_hf.identity import fingerprint
from younger_hf.release import open_release
from younger_hf.tasks.graph_level import TargetChoices, task_of

SETTING = {"device": "cpu", "processor": "a processor", "threads": 1, "runtime": "onnxruntime", "version": "1"}
OF_FIGURE = {"dataset": "imagenet-1k", "split": "validation", "metric": "top1", "unit": "%", "image_size": 224}


def chain(operators: list[str]) -> str:
    body = " ".join(f"x{i + 1} = {operator}(x{i})" for i, operator in enumerate(operators))
    return f"chain (float[2,3] x0) => (float[2,3] x{len(operators)}) {{ {body} }}"


MODELS = {
    f"model-{length}": weightless(chain(["Relu", "Tanh", "Sigmoid", "Abs"][: length % 3 + 2] * length))
    for length in range(1, 7)
}


def measurement(graph: str, median: float | None, **setting: object) -> dict[str, object]:
    outcome = {"outcome": "timeout" if median is None else "ok", "message": None}
    about = {"skeleton_fingerprint": "s", "batch": 1, "passes": 5, "spread": 0.001}
    return {"fingerprint": graph, **SETTING, **about, "median": median, **outcome, **setting}


def figure(graph: str, model: str, value: float) -> dict[str, object]:
    return {"fingerprint": graph, "model": model, **OF_FIGURE, "value": value, "device": None, "table": "table.csv"}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    models = [
        (ModelRef("test", name, "1", family=f"family-{i}"), conversion(model))
        for i, (name, model) in enumerate(MODELS.items())
    ]
    with fill(tmp_path_factory.mktemp("ledger"), models) as found:
        yield found


@pytest.fixture(scope="module")
def release(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("results")
    graphs = {name: fingerprint(extract(model)) for name, model in MODELS.items()}
    latencies = [measurement(graph, 0.01 * i) for i, graph in enumerate(graphs.values(), 1)]
    latencies[3]["median"] = None
    other = measurement(graphs["model-1"], 7.0, threads=2)
    write_results(directory, "measurements", [*latencies, other, measurement("gone", 1.0)])
    figures = [figure(graphs["model-2"], "model.a", 70.0), figure(graphs["model-2"], "model.b", 75.0)]
    write_results(directory, "evaluations", figures)
    assemble(ledger, directory / "younger", results=directory)
    return directory / "younger"


def test_results_are_configs_of_the_release(release):
    assert len(every_row(release, "measurements")) == len(MODELS) + 1
    assert {row["value"] for row in load("evaluations", "train", release)} == {70.0, 75.0}
    card = (release / "README.md").read_text()
    assert "`infer_step_time`" in card
    assert "measurements" in json.dumps(json.loads((release / "croissant.json").read_text()))
    assert "measurements/train-00000-of-00001.parquet" in check_release(release)


@pytest.mark.parametrize("config", ["graphs", "graphs-no-attributes"])
def test_latency_is_a_target_in_the_setting_of_most(release, config):
    task = task_of("latency")
    opened = open_release(release)
    rows = load(config, "all", release)
    prepared = task.prepare(rows, opened, TargetChoices("latency"))
    found = dict(zip(prepared["name"], prepared["latency"], strict=True))
    assert found == {f"model-{i}": pytest.approx(0.01 * i) if i != 4 else None for i in range(1, 7)}
    best = task.prepare(rows, opened, TargetChoices("top1"))
    assert {name: value for name, value in zip(best["name"], best["top1"], strict=True) if value} == {"model-2": 75.0}


def test_a_run_is_trained_and_scored_by_latency(release, tmp_path):
    run = tmp_path / "run"
    told = ["--model", "majority", "--target", "latency", "--release", str(release), "--run", str(run)]
    done = CliRunner().invoke(app, ["train", "graph", *told])
    assert done.exit_code == 0, done.output
    scored = CliRunner().invoke(app, ["evaluate", str(run), "--bootstrap", "0", "--json"])
    facts = json.loads(scored.stdout)
    train, test = (load("graphs-no-attributes", split, release) for split in ("train", "test"))
    latency = {f"model-{i}": 0.01 * i for i in range(1, 7) if i != 4}
    guess = np.median([latency[name] for name in train["name"] if name in latency])
    wanted = [abs(np.log10((1 + guess) / (1 + latency[name]))) for name in test["name"] if name in latency]
    assert (facts["of"]["target"], facts["labels"]) == ("latency", len(wanted))
    assert facts["metrics"]["mae"] == pytest.approx(np.mean(wanted))


def test_a_release_without_results_says_what_makes_them(release):
    without = replace(open_release(release), configs={})
    with pytest.raises(UsageError, match="has no measurements: younger-hf measure makes them"):
        task_of("latency").prepare(None, without, TargetChoices("latency"))


def test_the_next_release_keeps_results_entries_and_the_encoder(release, ledger, tmp_path):
    made = {
        "leaderboard/mine.yaml": b"model: mine\n",
        "leaderboard/mine.parquet": b"predictions",
        "encoder/config.json": b"{}",
        "encoder/best.safetensors": b"parameters",
    }
    for name, content in made.items():
        (release / name).parent.mkdir(exist_ok=True)
        (release / name).write_bytes(content)
    assert set(made) <= set(check_release(release))
    assemble(ledger, tmp_path / "next", previous=release)
    after = files(tmp_path / "next")
    assert {name: after[name] for name in made} == made
    for config in ("measurements", "evaluations"):
        assert every_row(tmp_path / "next", config) == every_row(release, config)
    # In its own place, too.
    assemble(ledger, release)
    assert {name: files(release)[name] for name in made} == made
    (release / "encoder" / "more.py").write_text("")
    with pytest.raises(UsageError, match=r"more\.py is not part of a release and would be lost"):
        assemble(ledger, release)
