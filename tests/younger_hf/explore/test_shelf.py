"""Rows by fingerprint, out of row groups that are read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from younger_hf.dataset import load
from younger_hf.errors import ReleaseError
from younger_hf.explore.shelf import Shelf
from younger_hf.release import open_release

COLUMNS = ("name", "edge_index", "models", "never_there")


def test_a_row_is_what_the_release_has(zoo: Path) -> None:
    shelf = Shelf(open_release(zoo / "younger"), "graphs", COLUMNS)
    for row in load("graphs", "all", zoo / "younger"):
        (found,) = shelf.find(row["fingerprint"])
        assert found == {name: row[name] for name in ("fingerprint", *COLUMNS) if name in row}
    assert shelf.find("0") == []


def test_a_row_group_is_read_once(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(open_release(zoo / "younger"), "skeletons", ("onnx",))
    rows = load("skeletons", "all", zoo / "younger")["fingerprint"]
    shelf.fill()
    monkeypatch.setattr("younger_hf.explore.shelf.read_row_groups", None)
    assert all(shelf.find(fingerprint)[0]["onnx"] for fingerprint in rows)


def test_a_damaged_file_is_named(zoo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "younger"
    for file in (zoo / "younger").rglob("*"):
        if file.is_file() and (file.suffix == ".md" or "graphs" in file.parts):
            (copy / file.relative_to(zoo / "younger")).parent.mkdir(parents=True, exist_ok=True)
            (copy / file.relative_to(zoo / "younger")).write_bytes(file.read_bytes())
    release = open_release(copy)
    (broken, *_) = release.files("graphs")
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.raises(ReleaseError, match=broken.name):
        Shelf(release, "graphs", COLUMNS).find("0")
