"""A file is found whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from younger_hf import YoungerError
from younger_hf.whole_files import write_whole


def test_a_file_is_written_or_replaced_and_nothing_is_left_beside_it(tmp_path: Path):
    for content in (b"first", b"second"):
        write_whole(tmp_path / "new" / "file", content)
        assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"file": content}


def test_what_is_there_stays_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_whole(tmp_path / "file", b"first")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(YoungerError, match=r"file cannot be written \(No space left on device\)$"):
        write_whole(tmp_path / "file", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"first"}


def test_a_directory_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "run").write_text("")
    with pytest.raises(YoungerError, match=r"run/file cannot be written"):
        write_whole(tmp_path / "run" / "file", b"")
