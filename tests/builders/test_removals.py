"""`removals.txt`: what a line covers, and that a line which would cover nothing is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.removals import Removals
from younger_hf.errors import ReleaseError

TEXT = b"""\xef\xbb\xbf# Asked for by their owners.
someone/model
Other/*  # all,\tin June
my model#2

"""


@pytest.fixture
def removals() -> Removals:
    return Removals.parse(TEXT, "removals.txt")


@pytest.mark.parametrize("model", ["someone/model", "Someone/MODEL", "other/model", "other/a/b/c", "my model#2"])
def test_a_model_that_is_named_is_covered(removals: Removals, model: str) -> None:
    assert removals.cover(model)


@pytest.mark.parametrize("model", ["model", "someone/model2", "someone/other", "other", "others/model", "my model", ""])
def test_no_other_model_is_covered(removals: Removals, model: str) -> None:
    assert not removals.cover(model)


@pytest.mark.parametrize(
    "line",
    [
        "https://huggingface.co/someone/model",
        "*",
        "*/model",
        "some*/model",
        "someone/*/model",
        "someone/\u200bmodel",
        "a\x00b",
    ],
)
def test_a_line_that_would_cover_nothing_is_named(line: str) -> None:
    with pytest.raises(ReleaseError, match=r"^line 2 of younger/removals\.txt is .*: write the id of one model there"):
        Removals.parse(f"# ours\n{line}\nsomeone/model\n".encode(), "younger/removals.txt")


def test_a_file_in_another_encoding_is_named() -> None:
    with pytest.raises(ReleaseError, match=r"removals\.txt is not UTF-8"):
        Removals.parse("müller/modell".encode("latin-1"), "removals.txt")


def test_where_there_is_no_file_nothing_is_covered(tmp_path: Path) -> None:
    assert Removals.of_directory(tmp_path) == Removals()
    (tmp_path / "removals.txt").write_bytes(TEXT)
    assert Removals.of_directory(tmp_path).cover("other/model")
    (tmp_path / "directory" / "removals.txt").mkdir(parents=True)
    with pytest.raises(ReleaseError, match=r"directory/removals\.txt cannot be read"):
        Removals.of_directory(tmp_path / "directory")


def test_both_together_keep_their_comments_and_repeat_nothing(removals: Removals) -> None:
    more = Removals.parse(b"# Asked for by their owners.\nnew/*\nsomeone/model\n", "more")
    both = (removals | more).to_bytes().decode()
    assert both == "# Asked for by their owners.\nsomeone/model\nOther/*  # all,\tin June\nmy model#2\n\nnew/*\n"
    assert Removals.parse(both.encode(), "both") == removals | more
