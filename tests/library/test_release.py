"""A release directory: its files, and rows found by fingerprint."""

from __future__ import annotations

import pytest

from younger_hf.errors import UsageError
from younger_hf.release import open_release


def test_the_card_says_which_files_there_are(release):
    opened = open_release(release)
    assert set(opened.splits("graphs")) == {"train", "validation", "test", "unseen"}
    assert set(opened.files("graphs")) == set((release / "graphs").glob("*.parquet"))
    assert [file.name for file in opened.split_files("graphs")["train"]] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    with pytest.raises(UsageError, match="no config 'graph'"):
        opened.files("graph")


def test_a_row_is_found_by_its_fingerprint_in_any_split(release, rows):
    opened = open_release(release)
    for row in rows:
        found = opened.find("graphs", row["fingerprint"], ["name", "num_nodes"])
        assert found == [{name: row[name] for name in ("fingerprint", "name", "num_nodes")}]
    assert opened.find("graphs", "0" * 32, ["name"]) == []
