"""`younger-hf show`: a file or a row as text, which `younger-hf inspect` reads again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.releases import every_row

from builders.crawl.onnx_package import zoo_files


def younger_hf(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "younger_hf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def younger(zoo: Path) -> Path:
    return zoo / "younger"


def test_a_row_is_shown_by_name_and_by_fingerprint_and_known_again(younger: Path, tmp_path: Path) -> None:
    row = every_row(younger, "graphs")[0]
    by_name = younger_hf("show", row["name"], "--release", younger)
    assert (by_name.returncode, by_name.stderr) == (0, "")
    assert by_name.stdout.startswith(f"graph opset={row['opset']}\nv0 = ")
    assert younger_hf("show", row["fingerprint"], "--release", younger).stdout == by_name.stdout
    (tmp_path / "shown.txt").write_text(by_name.stdout)
    found = json.loads(younger_hf("inspect", tmp_path / "shown.txt", "--release", younger, "--json").stdout)
    assert (found["fingerprint"], found["name"], found["in_release"]) == (row["fingerprint"], row["name"], True)


def test_a_file_is_shown_with_shapes_and_without_attributes() -> None:
    done = younger_hf("show", zoo_files()["squeezenet"], "--shapes", "--no-attributes")
    header, first = done.stdout.splitlines()[:2]
    assert header == "graph opset=9 without attributes"
    assert first.startswith("v0 = ConstantOfShape")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("squeezenit", "no architecture 'squeezenit': did you mean squeezenet"),
        ("0" * 32, f"has no architecture {'0' * 32}"),
        ("gone.onnx", "gone.onnx"),
    ],
)
def test_what_is_not_there_is_one_sentence(younger: Path, model: str, message: str) -> None:
    done = younger_hf("show", model, "--release", younger)
    assert (done.returncode, done.stdout) == (2, "") or (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_text_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.txt").write_text("graph opset=20\nv0 = Relu(v7)\n")
    done = younger_hf("inspect", tmp_path / "wrong.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "younger-hf: line 2, column 11: v7 is not defined above\n"
