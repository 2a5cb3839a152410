"""Tables in timm's CSV format become figures of the rows that timm's architectures are in."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
import yaml
from typer.testing import CliRunner

from builders.results.files import read_results, results_for
from builders.results.tables import import_table
from younger_hf.cli import app
from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import SCHEMA_VERSION_KEY, Release, open_release
from younger_hf.schema import SCHEMA_VERSION

ACCURACIES = """\
model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation
resnet50.a1_in1k,80.217,19.783,94.984,5.016,25.56,224,0.950,bicubic
resnet50.tv_in1k,76.128,23.872,92.858,7.142,25.56,224,0.875,bilinear
vit_base_patch16_224.augreg_in21k,,,84.529,,86.57,224,0.900,bicubic
nobody_knows_it,1.0,99.0,2.0,98.0,1.0,224,0.9,bicubic
"""
SPEEDS = "model,infer_img_size,infer_samples_per_sec,infer_step_time\nresnet50,160,43.63,22.892\n"


@pytest.fixture
def release(tmp_path) -> Release:
    """Two rows that have models of timm, one of them with a part of another, and a row that has none."""
    models = {
        "a" * 32: [("timm", "resnet50", None), ("torchvision", "resnet50", None)],
        "b" * 32: [("timm", "vit_base_patch16_224", None), ("timm", "resnet50", "features")],
        "c" * 32: [("torchvision", "vgg11", None)],
    }
    rows = [
        {
            "fingerprint": name,
            "models": [dict(zip(("source", "id", "component"), each, strict=True)) for each in of_row],
        }
        for name, of_row in models.items()
    ]
    place = tmp_path / "younger"
    datasets.Dataset.from_list(rows).to_parquet(place / "graphs" / "train-00000-of-00001.parquet")
    files = [{"split": "train", "path": "graphs/train-*.parquet"}]
    card = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": [{"config_name": "graphs", "data_files": files}]}
    (place / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    return open_release(place)


def written(directory: Path, text: str) -> str:
    file = directory / "results.csv"
    file.write_text(text)
    return str(file)


def test_accuracies_are_of_every_row_that_has_the_model(release, tmp_path):
    found = import_table(written(tmp_path, ACCURACIES), release, tmp_path, dataset="imagenet-1k", split="validation")
    assert (found.rows, found.models, found.unknown) == (5, 3, 1)
    rows = read_results(tmp_path, "evaluations")
    assert {(row["fingerprint"][0], row["model"].partition(".")[2], row["metric"], row["value"]) for row in rows} == {
        ("a", "a1_in1k", "top1", 80.217),
        ("a", "a1_in1k", "top5", 94.984),
        ("a", "tv_in1k", "top1", 76.128),
        ("a", "tv_in1k", "top5", 92.858),
        ("b", "augreg_in21k", "top5", 84.529),
    }
    rest = {"dataset": "imagenet-1k", "split": "validation", "unit": "%", "image_size": 224, "device": None}
    assert all(rest.items() <= row.items() and row["table"] == "results.csv" for row in rows)


def test_speeds_come_with_their_device_and_unit(release, tmp_path):
    import_table(written(tmp_path, ACCURACIES), release, tmp_path, dataset="imagenet-1k")
    command = ["import-results", written(tmp_path, SPEEDS), "--work", tmp_path, "--release", release.source]
    done = CliRunner().invoke(app, [*map(str, command), "--device", "i7-12700h"])
    assert done.output == "2 figures of 1 models; 0 models are not in younger\n"
    speeds = [row for row in read_results(tmp_path, "evaluations") if row["device"]]
    assert [(row["metric"], row["value"], row["unit"], row["image_size"], row["dataset"]) for row in speeds] == [
        ("infer_samples_per_sec", 43.63, "1/s", 160, None),
        ("infer_step_time", 22.892, "ms", 160, None),
    ]
    assert {row["device"] for row in speeds} == {"i7-12700h"}


def test_a_table_that_is_taken_again_takes_the_place_of_the_first(release, tmp_path):
    for top1 in ("80.217", "80.3"):
        import_table(written(tmp_path, ACCURACIES.replace("80.217", top1)), release, tmp_path, dataset="imagenet-1k")
    rows = read_results(tmp_path, "evaluations")
    assert [row["value"] for row in rows if row["model"] == "resnet50.a1_in1k"] == [80.3, 94.984]


def test_results_of_rows_that_are_gone_go_with_them(release, tmp_path):
    import_table(written(tmp_path, ACCURACIES), release, tmp_path, dataset="imagenet-1k")
    kept = results_for("evaluations", tmp_path, release.source, lambda keys: keys & {"b" * 32})
    assert [row["model"] for row in kept] == ["vit_base_patch16_224.augreg_in21k"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (ACCURACIES, {}, r"has accuracies \(top1\): say on what --dataset they are"),
        (SPEEDS, {"dataset": "imagenet-1k"}, r"has speeds \(infer_samples_per_sec\): say of what --device"),
        ("name,top1\nresnet50,80\n", {}, "has no column model, or none of top1"),
        ("model,top1\n", {"dataset": "x"}, "has no models"),
        ("model,top1\nresnet50,high\n", {"dataset": "x"}, "line 2: top1 is 'high', which is no number"),
        ("model,top1\nresnet50,nan\n", {"dataset": "x"}, "line 2: top1 is 'nan'"),
        ("model,top1\nresnet50,80,90\n", {"dataset": "x"}, "line 2: it has other columns than the first line"),
        ("model,top1\nresnet50\n", {"dataset": "x"}, "line 2: it has other columns than the first line"),
    ],
)
def test_what_is_no_table_is_a_sentence_and_writes_nothing(release, tmp_path, text, options, message):
    with pytest.raises(UsageError, match=message):
        import_table(written(tmp_path, text), release, tmp_path, **options)
    assert read_results(tmp_path, "evaluations") == []


def test_a_link_is_https_or_refused(release, tmp_path):
    with pytest.raises(UsageError, match="is no link that begins with https://"):
        import_table("http://localhost/results.csv", release, tmp_path)
    with pytest.raises(YoungerError, match="cannot be read"):
        import_table("https://localhost:1/results.csv", release, tmp_path, dataset="x")


def test_a_file_of_results_that_is_none_is_named(tmp_path):
    (tmp_path / "evaluations.parquet").write_bytes(b"no Parquet")
    with pytest.raises(YoungerError, match=r"evaluations\.parquet holds no evaluations .*move it away"):
        read_results(tmp_path, "evaluations")
