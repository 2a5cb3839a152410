"""A release directory: its files, and rows found by fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from younger_hf.errors import ReleaseError, UsageError
from younger_hf.release import HUB_ID, SETTING, open_release
from younger_hf.schema import features

ROOT = Path(__file__).parents[2]


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


def test_a_release_that_is_not_there_is_said_with_what_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SETTING, raising=False)
    with pytest.raises(ReleaseError, match=f"there is no release directory younger: say .* source=, .*{HUB_ID}"):
        open_release("younger")


def test_one_setting_says_where_the_release_is(release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SETTING, str(release))
    assert open_release("younger").source == release
    with pytest.raises(ReleaseError, match="no release directory younger2"):
        open_release("younger2")
    monkeypatch.chdir(release.parent)  # what is here comes first
    monkeypatch.setenv(SETTING, "nowhere")
    assert str(open_release(release.name).source) == release.name


def test_one_word_stands_for_the_id_of_the_dataset_everywhere():
    for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml", "dataset_card.md", "docs/loading.md"):
        assert HUB_ID in (ROOT / name).read_text(), name
    project = (ROOT / "pyproject.toml").read_text()
    assert f'Dataset = "https://huggingface.co/datasets/{HUB_ID}"' in project
