"""Loading a release, and what is said where that cannot be done."""

from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import pytest

from younger_hf import YoungerError, load, to_graph
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.schema import features


@pytest.fixture
def copy_of_release(release: Path, tmp_path: Path) -> Path:
    return shutil.copytree(release, tmp_path / "younger")


def test_all_splits_come_as_a_dictionary(release, graphs):
    splits = load(source=release)
    assert isinstance(splits, datasets.DatasetDict)
    assert set(splits) == {"train", "validation", "test", "unseen"}
    assert sum(len(split) for split in splits.values()) == len(graphs)


def test_one_split_is_a_plain_dataset_with_the_declared_features(release, vocabulary):
    train = load("graphs", "train", str(release))
    assert type(train) is datasets.Dataset
    assert train.features == features("graphs", vocabulary.operators)
    assert load("graphs", "train[:50%]+test", release).num_rows == 4


def test_a_release_is_found_from_the_working_directory(release, monkeypatch):
    monkeypatch.chdir(release.parent)
    assert load("graphs", "test")["name"][:] == ["light_shufflenet"]
    assert load("graphs", "unseen", "younger").num_rows == 1


def test_every_row_is_its_graph(release, graphs, vocabulary):
    for split in load("graphs", source=release).values():
        for row in split:
            assert to_graph(row, vocabulary) == graphs[row["name"]]
            assert to_graph(row, vocabulary).metadata.opset == graphs[row["name"]].metadata.opset
    for split in load("graphs-no-attributes", source=release).values():
        for row in split:
            assert to_graph(row, vocabulary) == graphs[row["name"]].without_attributes()


def test_a_row_in_any_format_is_its_graph(release, graphs, vocabulary):
    rows = load("graphs", "unseen", release)
    for kind in ("numpy", "torch"):
        assert to_graph(rows.with_format(kind)[0], vocabulary) == graphs["nested_bodies"]
    with pytest.raises(UsageError, match="no column 'node_scope'"):
        to_graph(rows.remove_columns("node_scope")[0], vocabulary)


def test_the_vocabulary_comes_from_the_working_directory_when_left_out(release, graphs, monkeypatch, tmp_path):
    row = load("graphs", "test", release)[0]
    monkeypatch.chdir(release.parent)
    assert to_graph(row) == graphs["light_shufflenet"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReleaseError, match="there is no release directory younger"):
        to_graph(row)


def test_a_stream_gives_the_same_rows(release):
    stream = load("graphs", "train", release, streaming=True)
    assert isinstance(stream, datasets.IterableDataset)
    assert list(stream) == list(load("graphs", "train", release))
    assert isinstance(load("graphs", source=release, streaming=True), datasets.IterableDatasetDict)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_papers_scheme_selects_by_its_column(release, streaming):
    splits = load("graphs", source=release, split_scheme="paper", streaming=streaming)
    names = {name: sorted(row["name"] for row in split) for name, split in splits.items()}
    assert names == {
        "train": ["light_bvlc_alexnet", "light_densenet121", "light_vgg19"],
        "validation": ["light_resnet50"],
        "test": ["light_shufflenet"],
    }
    train = load("graphs", "train", release, split_scheme="paper", streaming=streaming)
    assert sorted(row["name"] for row in train) == names["train"]


def test_a_wrong_name_gets_the_nearest_ones(release):
    with pytest.raises(UsageError, match="no config 'graph': did you mean graphs"):
        load("graph", source=release)
    with pytest.raises(UsageError, match="no split 'valid': did you mean validation"):
        load("graphs", "train+valid[:10%]", release)
    with pytest.raises(UsageError, match="no split 'x': there is train"):
        load("graphs", "x", release)
    with pytest.raises(UsageError, match="no split scheme 'papers': did you mean paper"):
        load("graphs", source=release, split_scheme="papers")
    with pytest.raises(UsageError, match="no split of the paper scheme 'unseen'"):
        load("graphs", "unseen", release, split_scheme="paper")
    with pytest.raises(UsageError, match=r"config operators of .* has no splits of the paper scheme"):
        load("operators", source=release, split_scheme="paper")
    with pytest.raises(UsageError, match=r"split train\[:10%\]"):
        load("graphs", "train[:10%]", release, streaming=True)


def test_a_source_that_is_no_release_is_said(tmp_path):
    with pytest.raises(ReleaseError, match="there is no release directory youngest"):
        load(source="youngest")
    with pytest.raises(ReleaseError, match=r"README\.md is missing"):
        load(source=tmp_path)
    (tmp_path / "README.md").write_text("# A project\n")
    with pytest.raises(ReleaseError, match="does not say younger_schema_version"):
        load(source=tmp_path)
    (tmp_path / "README.md").write_text("---\n[: }\n---\n")
    with pytest.raises(ReleaseError, match="no readable YAML"):
        load(source=tmp_path)
    (tmp_path / "README.md").write_text("---\nyounger_schema_version: 1\n---\n")
    with pytest.raises(ReleaseError, match="does not list the splits and files"):
        load(source=tmp_path)
    with pytest.raises(ReleaseError, match="there is no release directory"):
        load(source=tmp_path / "README.md")


def test_another_schema_version_is_refused(copy_of_release):
    card = copy_of_release / "README.md"
    card.write_text(card.read_text().replace("younger_schema_version: 1", "younger_schema_version: 99"))
    with pytest.raises(ReleaseError, match=r"README.md is of schema version 99, and this younger-hf reads version 1"):
        load(source=copy_of_release)


def test_a_missing_file_is_named(copy_of_release):
    (copy_of_release / "graphs" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(ReleaseError, match=r"graphs/train-00001-of-00002.parquet is missing"):
        load("graphs", "test", copy_of_release)
    shutil.rmtree(copy_of_release / "graphs-no-attributes")
    with pytest.raises(ReleaseError, match=r"graphs-no-attributes/.*\.parquet is missing"):
        load("graphs-no-attributes", source=copy_of_release)


@pytest.mark.parametrize("config", ["graphs", "operators"])
def test_a_damaged_file_is_named(copy_of_release, config):
    file = next(iter(sorted((copy_of_release / config).glob("train*.parquet"))))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(YoungerError, match=rf"{config}/{file.name} is damaged"):
        load(config, source=copy_of_release)


def test_a_release_built_anew_is_read_anew(copy_of_release):
    load("graphs", "test", copy_of_release)
    file = copy_of_release / "graphs" / "test-00000-of-00001.parquet"
    shutil.copy(copy_of_release / "graphs" / "unseen-00000-of-00001.parquet", file)
    assert load("graphs", "test", copy_of_release)["name"][:] == ["nested_bodies"]


def test_loading_is_quiet_off_the_terminal(copy_of_release, capfd):
    load("graphs", source=copy_of_release)
    assert capfd.readouterr().err == ""
    assert not datasets.are_progress_bars_disabled()


def test_a_card_nested_too_deeply_is_named(copy_of_release):
    card = copy_of_release / "README.md"
    card.write_text("---\ntags: " + "[" * 100_000 + "\n---\n")
    with pytest.raises(ReleaseError, match=r"README.md has no readable YAML front matter"):
        load(source=copy_of_release)
