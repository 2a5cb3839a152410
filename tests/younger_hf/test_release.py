"""A release directory: its files, and rows found by fingerprint."""

from __future__ import annotations

import pytest

from younger_hf.errors import UsageError
from younger_hf.release import open_release
from younger_hf.schema import features


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


def test_row_groups_come_with_their_split_and_only_the_columns_asked_for(release, rows):
    opened = open_release(release)
    assert opened.columns("graphs") == tuple(features("graphs"))
    groups = list(opened.row_groups("graphs", ["name", "num_nodes"]))
    assert [table.column_names for _, table in groups] == [["name", "num_nodes"]] * len(groups)
    sizes = {name: size for _, table in groups for name, size in zip(*table.to_pydict().values(), strict=True)}
    assert sizes == {row["name"]: row["num_nodes"] for row in rows}
    assert {split for split, table in groups if "nested_bodies" in table["name"].to_pylist()} == {"unseen"}
    with pytest.raises(UsageError, match="no config 'graph'"):
        opened.columns("graph")
