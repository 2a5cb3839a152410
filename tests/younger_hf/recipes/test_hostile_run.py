"""A run directory of a stranger: whatever its JSON and safetensors say, it is a sentence."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from support.crafted_parquet import falsify
from typer.testing import CliRunner

from younger_hf.cli import app
from younger_hf.errors import ReleaseError, YoungerError
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.run import Run, RunError

DEEP = b"[" * 100_000


@pytest.fixture
def directory(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained["operator"].directory, tmp_path / "run"))


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(start: int, end: int, shape: list[int], kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


ABSURD = {
    "overlapping": safetensors({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)),
    "beyond the end": safetensors({"a": tensor(0, 1 << 60, [1 << 58])}, bytes(8)),
    "backwards": safetensors({"a": tensor(8, 0, [2])}, bytes(8)),
    "negative": safetensors({"a": tensor(-8, 0, [2])}, bytes(8)),
    "a shape that overflows": safetensors({"a": tensor(0, 8, [1 << 40, 1 << 40])}, bytes(8)),
    "with a gap": safetensors({"a": tensor(4, 8, [1])}, bytes(8)),
    "of no type": safetensors({"a": tensor(0, 8, [2], "PICKLE")}, bytes(8)),
    "a header without end": safetensors({}, length=(1 << 64) - 1),
    "a header of a gigabyte": safetensors({}, length=1 << 30),
    "nested": safetensors(DEEP),
    "no header": b"\x01",
    "empty": b"",
    "of another model": safetensors({"a": tensor(0, 8, [2])}, bytes(8)),
}


@pytest.mark.parametrize("content", ABSURD.values(), ids=ABSURD)
def test_offsets_and_headers_that_cannot_be_are_a_sentence(directory, content):
    run = Run.open(directory)
    run.checkpoint.write_bytes(content)
    with pytest.raises(RunError):
        load_best(run)
    run.state.write_bytes(content)
    with pytest.raises(RunError):
        Run.open(directory)


@pytest.mark.parametrize("content", [DEEP, b"[]", b"null", b"\xff", b"{}", b'{"recipe": 1}', b'{"recipe": "operator"}'])
@pytest.mark.parametrize("name", ["config.json", "vocabulary.json"])
def test_json_that_cannot_be_is_a_sentence(directory, name, content):
    (directory / name).write_bytes(content)
    with pytest.raises(YoungerError):
        Run.open(directory)


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ("graphs-no-attributes", ["embed", "RUN", "--level", "graph", "--output", "vectors"]),
        ("operators", ["embed", "RUN", "--level", "node", "--output", "vectors"]),
        ("subgraphs-no-attributes", ["evaluate", "RUN"]),
        ("operators", ["evaluate", "FILE"]),
    ],
)
def test_a_release_whose_footers_lie_is_not_opened(release, directory, tmp_path, monkeypatch, config, arguments):
    monkeypatch.chdir(tmp_path)
    if "FILE" in arguments:
        assert CliRunner().invoke(app, ["evaluate", str(directory), "--release", str(release)]).exit_code == 0
    file = falsify(shutil.copytree(release, tmp_path / "younger"), config)
    places = {"RUN": str(directory), "FILE": str(directory / "predictions-test.parquet")}
    done = CliRunner().invoke(app, [*(places.get(each, each) for each in arguments), "--release", "younger"])
    assert isinstance(done.exception, ReleaseError), done.output
    assert f"{file.relative_to(tmp_path)} cannot be taken (it says that it has 0 rows" in str(done.exception)
