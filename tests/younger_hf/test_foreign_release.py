"""A release of strangers: what its footers say is not believed, and it is named where one is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from support.crafted_parquet import bomb, with_num_rows

from builders.pipeline import build
from younger_hf import foreign_release
from younger_hf.errors import ReleaseError
from younger_hf.foreign_release import check_foreign_release
from younger_hf.release import open_release


def falsified(release: Path, place: Path, change: Callable[[Path], bytes]) -> tuple[Path, Path]:
    """A copy of a release, and its first file of config `graphs`, which is changed."""
    copy = shutil.copytree(release, place / "copy")
    file = sorted(copy.glob("graphs/*.parquet"))[0]
    file.write_bytes(change(file))
    return copy, file


def large_name(file: Path) -> bytes:
    """A file whose first row has a name of 200 MiB, and that says it has 36 bytes."""
    table = pq.read_table(file).slice(0, 1)
    return bomb(table.schema, table.to_pylist()[0], "name", 200 << 20)


def no_rows(file: Path) -> bytes:
    pq.write_table(pq.read_table(file).slice(0, 1), file)
    return with_num_rows(file.read_bytes(), 0)


def test_a_release_that_is_what_it_says_passes(release: Path):
    check_foreign_release(open_release(release))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (large_name, "a row group of it unpacks to more than 100 MiB"),
        (no_rows, "it says that it has 0 rows, and has 1"),
        (lambda file: file.read_bytes()[:-20], "cannot be taken"),
    ],
)
def test_a_falsified_file_is_named(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], bytes], sentence: str
):
    monkeypatch.setattr(foreign_release, "MOST_BYTES", 100 << 20)
    copy, file = falsified(release, tmp_path, change)
    before = psutil.Process().memory_info().rss
    with pytest.raises(ReleaseError) as caught:
        check_foreign_release(open_release(copy))
    assert str(file) in str(caught.value)
    assert sentence in str(caught.value)
    assert psutil.Process().memory_info().rss - before < 100 << 20


def test_a_build_upon_a_falsified_release_ends_before_anything_is_read_of_it(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(foreign_release, "MOST_BYTES", 100 << 20)
    monkeypatch.setattr("builders.pipeline.restore", lambda *_, **__: pytest.fail("the release was read"))
    copy, file = falsified(release, tmp_path, large_name)
    with pytest.raises(ReleaseError, match="unpacks to more than 100 MiB") as caught:
        build(["onnx-package:squeezenet"], tmp_path / "younger", tmp_path / "work", previous=copy)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "younger").exists()


def test_a_falsified_release_is_not_compared(release: Path, tmp_path: Path):
    copy, file = falsified(release, tmp_path, no_rows)
    done = subprocess.run(
        [sys.executable, "-m", "younger_hf", "diff", str(release), str(copy)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{file} cannot be taken (it says that it has 0 rows, and has 1)" in done.stderr
