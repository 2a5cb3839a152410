"""From sources to a release, through the real command: resumable, the same bytes, and a sentence for each fault."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders.convert import Outcome
from builders.crawl.local import zoo_files
from builders.ledger import FILE_NAME, Ledger
from builders.pipeline import collect

COMMAND = [sys.executable, "-m", "younger_hf.cli"]


def build(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "build", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.*")}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of four real models and three files that are none."""
    directory = tmp_path_factory.mktemp("models")
    for name in ("squeezenet", "resnet50", "shufflenet", "vgg19"):
        shutil.copy(zoo_files()[name], directory / f"{name}.onnx")
    whole = (directory / "resnet50.onnx").read_bytes()
    (directory / "truncated.onnx").write_bytes(whole[: len(whole) // 2])
    (directory / "text.onnx").write_text("this is no model")
    (directory / "empty.onnx").touch()
    return directory


@pytest.fixture(scope="module")
def undisturbed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The release of an undisturbed build, and what the command said."""
    directory = tmp_path_factory.mktemp("undisturbed")
    done = build("--source", f"onnx:{models}", "--work", directory / "work", "--output", directory / "younger")
    assert done.returncode == 0, done.stderr
    return directory / "younger", done.stdout + done.stderr


def test_a_bad_model_never_stops_a_build_and_is_named(undisturbed: tuple[Path, str]) -> None:
    release, said = undisturbed
    assert (release / "README.md").is_file()
    assert "3 models are not in it" in said
    for name in ("empty", "text", "truncated"):
        assert f"onnx {name}: invalid_onnx" in said
    assert "Traceback" not in said


def test_a_build_killed_at_any_moment_and_run_again_gives_the_same_bytes(
    models: Path, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    arguments = ("--source", f"onnx:{models}", "--work", tmp_path / "work", "--output", tmp_path / "younger")
    killed_at = []
    for enough in (1, 3, 6):  # attempts in the ledger when the kill comes
        driver = subprocess.Popen(
            [*COMMAND, "build", *map(str, arguments), "--jobs", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while attempts(tmp_path / "work") < enough and driver.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        killed_at.append(attempts(tmp_path / "work"))
    assert killed_at[0] < 7
    done = build(*arguments)
    assert done.returncode == 0, done.stderr
    assert attempts(tmp_path / "work") == 7
    assert contents(tmp_path / "younger") == contents(undisturbed[0])


def attempts(work: Path) -> int:
    """Counted beside the driver, which holds the ledger."""
    if not (work / FILE_NAME).exists():
        return 0
    database = sqlite3.connect(f"file:{work / FILE_NAME}?mode=ro", uri=True, timeout=10)
    try:
        return int(database.execute("SELECT count(*) FROM attempts").fetchone()[0])
    except sqlite3.OperationalError:  # the table is not there yet
        return 0
    finally:
        database.close()


def test_a_second_collection_does_only_what_is_missing(models: Path, tmp_path: Path) -> None:
    source = f"onnx:{models}"
    with Ledger(tmp_path) as ledger:
        assert collect(ledger, [source], limit=2) == {Outcome.INVALID_ONNX: 1, Outcome.OK: 1}
        assert collect(ledger, [source], limit=2) == {}
        assert collect(ledger, [source], limit=3) == {Outcome.OK: 1}
        assert collect(ledger, [source], limit=2, retry=[Outcome.INVALID_ONNX]) == {Outcome.INVALID_ONNX: 1}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--source", "torchvisoin"], 2, "there is no source 'torchvisoin'; did you mean torchvision?"),
        (["--source", "onnx-package:resnet51"], 2, "onnx-package has no model 'resnet51'; did you mean resnet50"),
        (["--source", "onnx:nowhere"], 2, "there is no file or directory nowhere"),
        (["--source", "onnx:no_models"], 2, "there is no .onnx file in the directory no_models"),
        (["--source", "onnx:text.onnx"], 1, "none of 1 models could be converted; onnx text: invalid_onnx"),
        (["--source", "onnx-package", "--output", "text.onnx"], 2, "text.onnx is a file: name a directory"),
        (["--source", "onnx-package", "--output", "no_release"], 2, "is not empty and no release"),
        (["--source", "onnx-package", "--output", "/proc/younger"], 1, "cannot write a release to /proc/younger"),
        (["--source", "onnx-package", "--work", "/proc/work"], 1, "the work directory /proc/work cannot be written"),
    ],
)
def test_a_fault_is_one_sentence_with_its_exit_code(
    arguments: list[str], code: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "no_models").mkdir()
    (tmp_path / "text.onnx").write_text("this is no model")
    (tmp_path / "no_release").mkdir()
    (tmp_path / "no_release" / "notes.txt").write_text("mine")
    work = [] if "--work" in arguments else ["--work", "work"]
    done = build(*arguments, *work, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert sentence in done.stderr
    assert not (tmp_path / "younger").exists()
    assert (tmp_path / "no_release" / "notes.txt").read_text() == "mine"


def test_a_failed_build_leaves_the_earlier_release_untouched(
    models: Path, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    release = tmp_path / "younger"
    shutil.copytree(undisturbed[0], release)
    before = contents(release)
    done = build("--source", f"onnx:{models / 'text.onnx'}", "--work", tmp_path / "work", "--output", release)
    assert done.returncode == 1
    assert contents(release) == before
