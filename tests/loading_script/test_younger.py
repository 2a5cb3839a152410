"""The loading script: a builder over a release, a Hub repository or a ledger, whatever the version of `datasets`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import pytest
from hub.repositories import Repository
from hub.server import hub
from support.releases import every_row, files, table

from builders.ledger import Ledger
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.schema import CONFIGS

RUNS_SCRIPTS = int(version("datasets").split(".")[0]) < 4

# In another process, since huggingface_hub reads where the Hub is when it is imported.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from younger import Younger

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


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_of_a_release_is_built(younger: Any, release: Path, config: str) -> None:
    builder = younger(config_name=config, dataset_name="younger", data_dir=str(release))
    assert list(builder.info.splits) == list(table(release, config))
    builder.download_and_prepare()
    key = next(iter(builder.info.features))
    built = {split: rows[key][:] for split, rows in builder.as_dataset().items()}
    assert built == {split: [row[key] for row in rows] for split, rows in table(release, config).items()}


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_of_a_release_is_streamed(younger: Any, release: Path, config: str) -> None:
    streamed = younger(config_name=config, dataset_name="younger", data_dir=str(release)).as_streaming_dataset()
    key = next(iter(streamed["train"].features))
    assert {split: [row[key] for row in rows] for split, rows in streamed.items()} == {
        split: [row[key] for row in rows] for split, rows in table(release, config).items()
    }


def test_the_features_are_those_of_the_release(younger: Any, release: Path) -> None:
    builder = younger(dataset_name="younger", data_dir=str(release))
    declared = datasets.load_dataset(str(release), "graphs", split="train").features
    assert builder.info.features == builder.as_streaming_dataset("train").features == declared
    assert isinstance(declared["preview"], datasets.Image)


def test_a_release_is_found_in_the_working_directory(younger: Any, release: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(release.parent)
    assert len(list(younger(config_name="sample").as_streaming_dataset("train"))) == 9


def test_rows_and_columns_are_selected_as_with_parquet(younger: Any, release: Path) -> None:
    options = {"data_dir": str(release), "columns": ["name", "num_nodes"], "filters": [("num_nodes", "<", 100)]}
    builder = younger(config_name="sample", **options)
    builder.download_and_prepare()
    wanted = [row for row in every_row(release, "sample") if row["num_nodes"] < 100]
    assert list(builder.as_dataset("train")) == [{name: row[name] for name in options["columns"]} for row in wanted]


def test_a_release_that_was_built_anew_is_read_anew(younger: Any, release: Path, tmp_path: Path) -> None:
    def names() -> list[str]:
        builder = younger(config_name="graphs", data_dir=str(copy))
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


def test_a_repository_is_loaded_at_its_tag(release: Path, script: Path, tmp_path: Path) -> None:
    repository = Repository.of_directory("org/younger", release, "datasets")
    repository.tags["v1.0"] = repository.sha
    (other,) = (release / "graphs").glob("validation-*.parquet")
    repository.commit({"sample/train-00000-of-00001.parquet": other})
    with hub(repository) as served:
        settings = {"HF_ENDPOINT": served.endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **settings}
        command = [sys.executable, "-c", PROGRAM, str(script.parent)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    names = [row["name"] for row in every_row(release, "sample")]
    assert found["loaded"] == found["streamed"] == names
    assert found["newest"] == [row["name"] for row in table(release, "graphs")["validation"]]
    assert "org___younger" in found["place"]


def test_a_ledger_is_assembled_into_the_cache(younger: Any, zoo: Path, tmp_path: Path) -> None:
    work = shutil.copytree(zoo / "work", tmp_path / "work")
    options = {"config_name": "graphs", "work": str(work), "cache_dir": str(tmp_path / "cache")}
    builder = younger(**options)
    builder.download_and_prepare()
    assert sum(map(len, builder.as_dataset().values())) == 9
    (assembled,) = (tmp_path / "cache").glob("younger-assembled/*/younger")
    # The card names the versions that it was made with, and what is compared may be of another environment.
    made, wanted = files(assembled), files(zoo / "younger")
    assert made.pop("README.md").startswith(b"---")
    del wanted["README.md"]
    assert made == wanted
    assert next(iter(younger(**options | {"config_name": "sample"}).as_streaming_dataset("train")))["num_nodes"] > 0
    assert [assembled] == list((tmp_path / "cache").glob("younger-assembled/*/younger"))
    with Ledger(work) as ledger:
        ledger.restart("onnx-package")
    os.utime(work / "ledger.sqlite", (1, 1))
    younger(**options)
    assert len(list((tmp_path / "cache").glob("younger-assembled/*/younger"))) == 2


def test_what_cannot_be_built_is_said(younger: Any, release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config 'graph': did you mean graphs"):
        younger(config_name="graph", data_dir=str(release))
    with pytest.raises(UsageError, match="give one place"):
        younger(data_dir=str(release), work="work")
    with pytest.raises(UsageError, match="give one place"):
        younger(data_files={"train": "x.parquet"})
    with pytest.raises(ReleaseError, match=r"README\.md is missing"):
        younger(data_dir=str(tmp_path))
    with pytest.raises(YoungerError, match="there is no ledger in"):
        younger(work=str(tmp_path))


if RUNS_SCRIPTS:

    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize("config", CONFIGS)
    def test_the_script_is_loaded_by_its_path(release: Path, script: Path, config: str, streaming: bool) -> None:
        options = {"data_dir": str(release), "streaming": streaming, "trust_remote_code": True}
        loaded = datasets.load_dataset(str(script), config, **options)
        assert {split: sum(1 for _ in rows) for split, rows in loaded.items()} == {
            split: len(rows) for split, rows in table(release, config).items()
        }

    def test_the_script_makes_a_release_of_a_ledger(script: Path, zoo: Path) -> None:
        options = {"work": str(zoo / "work"), "trust_remote_code": True}
        assert datasets.load_dataset(str(script), "skeletons", split="train", **options).num_rows == 9

else:

    def test_a_script_is_no_longer_loaded_by_its_path(release: Path, script: Path) -> None:
        with pytest.raises(RuntimeError, match="scripts are no longer supported"):
            datasets.load_dataset(str(script), "graphs", data_dir=str(release))
