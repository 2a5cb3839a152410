"""A release as the Hub's viewer reads it: its first rows, its pages, its statistics, its thumbnails and its card.

The numbers are those that the viewer runs with (github.com/huggingface/dataset-viewer, August 2026):
`chart/env/prod.yaml`, `libcommon/viewer_utils/rows.py` and `truncate_rows.py` for the first rows,
`libcommon/statistics_utils.py` for the statistics.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datasets import Features, Image, Value
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from support.releases import LEDGER_CONFIGS, every_row

from builders.assemble import ReleaseReport
from builders.assemble.write.parquet import write_split
from younger_hf.schema import DEFAULT_CONFIG, features

FIRST_ROWS_BYTES = 200_000
PAGE_ROWS = 100
FEWEST_ROWS = 10
CELL_BYTES = 100
SCAN_BYTES = 300_000_000
ROW_GROUP_BYTES = 100_000_000
THUMBNAIL_BYTES = 3_072
LABELS, LABELS_PER_ROW = 1_000, 0.2
BINS = 10
ZSTANDARD = b"\x28\xb5\x2f\xfd"

# An image is a file of the viewer's own; its signed address is in the row, and is never cut.
PICTURE = {"src": "https://datasets-server/" + 600 * "x", "height": 128, "width": 128}


@pytest.fixture(scope="module")
def directory(release: tuple[Path, ReleaseReport]) -> Path:
    return release[0]


@pytest.fixture(scope="module")
def files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.parquet"))


def as_json(value: Any) -> bytes:
    def other(cell: bytes) -> str:
        return base64.b64encode(cell).decode()

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=other).encode()


def declared(file: Path) -> Features:
    return Features.from_arrow_schema(pq.read_schema(file))


def cut(row: dict[str, Any], columns: Features) -> dict[str, Any]:
    """A row as it is shown where not all of it fits."""
    shown = {}
    for name, cell in row.items():
        text = as_json(cell)
        whole = len(text) <= CELL_BYTES or isinstance(columns[name], Image)
        shown[name] = cell if whole else text[:CELL_BYTES].decode(errors="ignore")
    return shown


def first_rows(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows that the page of a dataset begins with, and the bytes of all that is sent with them."""
    columns = declared(file)
    batches = pq.ParquetFile(file).iter_batches(PAGE_ROWS)
    rows: list[dict[str, Any]] = next(batches).to_pylist()
    for row in rows:
        row |= {name: PICTURE for name, feature in columns.items() if isinstance(feature, Image)}
    spent = len(as_json([{"name": name, "type": kind} for name, kind in columns.to_dict().items()]))

    def size(row: dict[str, Any]) -> int:
        return len(as_json({"row_idx": PAGE_ROWS, "row": row, "truncated_cells": list(row)})) + 1

    certain, more = rows[:FEWEST_ROWS], rows[FEWEST_ROWS:]
    for i in reversed(range(len(certain))):
        if spent + sum(map(size, certain)) < FIRST_ROWS_BYTES:
            break
        certain[i], more = cut(certain[i], columns), []
    spent += sum(map(size, certain))
    for row in more:
        if spent + size(row) >= FIRST_ROWS_BYTES:
            break
        spent += size(row)
        certain.append(row)
    return certain, spent


def test_the_first_rows_of_every_split_fit(files: list[Path]) -> None:
    for file in files:
        rows, size = first_rows(file)
        assert len(rows) >= min(FEWEST_ROWS, pq.read_metadata(file).num_rows), file
        assert size < FIRST_ROWS_BYTES, file


def test_the_first_rows_fit_however_large_they_are(tmp_path: Path) -> None:
    columns = features("graphs", [f"some.domain::Operator{i}" for i in range(500)])
    texts = {name: "\N{BLACK STAR}" * 5_000 for name, feature in columns.items() if feature == Value("string")}
    nodes = dict.fromkeys(("node_operator", "node_variant", "node_scope"), np.zeros(50_000, dtype=np.int64))
    edges = dict.fromkeys(("edge_index", "edge_slot"), [np.zeros(50_000, dtype=np.int64)] * 2)
    row = {**dict.fromkeys(columns), **texts, **nodes, **edges, "models": [], "evaluations": []}
    rows, size = first_rows(write_split(tmp_path, "train", [row] * PAGE_ROWS, columns).paths[0])
    assert len(rows) == FEWEST_ROWS
    assert size < FIRST_ROWS_BYTES


def row_group_bytes(metadata: pq.FileMetaData) -> list[int]:
    return [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]


def test_row_groups_are_small_enough_to_be_read_for_a_page(files: list[Path]) -> None:
    for file in files:
        metadata = pq.read_metadata(file)
        assert max(row_group_bytes(metadata)) < ROW_GROUP_BYTES
        # A page is in two row groups at most where these have as many rows as it.
        assert sum(sorted(row_group_bytes(metadata))[-2:]) < SCAN_BYTES
        assert all(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))


def test_every_column_has_a_page_index(files: list[Path]) -> None:
    for file in files:
        metadata = pq.read_metadata(file)
        for i, j in product(range(metadata.num_row_groups), range(metadata.num_columns)):
            chunk = metadata.row_group(i).column(j)
            assert chunk.has_offset_index, file
            # Where pages begin is what the viewer goes by; of long bytes Parquet keeps no least and greatest.
            assert chunk.has_column_index or chunk.path_in_schema in ("onnx", "preview.bytes"), chunk.path_in_schema


