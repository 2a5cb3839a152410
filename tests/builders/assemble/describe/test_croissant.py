"""`croissant.json`, read and checked by mlcroissant: what it says is what the files have."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
from PIL import Image
from support.ledgers import conversion
from support.light import LIGHT
from support.releases import ONNX_CONFIGS, Row, every_row, files, table

from builders.assemble import assemble
from builders.ledger import Ledger
from builders.model_ref import Evaluation, ModelRef
from younger_hf.schema import SPLITS, features

RESULT = Evaluation("image-classification", "flowers", "test", "accuracy", 0.93)
MODELS = {
    "resnet50": ModelRef(
        "hub", "a/resnet", license='"mit"\n', tags=("vision", "x"), downloads=5, retrieved="2026-11-02"
    ),
    "vgg19": ModelRef("hub", "b/vgg", "main", retrieved="2026-11-01", evaluations=(RESULT,)),
    "squeezenet": ModelRef("onnx-package", "squeezenet", family="squeezenet"),
    "shufflenet": ModelRef("onnx-package", "shufflenet", family="shufflenet"),
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("croissant")
    with Ledger(directory / "work") as ledger:
        for name, model in MODELS.items():
            ledger.record([model])
            ledger.finish(model, conversion(LIGHT / f"light_{name}.onnx"))
        assemble(ledger, directory / "younger")
    return directory / "younger"


@pytest.fixture(scope="module")
def dataset(release: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(release / "croissant.json")


def test_mlcroissant_finds_nothing_wrong(dataset: mlcroissant.Dataset) -> None:
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    # The day on which a release will be published is not known when it is built.
    assert [issue for issue in issues.warnings if "datePublished" not in issue] == []


def test_what_is_asked_of_responsible_ai_is_answered(dataset: mlcroissant.Dataset) -> None:
    metadata = dataset.metadata
    assert metadata.conforms_to == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    answers = (
        *("data_collection", "data_collection_type", "data_collection_raw_data", "data_collection_missing_data"),
        *("data_preprocessing_protocol", "data_biases", "data_limitations", "data_use_cases", "data_social_impact"),
        *("personal_sensitive_information", "data_release_maintenance_plan"),
    )
    assert [name for name in answers if not getattr(metadata, name)] == []
    days = metadata.data_collection_timeframe
    assert [day.isoformat()[:10] for day in days] == ["2026-11-01", "2026-11-02"]
    assert "hub: 2 listed, 2 tried, 2 converted, in 2 architectures" in metadata.data_collection
    assert "removals.txt" in metadata.data_release_maintenance_plan


def test_every_file_is_there_with_its_hash_and_size(dataset: mlcroissant.Dataset, release: Path) -> None:
    described = {file.content_url: (file.sha256, file.content_size) for file in dataset.metadata.file_objects}
    there = {path: content for path, content in files(release).items() if path.endswith(".parquet")}
    assert described == {
        path: (hashlib.sha256(content).hexdigest(), f"{len(content)} B") for path, content in there.items()
    }


def test_every_column_of_every_config_is_a_field_with_its_meaning(dataset: mlcroissant.Dataset, release: Path) -> None:
    sets = {one.id: one for one in dataset.metadata.record_sets}
    assert list(sets) == ["splits", *ONNX_CONFIGS]
    assert [line["splits/name"] for line in sets["splits"].data] == [
        split for split in SPLITS if list(release.glob(f"*/{split}-*.parquet"))
    ]
    for config in ONNX_CONFIGS:
        fields = {field.id.removeprefix(f"{config}/"): field for field in sets[config].fields}
        assert list(fields) == ["split", *features(config)]
        assert [name for name, field in fields.items() if not field.description] == []


def plain(value: Any) -> Any:
    """A value that mlcroissant gives, as pyarrow gives it; of fields within a field, the names alone."""
    if isinstance(value, dict):
        return {name.rsplit("/", 1)[1]: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return value.item() if hasattr(value, "item") else value


def expected(row: Row) -> Row:
    return {
        name: cell.decode(errors="surrogateescape") if isinstance(cell, bytes) else cell
        for name, cell in row.items()
        if name != "preview"
    }


@pytest.mark.parametrize("config", ONNX_CONFIGS)
def test_mlcroissant_reads_the_rows_that_are_in_the_files(
    dataset: mlcroissant.Dataset, release: Path, config: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        records = list(map(plain, dataset.records(config)))
    assert not caplog.records
    pictures = [record.pop("preview") for record in records if "preview" in record]
    rows = [{"split": split, **expected(row)} for split, part in table(release, config).items() for row in part]
    assert sorted(records, key=str) == sorted(rows, key=str)
    shown = [row["preview"]["bytes"] for row in every_row(release, config) if "preview" in row]
    assert sorted(map(pixels, pictures)) == sorted(pixels(Image.open(io.BytesIO(content))) for content in shown)


def pixels(picture: Image.Image) -> bytes:
    return picture.convert("RGB").tobytes()


def test_the_same_release_has_the_same_description(release: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / "work") as ledger:
        for name, model in reversed(MODELS.items()):
            ledger.record([model])
            ledger.finish(model, conversion(LIGHT / f"light_{name}.onnx"))
        assemble(ledger, tmp_path / "younger")
    assert (tmp_path / "younger" / "croissant.json").read_bytes() == (release / "croissant.json").read_bytes()
