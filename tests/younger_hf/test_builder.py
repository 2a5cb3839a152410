"""The builder over a release, here or on the Hub, whatever the version of `datasets`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from hub.repositories import Repository
from hub.server import hub
from support.releases import ONNX_CONFIGS, every_row, table

from younger_hf.builder import Younger
from younger_hf.errors import ReleaseError, UsageError

# In another process, since huggingface_hub reads where the Hub is when it is imported.
PROGRAM = """
import json
from younger_hf.builder import Younger

options = {"config_name": "sample", "repo_id": "org/younger", "repo_revision": "v1.0"}
builder = Younger(**options)
builder.download_and_prepare()
stream = Younger(**options).as_streaming_dataset("train")
newest = Younger(config_name="sample", repo_id="org/younger").as_streaming_dataset("train")
print(json.dumps({
    "loaded": builder.as_dataset("train")["name"][:],
    "streamed": [row["name"] for row in stream],
    "newest": [row["name"] for row in newest],
    "place": builder.cache_dir,
}))
"""


@pytest.fixture(scope="module")
def release(zoo: Path) -> Path:
    return zoo / "younger"


@pytest.mark.parametrize("config", ONNX_CONFIGS)
def test_every_config_of_a_release_is_built(release: Path, config: str) -> None:
    builder = Younger(config_name=config, data_dir=str(release))
    assert list(builder.info.splits) == list(table(release, config))
    builder.download_and_prepare()
    key = next(iter(builder.info.features))
    built = {split: rows[key][:] for split, rows in builder.as_dataset().items()}
    assert built == {split: [row[key] for row in rows] for split, rows in table(release, config).items()}


@pytest.mark.parametrize("config", ONNX_CONFIGS)
def test_every_config_of_a_release_is_streamed(release: Path, config: str) -> None:
    streamed = Younger(config_name=config, data_dir=str(release)).as_streaming_dataset()
    key = next(iter(streamed["train"].features))
    assert {split: [row[key] for row in rows] for split, rows in streamed.items()} == {
        split: [row[key] for row in rows] for split, rows in table(release, config).items()
    }


def test_what_is_prepared_is_kept_under_the_name_of_the_dataset(release: Path) -> None:
    assert "/younger/" in Younger(config_name="sample", data_dir=str(release)).cache_dir


def test_the_features_are_those_of_the_release(release: Path) -> None:
    builder = Younger(data_dir=str(release))
    declared = datasets.load_dataset(str(release), "graphs", split="train").features
    assert builder.info.features == builder.as_streaming_dataset("train").features == declared
    assert isinstance(declared["preview"], datasets.Image)


def test_a_release_is_found_in_the_working_directory(release: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(release.parent)
    assert len(list(Younger(config_name="sample").as_streaming_dataset("train"))) == 9


def test_rows_and_columns_are_selected_as_with_parquet(release: Path) -> None:
    options = {"data_dir": str(release), "columns": ["name", "num_nodes"], "filters": [("num_nodes", "<", 100)]}
    builder = Younger(config_name="sample", **options)
    builder.download_and_prepare()
    wanted = [row for row in every_row(release, "sample") if row["num_nodes"] < 100]
    assert list(builder.as_dataset("train")) == [{name: row[name] for name in options["columns"]} for row in wanted]


def test_a_release_that_was_built_anew_is_read_anew(release: Path, tmp_path: Path) -> None:
    def names() -> list[str]:
        builder = Younger(config_name="graphs", data_dir=str(copy))
        builder.download_and_prepare()
        return builder.as_dataset("validation")["name"][:]

    copy = shutil.copytree(release, tmp_path / "younger")
    graphs = table(release, "graphs")
    assert names() == [row["name"] for row in graphs["validation"]]
    for split in ("validation", "unseen"):
        (copy / "graphs" / f"{split}-00000-of-00001.parquet").rename(tmp_path / split)
    shutil.copyfile(tmp_path / "unseen", copy / "graphs" / "validation-00000-of-00001.parquet")
    shutil.copyfile(tmp_path / "validation", copy / "graphs" / "unseen-00000-of-00001.parquet")
    assert names() == [row["name"] for row in graphs["unseen"]]


def test_a_repository_is_loaded_at_its_tag(release: Path, tmp_path: Path) -> None:
    repository = Repository.of_directory("org/younger", release, "datasets")
    repository.tags["v1.0"] = repository.sha
    (other,) = (release / "graphs").glob("validation-*.parquet")
    repository.commit({"sample/train-00000-of-00001.parquet": other})
    with hub(repository) as served:
        settings = {"HF_ENDPOINT": served.endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **settings}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    names = [row["name"] for row in every_row(release, "sample")]
    assert found["loaded"] == found["streamed"] == names
    assert found["newest"] == [row["name"] for row in table(release, "graphs")["validation"]]
    assert "org___younger" in found["place"]


def test_what_cannot_be_built_is_said(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config 'graph': did you mean graphs"):
        Younger(config_name="graph", data_dir=str(release))
    with pytest.raises(UsageError, match="give one place"):
        Younger(data_dir=str(release), repo_id="org/younger")
    with pytest.raises(UsageError, match="give one place"):
        Younger(data_files={"train": "x.parquet"})
    with pytest.raises(ReleaseError, match=r"README\.md is missing"):
        Younger(data_dir=str(tmp_path))
