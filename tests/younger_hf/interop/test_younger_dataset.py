"""A dataset that fetches itself: from a Hub on this machine, once, and from a directory as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from torch_geometric.loader import DataLoader

from younger_hf import YoungerDataset, class_names, load, to_pyg
from younger_hf.errors import ReleaseError, UsageError


def test_it_has_all_rows_and_says_which_are_of_which_split(large_release, tmp_path):
    dataset = YoungerDataset(tmp_path, "graphs", source=large_release)
    split = dataset.get_idx_split()
    assert list(split) == ["train", "valid", "test", "unseen"]
    assert torch.cat(list(split.values())).equal(torch.arange(len(dataset)))
    for name, positions in split.items():
        rows = load("graphs", name.replace("valid", "validation"), large_release)
        assert [data.fingerprint for data in dataset[positions]] == rows["fingerprint"][:]


def test_it_is_learned_from_as_those_of_ogb_are(large_release, tmp_path):
    dataset = YoungerDataset(tmp_path, source=large_release, target="task", max_nodes=150)
    assert (dataset.num_classes, dataset.classes) == (2, class_names("task", large_release))
    split = dataset.get_idx_split()
    for name in ("train", "valid", "test"):
        batch = next(iter(DataLoader(dataset[split[name]], batch_size=4, num_workers=1)))
        assert len(batch.y) == batch.num_graphs > 0
        assert max(batch.ptr.diff()) <= 150
    assert any(name.is_dir() for name in (tmp_path / "arrow").iterdir())


def test_rows_without_the_target_are_left_out(large_release, tmp_path):
    tasks = [task for rows in load("graphs", source=large_release).values() for task in rows["task"]]
    assert None in tasks
    assert len(YoungerDataset(tmp_path, source=large_release, target="task")) == len([task for task in tasks if task])
    assert len(YoungerDataset(tmp_path, source=large_release)) == len(tasks)


def test_other_schemes_have_their_splits(release, tmp_path):
    dataset = YoungerDataset(tmp_path, source=release, target="family", split_scheme="stratified")
    split = dataset.get_idx_split()
    assert list(split) == ["train", "valid", "test"]
    known = {data.y.item() for data in dataset[split["train"]]}
    assert [data.name for data in dataset[split["test"]]] == ["light_inception_v2"]
    assert {data.y.item() for data in dataset[split["test"]]} <= known
    assert split["valid"].tolist() == []


def test_wrong_calls_are_refused(release, tmp_path):
    with pytest.raises(UsageError, match="no family of test and validation is in train"):
        YoungerDataset(tmp_path, source=release, target=["num_nodes", "family"])
    with pytest.raises(UsageError, match="no config 'graph': did you mean graphs"):
        YoungerDataset(tmp_path, "graph", source=release)
    with pytest.raises(UsageError, match="no split scheme 'stratify': did you mean stratified"):
        YoungerDataset(tmp_path, source=release, split_scheme="stratify")
    with pytest.raises(UsageError, match="no column 'label'"):
        YoungerDataset(tmp_path, source=release, target="label")
    with pytest.raises(ReleaseError, match="no release directory nowhere"):
        YoungerDataset(tmp_path, source="nowhere")


def test_it_is_fetched_once(release, tmp_path):
    root = tmp_path / "data"
    repository = Repository.of_directory("org/younger", release, "datasets")
    with hub(repository) as served, client(served, tmp_path / "home"):
        first = YoungerDataset(root, "graphs-no-attributes", source="org/younger")
        assert first.release.is_relative_to(root)
        assert not list(first.release.rglob("graphs/*"))
    # The Hub is gone.
    with hub(Repository("org/other")) as served, client(served, tmp_path / "home"):
        again = YoungerDataset(root, "graphs-no-attributes", source="org/younger")
        assert [data.fingerprint for data in again] == [data.fingerprint for data in first]
        with pytest.raises(ReleaseError, match="graphs, operators of org/younger could not all be fetched"):
            YoungerDataset(root, "graphs", source="org/younger")
    with hub(repository) as served, client(served, tmp_path / "home"):
        graphs = YoungerDataset(root, "graphs", source="org/younger")
        assert graphs.release == first.release
        assert sorted(data.name for data in graphs) == sorted(load("graphs", "all", release)["name"])
        assert len(to_pyg(load("graphs", "train", graphs.release))) == len(graphs.get_idx_split()["train"])


def test_what_was_published_since_comes_when_asked_for(release, tmp_path):
    repository = Repository.of_directory("org/younger", release, "datasets")
    card = tmp_path / "README.md"
    card.write_text((release / "README.md").read_text() + "\nChanged.\n")
    with hub(repository) as served, client(served, tmp_path / "home"):
        old = YoungerDataset(tmp_path / "data", source="org/younger").release
        repository.commit({"README.md": card})
        assert YoungerDataset(tmp_path / "data", source="org/younger").release == old
        new = YoungerDataset(tmp_path / "data", source="org/younger", force_reload=True).release
        assert new != old
        assert Path(new / "README.md").read_text().endswith("Changed.\n")
