"""A release is the same rows and features for every version of `datasets`, on disk and streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import PIL.Image
import pytest
from support.releases import ONNX_CONFIGS, table

import younger_hf
from younger_hf.errors import UsageError
from younger_hf.schema import DEFAULT_CONFIG, features


def plain(value: Any) -> Any:
    """A cell as Parquet has it: an image is its bytes."""
    return {"bytes": value["bytes"], "path": value["path"]} if isinstance(value, dict) and "bytes" in value else value


def undecoded(rows: Any) -> list[dict[str, Any]]:
    if "preview" in rows.features:
        rows = rows.cast_column("preview", datasets.Image(decode=False))
    return [{name: plain(value) for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def operators(release: Path) -> list[str]:
    """The names of the operators, in the order of their ids."""
    rows = table(release, "operators")["train"]
    return [row["label"] for row in rows if row["kind"] == "operator"]


@pytest.mark.parametrize("config", ONNX_CONFIGS)
def test_every_config_loads_with_its_rows_and_features(release: Path, operators: list[str], config: str) -> None:
    loaded = datasets.load_dataset(str(release), config)
    assert {split: undecoded(rows) for split, rows in loaded.items()} == table(release, config)
    assert all(rows.features == features(config, operators) for rows in loaded.values())


@pytest.mark.parametrize("config", ONNX_CONFIGS)
def test_every_config_streams_with_its_rows_and_features(release: Path, operators: list[str], config: str) -> None:
    streamed = datasets.load_dataset(str(release), config, streaming=True)
    assert {split: undecoded(rows) for split, rows in streamed.items()} == table(release, config)
    assert all(rows.features == features(config, operators) for rows in streamed.values())


def test_the_default_config_needs_no_name(release: Path) -> None:
    assert datasets.get_dataset_config_names(str(release)) == list(ONNX_CONFIGS)
    assert datasets.load_dataset_builder(str(release)).config.name == DEFAULT_CONFIG


def test_a_thumbnail_comes_as_a_picture(release: Path) -> None:
    row = datasets.load_dataset(str(release), "sample", split="train")[0]
    assert isinstance(row["preview"], PIL.Image.Image)
    assert row["preview"].size == (128, 128)


def test_models_come_as_a_list_of_mappings(release: Path) -> None:
    (model,) = datasets.load_dataset(str(release), "sample", split="train")[0]["models"]
    assert model["source"] == "onnx-package"
    assert model["tags"] == []


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_filtered_as_they_are_read(release: Path, streaming: bool) -> None:
    def names(**filters: Any) -> set[str]:
        splits = younger_hf.load("graphs", source=release, streaming=streaming, **filters)
        return {row["name"] for split in splits.values() for row in split}

    rows = [row for part in table(release, "graphs").values() for row in part]
    assert names(max_nodes=100) == {row["name"] for row in rows if row["num_nodes"] <= 100} != set()
    assert names(family=["vgg", "resnet"]) == {"vgg19", "resnet50"}
    assert names(operators="LRN") == {row["name"] for row in rows if "LRN×" in row["summary"]} != set()
    assert names(max_nodes=3) == set()
    with pytest.raises(UsageError, match="did you mean"):
        names(family="resnets")


def test_every_row_is_a_graph(release: Path) -> None:
    vocabulary = younger_hf.Vocabulary.load(release)
    for row in younger_hf.load("graphs", "train", release):
        graph = younger_hf.to_graph(row, vocabulary)
        assert (graph.num_nodes, graph.num_edges) == (row["num_nodes"], row["num_edges"])
