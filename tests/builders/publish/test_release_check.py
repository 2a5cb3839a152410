"""What may be published as a release, and what of it is named where it may not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.releases import files

from builders.publish import check_release
from younger_hf.errors import ReleaseError

TRAIN = "graphs/train-00000-of-00001.parquet"
SKELETONS = "skeletons/train-00000-of-00001.parquet"


@pytest.fixture
def release(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "younger"))


def replace(old: str, new: str, count: int = -1) -> Callable[[Path], object]:
    def change(release: Path) -> None:
        text = (release / "README.md").read_text()
        assert old in text
        (release / "README.md").write_text(text.replace(old, new, count))

    return change


def rewrite(path: str, edit: Callable[[pa.Table], pa.Table]) -> Callable[[Path], object]:
    return lambda release: pq.write_table(edit(pq.read_table(release / path)), release / path)


def cut(release: Path) -> None:
    (release / TRAIN).write_bytes((release / TRAIN).read_bytes()[:-100])


def add(path: str) -> Callable[[Path], object]:
    def change(release: Path) -> None:
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        (release / path).write_bytes(b"x")

    return change


def test_a_release_is_all_of_its_files(release):
    for path in ("croissant.json", "figures/sizes.png"):
        add(path)(release)
    expected = sorted(files(release))
    for path in (".gitattributes", "removals.txt", ".cache/huggingface/download/README.md.metadata"):
        add(path)(release)
    assert list(check_release(release)) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda release: (release / "README.md").unlink(), r"README\.md is missing"),
        (lambda release: (release / TRAIN).unlink(), r"graphs/train-\*\.parquet is missing"),
        (
            lambda release: (release / TRAIN).rename(release / "graphs/train-00001-of-00002.parquet"),
            "graphs/train-00000-of-00002.parquet is missing",
        ),
        (cut, f"{TRAIN} is damaged"),
        (replace("younger_schema_version: 1", "younger_schema_version: 2"), "is of schema version 2"),
        (replace("  default: true\n", ""), "must have `default: true` at config graphs"),
        (replace("config_name: skeletons", "config_name: weights"), "lists config weights, which is none of Younger's"),
        (replace("config_name: operators", "config_name: sample", 1), "does not list config operators"),
        (replace("num_examples: ", "num_examples: 9"), r"has 1 rows with its shards, and .* says 91"),
        (replace("download_size: ", "download_size: 9"), "they are not of one build"),
        (replace("- name: wl_hash", "- name: hash", 1), "does not give the features of config graphs"),
        (
            replace("- name: unseen\n    num_bytes", "- name: test\n    num_bytes", 1),
            "the same splits of config graphs",
        ),
        (
            rewrite(TRAIN, lambda table: table.drop_columns("depth")),
            f"{TRAIN} does not have the columns of its config",
        ),
        (
            rewrite(TRAIN, lambda table: table.replace_schema_metadata(None)),
            f"{TRAIN} does not have the columns of its config, or another vocabulary",
        ),
        (add("younger.py"), r"younger\.py must not be published: `datasets` refuses"),
        (add("graphs/notes.txt"), r"graphs/notes\.txt is no part of the release"),
        (add("graphs/other-00000-of-00001.parquet"), r"graphs/other-.* is no part of the release"),
        (add(".env"), r"\.env is no part of the release"),
    ],
)
def test_what_is_not_a_whole_release_is_refused_by_name(release, change, message):
    check_release(release)
    change(release)
    with pytest.raises(ReleaseError, match=message):
        check_release(release)


def test_a_skeleton_with_weights_is_refused(release):
    import onnx

    model = onnx.load_from_string(pq.read_table(release / SKELETONS).column("onnx")[0].as_py())
    next(tensor for tensor in model.graph.initializer if tensor.name == "p0").raw_data = b"\1" * 8

    def edit(table: pa.Table) -> pa.Table:
        field = table.schema.field("onnx")
        skeletons = pa.array([model.SerializeToString(), *table.column("onnx").to_pylist()[1:]], field.type)
        return table.set_column(table.column_names.index("onnx"), field, skeletons)

    size = (release / SKELETONS).stat().st_size
    rewrite(SKELETONS, edit)(release)
    text = (release / "README.md").read_text()
    after = (release / SKELETONS).stat().st_size
    (release / "README.md").write_text(re.sub(rf"download_size: {size}\b", f"download_size: {after}", text))
    with pytest.raises(ReleaseError, match=r"skeleton [0-9a-f]{32} of .* has the values of tensor 'p0' of shape"):
        check_release(release)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ReleaseError, match="there is no release directory"):
        check_release(tmp_path / "younger")
