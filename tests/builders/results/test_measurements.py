"""Architectures are run with random parameters, one at a time, within limits, and each once."""

from __future__ import annotations

import fcntl
import time
from collections import Counter
from pathlib import Path

import datasets
import pytest
import yaml
from support.runtime import weightless
from typer.testing import CliRunner

from builders.results.files import read_results
from builders.results.measurements import Limits, measure
from younger_hf.cli import app
from younger_hf.errors import UsageError, YoungerError
from younger_hf.extract import extract
from younger_hf.identity import fingerprint, skeleton_fingerprint
from younger_hf.release import SCHEMA_VERSION_KEY, Release, open_release
from younger_hf.schema import SCHEMA_VERSION

SMALL = "small (float[2,3] x) => (float[2,3] y) { a = Relu(x) y = Tanh(a) }"
# 100 million parameters: 400 MB.
LARGE = "large (float[1,20000] x) => (float[1,5000] y) { a = Relu(x) y = MatMul(a, w) }"
ENDLESS = """endless (float[2,2] x) => (float[2,2] y) {
    n = Constant <value_int = 9000000000000000000> ()
    go = Constant <value = bool {1}> ()
    y = Loop (n, go, x) <body = step (int64 i, bool keep, float[2,2] a) => (bool out, float[2,2] b) {
        out = Identity(keep) b = Relu(a)
    }>
}"""
WRONG = "wrong (float[2,3] x) => (float[2,3] y) { a = Relu(x) y = MatMul(a, a) }"


def make_release(place: Path, graphs: list[str]) -> Release:
    rows = {"graphs": [], "skeletons": []}
    for number, graph in enumerate(graphs):
        parameters = [("w", "FLOAT", [20000, 5000])] if graph is LARGE else []
        skeleton = weightless(graph, *parameters)
        key = fingerprint(extract(skeleton))
        rows["graphs"].append({"fingerprint": key})
        model = {"source": "test", "id": str(number), "revision": "1", "downloads": None}
        row = {"skeleton_fingerprint": skeleton_fingerprint(skeleton), "fingerprint": key, "models": [model]}
        rows["skeletons"].append({**row, "onnx": skeleton.SerializeToString(deterministic=True)})
    card = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": []}
    for config, of_config in rows.items():
        datasets.Dataset.from_list(of_config).to_parquet(place / config / "train-00000-of-00001.parquet")
        files = [{"split": "train", "path": f"{config}/train-*.parquet"}]
        card["configs"].append({"config_name": config, "data_files": files})
    (place / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    return open_release(place)


def test_what_runs_is_timed_and_what_does_not_says_why(tmp_path):
    release = make_release(tmp_path / "younger", [SMALL, WRONG])
    work = tmp_path / "work"
    command = ["measure", "--release", release.source, "--work", work, "--passes", 5, "--threads", 1]
    first = CliRunner().invoke(app, [*map(str, command), "--limit", "1"])
    assert first.exit_code == 0, first.output
    assert len(read_results(work, "measurements")) == 1
    CliRunner().invoke(app, [*map(str, command)])
    rows = {row["outcome"]: row for row in read_results(work, "measurements")}
    assert set(rows) == {"ok", "error"}
    ran = rows["ok"]
    assert (ran["device"], ran["threads"], ran["batch"], ran["runtime"], ran["passes"]) == (
        "cpu",
        1,
        2,
        "onnxruntime",
        5,
    )
    assert 0 < ran["median"] < 1
    assert ran["spread"] >= 0
    assert ran["processor"]
    assert rows["error"]["median"] is None
    assert "MatMul" in rows["error"]["message"]
    again = CliRunner().invoke(app, [*map(str, command)])
    assert again.output.strip().endswith("nothing was left to measure")


def test_a_model_takes_no_more_time_than_it_may(tmp_path):
    release = make_release(tmp_path / "younger", [ENDLESS])
    before = time.monotonic()
    assert measure(release, tmp_path, limits=Limits(timeout=2)) == Counter(timeout=1)
    assert time.monotonic() - before < 60
    assert [row["message"] for row in read_results(tmp_path, "measurements")] == ["more than 2 seconds"]


def test_a_model_takes_no_more_memory_than_it_may(tmp_path):
    release = make_release(tmp_path / "younger", [LARGE])
    assert measure(release, tmp_path, limits=Limits(memory=256 << 20)) == Counter(out_of_memory=1)


def test_two_measurements_do_not_disturb_each_other(tmp_path):
    release = make_release(tmp_path / "younger", [SMALL])
    with (tmp_path / "measure.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(YoungerError, match="another process measures in"):
            measure(release, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cpuu"}, r"no device 'cpuu': did you mean cpu\?"),
        ({"device": "cuda"}, "ONNX Runtime has no device cuda"),
        ({"threads": 0}, "threads must be 1 or more, not 0"),
        ({"limits": {"passes": 1}}, "passes must be 3 or more, not 1"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, monkeypatch, options, message):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    release = make_release(tmp_path / "younger", [SMALL])
    with pytest.raises(UsageError, match=message):
        measure(release, tmp_path / "work", **{**options, "limits": Limits(**options.get("limits", {}))})
    assert not (tmp_path / "work").exists()
