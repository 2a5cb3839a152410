"""What a stranger has put into a directory is gone, however deep, however much, and whatever may be read of it."""

from __future__ import annotations

import os

import pytest

from builders.convert.isolation.leftovers import discard, discard_leftovers, fill


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine is waited for."""
    monkeypatch.setattr("builders.convert.isolation.leftovers._PATIENCE", 60)


@pytest.fixture
def deep(tmp_path):
    """A directory in which 3,000 lie each within the one before, deeper than any path can say."""
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("within", dir_fd=here)
        inner = os.open("within", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    yield top
    discard(top)  # pytest cannot


def test_depth_does_not_matter(deep):
    discard(deep)
    assert list(deep.parent.iterdir()) == []


def test_number_does_not_matter(tmp_path):
    top = tmp_path / "top"
    for number in range(100):
        (top / str(number)).mkdir(parents=True)
        for name in range(50):
            (top / str(number) / str(name)).touch()
    discard(top)
    assert list(tmp_path.iterdir()) == []


def test_what_is_closed_to_its_owner_goes_and_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").touch()
    (top / "link").symlink_to(tmp_path / "kept")
    (top / "a" / "b").chmod(0)
    (top / "a").chmod(0)
    discard(top)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_what_an_earlier_process_left_goes_too(tmp_path, monkeypatch):
    (tmp_path / "top" / "file").mkdir(parents=True)
    with monkeypatch.context() as context:
        context.setattr("builders.convert.isolation.leftovers._remove", lambda top: None)
        discard(tmp_path / "top")
    assert [path.name[:11] for path in tmp_path.iterdir()] == [".discarded-"]
    discard_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_gone_already(tmp_path):
    discard(tmp_path / "nothing")
    discard(tmp_path / "nor" / "this")
    assert list(tmp_path.iterdir()) == []


def test_how_full_a_directory_is_is_found_without_looking_at_more_than_a_limit(tmp_path, deep):
    (tmp_path / "some").mkdir()
    for number in range(20):
        (tmp_path / "some" / str(number)).write_bytes(b"x" * 5000)
    entries, size = fill(tmp_path / "some", 100)
    assert (entries, size >= 20 * 5000) == (20, True)
    assert fill(tmp_path / "some", 10)[0] == 11
    assert fill(deep, 10_000)[0] == 10_001
    assert fill(tmp_path / "nothing", 10) == (0, 0)
