"""No command opens Parquet of a release whose footer lies: it is looked through first, once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from support.crafted_parquet import falsify
from support.light import LIGHT
from typer.testing import CliRunner

from younger_hf import foreign_parquet
from younger_hf.cli import app
from younger_hf.errors import ReleaseError
from younger_hf.release import open_release

MODEL = str(LIGHT / "light_squeezenet.onnx")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copy(zoo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(zoo / "younger", tmp_path / "younger"))


def refusal(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(done.exception, ReleaseError), done.output
    return str(done.exception)


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ("graphs", ["inspect", MODEL, "--release", "younger"]),
        ("graphs", ["draw", "0" * 32, "--release", "younger"]),
        ("subgraphs", ["stats", "younger"]),
        ("conversions", ["status", "younger"]),
        ("skeletons", ["audit", "younger", "--run", "0", "--convert", "0"]),
        ("graphs", ["publish", "younger", "--repo-id", "org/younger"]),
        ("skeletons", ["diff", "younger", "younger"]),
        ("subgraphs-no-attributes", ["train", "operator", "--release", "younger", "--model", "sage"]),
        ("operators", ["train", "dataflow", "--release", "younger", "--model", "sage"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_falsified_file_of_a_directory_is_not_opened(
    copy: Path, monkeypatch: pytest.MonkeyPatch, config: str, arguments: list[str]
) -> None:
    monkeypatch.chdir(copy.parent)
    file = falsify(copy, config)
    why = "it says that it has 0 rows, and has 1"
    assert refusal(*arguments) == f"{file.relative_to(copy.parent)} cannot be taken ({why}): fetch or build it again"


def test_normal_forms_are_looked_through_before_near_rows_are_described(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = falsify(copy, "architectures")
    unknown = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { a = Abs (x) y = Relu (a) }'
    )
    onnx.save(unknown, tmp_path / "unknown.onnx")
    known = CliRunner().invoke(app, ["inspect", MODEL, "--release", str(copy)])
    assert "the same network as squeezenet" in known.stdout
    assert str(file) in refusal("inspect", tmp_path / "unknown.onnx", "--release", copy)


def test_what_has_passed_is_not_looked_through_again_until_it_changes(
    copy: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(app, ["inspect", MODEL, "--release", str(copy)]).exit_code == 0
    assert (cache / "younger-hf/checked").read_text().count("\n") == len(open_release(copy).files("graphs"))
    with monkeypatch.context() as patch:
        patch.setattr(foreign_parquet, "check_foreign", lambda *_, **__: pytest.fail("it was looked through again"))
        assert CliRunner().invoke(app, ["inspect", MODEL, "--release", str(copy)]).exit_code == 0
    file = falsify(copy, "graphs")
    assert str(file) in refusal("inspect", MODEL, "--release", copy)


def test_without_a_cache_it_is_looked_through_each_time(copy: Path, cache: Path) -> None:
    cache.write_text("no directory")
    for _ in range(2):
        assert CliRunner().invoke(app, ["inspect", MODEL, "--release", str(copy)]).exit_code == 0


@pytest.fixture
def served(copy: Path, tmp_path: Path) -> Iterator[Path]:
    """A Hub with the release as org/younger, which has a file that lies."""
    file = falsify(copy, "graphs")
    repository = Repository.of_directory("org/younger", copy, "datasets")
    with hub(repository) as server, client(server, tmp_path / "home"):
        yield file.relative_to(copy)


def test_a_falsified_file_on_the_hub_is_not_opened(served: Path) -> None:
    for arguments in (["inspect", MODEL, "--release", "org/younger"], ["stats", "org/younger"]):
        said = refusal(*arguments)
        assert str(served) in said
        assert "cannot be taken (it says that it has 0 rows, and has 1)" in said