def test_pages_are_cut_where_the_content_says(tmp_path: Path) -> None:
    columns = Features({"onnx": Value("binary")})
    contents = [np.random.default_rng(i).bytes(1_000) for i in range(8_000)]

    def pages(name: str, rows: list[bytes]) -> set[bytes]:
        """How each page of a file begins: they are compressed one by one."""
        rows_as_columns = ({"onnx": row} for row in rows)
        (file,) = write_split(tmp_path / name, "train", rows_as_columns, columns, rows_per_group=len(rows)).paths
        return {page[:256] for page in file.read_bytes().split(ZSTANDARD)[1:]}

    before, after = pages("before", contents), pages("after", [b"new", *contents])
    assert len(before) > 3
    assert len(before & after) > 0.7 * len(before)


def columns_of(directory: Path, config: str) -> Iterator[tuple[str, str, Any, pa.ChunkedArray]]:
    """Split, name, feature and values of every column."""
    for file in sorted((directory / config).glob("*-00000-of-*.parquet")):
        split = file.name.partition("-")[0]
        table = pa.concat_tables(pq.read_table(part) for part in sorted(file.parent.glob(f"{split}-*.parquet")))
        for name, feature in declared(file).items():
            yield split, name, feature, table[name]


def kind(feature: Any, values: pa.ChunkedArray) -> str:
    """What the viewer draws over a column: a histogram, its most frequent values, or nothing."""
    if isinstance(feature, Image):
        return "widths"
    if isinstance(feature, Value) and feature.dtype == "string":
        distinct = pc.count_distinct(values, mode="all").as_py()
        few = distinct <= BINS or (distinct <= LABELS and distinct <= LABELS_PER_ROW * len(values))
        return "labels" if few else "lengths"
    if isinstance(feature, Value) and feature.dtype in ("int64", "float64"):
        return "numbers"
    if isinstance(feature, Value) and feature.dtype == "bool":
        return "labels"
    return "lengths" if pa.types.is_list(values.type) or pa.types.is_large_list(values.type) else "nothing"


def measured(feature: Any, values: pa.ChunkedArray) -> list[float]:
    """The numbers of which a histogram is drawn."""
    present = values.drop_null()
    if kind(feature, values) == "widths":
        return [PIL.Image.open(io.BytesIO(cell["bytes"])).width for cell in present.to_pylist()]
    if pa.types.is_string(values.type):
        return pc.utf8_length(present).to_pylist()
    if kind(feature, values) == "lengths":
        return pc.list_value_length(present).to_pylist()
    return present.to_pylist()


@pytest.mark.parametrize("config", LEDGER_CONFIGS)
def test_every_column_that_can_be_is_counted(directory: Path, config: str) -> None:
    for split, name, feature, values in columns_of(directory, config):
        drawn = kind(feature, values)
        if drawn == "labels":
            assert sum(entry["counts"] for entry in pc.value_counts(values).to_pylist()) == len(values)
        elif drawn == "nothing":
            assert name in {"edge_index", "edge_slot", "unfed_slot", "open_input", "open_output", "onnx"}, name
        elif numbers := measured(feature, values):
            counts, edges = np.histogram(numbers, bins=BINS)
            assert counts.sum() == len(numbers), (split, name)
            assert np.isfinite(edges).all(), (split, name)


def test_what_one_browses_by_is_drawn_as_such(directory: Path) -> None:
    drawn = {
        name: kind(feature, values)
        for split, name, feature, values in columns_of(directory, "graphs")
        if split == "train"
    }
    labels = ["source", "origin", "task", "library", "license", "exporter", "paper_split"]
    assert [name for name in labels if drawn[name] != "labels"] == []
    assert drawn["has_control_flow"] == drawn["is_quantized"] == drawn["exact"] == "labels"
    numbers = ["num_nodes", "num_edges", "depth", "num_operator_types", "num_parameters", "num_models", "downloads"]
    numbers += ["macs", "activations"]
    assert [name for name in numbers if drawn[name] != "numbers"] == []
    assert drawn["preview"] == "widths"
    assert drawn["node_operator"] == drawn["models"] == "lengths"


def test_a_thumbnail_is_a_small_picture(directory: Path) -> None:
    for config in ("graphs", "sample"):
        assert all(declared(file)["preview"] == Image() for file in (directory / config).glob("*.parquet"))
        for row in every_row(directory, config):
            content = row["preview"]["bytes"]
            assert len(content) <= THUMBNAIL_BYTES
            with PIL.Image.open(io.BytesIO(content)) as picture:
                picture.load()
                assert (picture.format, picture.size) == ("PNG", (128, 128))


def test_the_card_says_what_the_files_have(directory: Path) -> None:
    card = DatasetCard.load(directory / "README.md")
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    infos = DatasetInfosDict.from_dataset_card_data(card.data)
    assert list(configs) == list(infos) == list(LEDGER_CONFIGS)
    assert configs.get_default_config_name() == DEFAULT_CONFIG
    for config, info in infos.items():
        found = {split["split"]: sorted(directory.glob(split["path"])) for split in configs[config]["data_files"]}
        assert {path for paths in found.values() for path in paths} == set((directory / config).iterdir())
        assert {name: split.num_examples for name, split in info.splits.items()} == {
            name: sum(pq.read_metadata(path).num_rows for path in paths) for name, paths in found.items()
        }
        assert info.download_size == sum(path.stat().st_size for paths in found.values() for path in paths)
        assert info.features == declared(next(iter(found.values()))[0])


def test_the_card_has_the_metadata_that_the_hub_sorts_by(directory: Path) -> None:
    data = DatasetCard.load(directory / "README.md").data
    assert data.license == "apache-2.0"
    assert data.pretty_name == "Younger"
    assert data.task_categories == ["graph-ml"]
    assert data.size_categories == ["n<1K"]
    assert "graph-ml" in data.tags
