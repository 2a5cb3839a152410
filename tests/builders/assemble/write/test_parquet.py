"""Parquet files: what is written comes back, the same bytes every time, and every version of datasets can read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import ClassLabel, Features, Image, Sequence, Value
from support.releases import LEDGER_CONFIGS

from builders.assemble.write.features import arrow_schema, card_features
from builders.assemble.write.parquet import SplitFiles, write_split
from younger_hf.schema import features

FEATURES = Features(
    {
        "name": Value("string"),
        "number": Value("int64"),
        "nodes": Sequence(Value("int64")),
        "edges": Sequence(Sequence(Value("int64")), length=2),
        "models": [{"id": Value("string"), "tags": Sequence(Value("string"))}],
    }
)


def rows(number: int, length: int = 50) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {
            "name": f"row {i}",
            "number": i,
            "nodes": random.integers(0, 9, length),
            "edges": list(random.integers(0, 9, (2, length))),
            "models": [{"id": "m", "tags": ["a", "b"]}] * (i % 3),
        }
        for i in range(number)
    ]


def kinds(spelt: Any) -> set[str]:
    """Every `_type` in a JSON of features."""
    if isinstance(spelt, list):
        return set().union(*map(kinds, spelt))
    if isinstance(spelt, dict):
        own = {spelt["_type"]} if isinstance(spelt.get("_type"), str) else set()
        return own.union(*map(kinds, spelt.values()))
    return set()


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    written = write_split(tmp_path / "graphs", "train", rows(5), FEATURES)
    table = pq.read_table(written.paths[0])
    assert table.schema.field("edges").type == FEATURES.arrow_schema.field("edges").type
    back = table.to_pylist()
    assert [row["number"] for row in back] == list(range(5))
    assert back[4]["edges"] == [part.tolist() for part in rows(5)[4]["edges"]]
    assert back[2]["models"] == [{"id": "m", "tags": ["a", "b"]}] * 2


def test_a_split_is_counted(tmp_path: Path) -> None:
    written = write_split(tmp_path / "graphs", "train", rows(5), FEATURES)
    assert written.num_rows == 5
    assert written.file_bytes == written.paths[0].stat().st_size
    assert written.num_bytes >= 5 * 3 * 50 * 8
    assert written.paths[0] == tmp_path / "graphs" / "train-00000-of-00001.parquet"


def test_a_split_without_rows_is_no_file(tmp_path: Path) -> None:
    assert write_split(tmp_path / "graphs", "test", [], FEATURES) == SplitFiles((), 0, 0, 0, ())
    assert not list(tmp_path.iterdir())


def test_the_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    first = write_split(tmp_path / "a", "train", rows(250), FEATURES)
    second = write_split(tmp_path / "b", "train", iter(rows(250)), FEATURES)
    assert first.paths[0].read_bytes() == second.paths[0].read_bytes()


def test_row_groups_have_a_fixed_number_of_rows_and_a_page_index(tmp_path: Path) -> None:
    file = pq.ParquetFile(write_split(tmp_path, "train", rows(2500), FEATURES).paths[0])
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [1000, 1000, 500]
    assert all(group.column(0).has_column_index and group.column(0).has_offset_index for group in groups)


def test_a_row_group_of_large_rows_stays_under_a_hundred_megabytes(tmp_path: Path) -> None:
    large = rows(10, length=1_000_000)
    file = pq.ParquetFile(write_split(tmp_path, "train", large, FEATURES).paths[0])
    sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    assert file.metadata.num_rows == 10
    assert max(sizes) < 100_000_000


def test_a_large_split_is_sharded_in_order(tmp_path: Path) -> None:
    written = write_split(tmp_path, "train", rows(1000), FEATURES, rows_per_group=100, shard_bytes=30_000)
    assert len(written.paths) > 1
    assert [path.name for path in written.paths] == [
        f"train-{i:05d}-of-{len(written.paths):05d}.parquet" for i in range(len(written.paths))
    ]
    assert sorted(tmp_path.iterdir()) == list(written.paths)
    numbers = [number for path in written.paths for number in pq.read_table(path)["number"].to_pylist()]
    assert numbers == list(range(1000))


@pytest.mark.parametrize("config", LEDGER_CONFIGS)
def test_the_features_of_every_config_are_spelt_as_old_versions_know_them(config: str) -> None:
    schema = arrow_schema(features(config, ["__UNK__", "__MASK__", "Conv"]))
    spelt = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert kinds(spelt) <= {"Value", "ClassLabel", "Image", "Sequence"}
    assert Features.from_arrow_schema(schema) == features(config, ["__UNK__", "__MASK__", "Conv"])


@pytest.mark.parametrize("config", LEDGER_CONFIGS)
def test_the_features_of_every_config_survive_the_card(config: str) -> None:
    listed = card_features(features(config, ["__UNK__", "__MASK__", "Conv"]))
    text = yaml.safe_dump(listed, sort_keys=False)
    assert Features._from_yaml_list(yaml.safe_load(text)) == features(config, ["__UNK__", "__MASK__", "Conv"])


def test_a_list_of_mappings_stays_one_in_old_versions() -> None:
    schema = arrow_schema(Features({"models": [{"id": Value("string")}], "kinds": Sequence(ClassLabel(names=["a"]))}))
    spelt = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    # A Sequence of a mapping would be read as a mapping of lists.
    assert spelt["models"] == [{"id": {"dtype": "string", "_type": "Value"}}]
    assert spelt["kinds"]["_type"] == "Sequence"
    assert card_features(Features({"picture": Image()})) == [{"name": "picture", "dtype": "image"}]
