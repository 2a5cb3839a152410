"""Classes of a release: one list for all its splits."""

from __future__ import annotations

from shutil import copytree

import datasets
import pyarrow.parquet as pq
import pytest

from younger_hf import YoungerError, class_names, load
from younger_hf.errors import UsageError
from younger_hf.labels import CLASS_COLUMNS, check_classes_are_shared


def test_the_classes_are_those_of_all_splits_in_order(large_release):
    every = load("graphs", "all", large_release)
    for column in CLASS_COLUMNS:
        assert class_names(column, large_release) == tuple(sorted({value for value in every[column] if value}))
    assert class_names("task", large_release) == ("image-classification", "image-segmentation")


def test_a_column_without_classes_is_named(large_release):
    with pytest.raises(UsageError, match="no column of classes 'famly': did you mean family"):
        class_names("famly", large_release)
    with pytest.raises(YoungerError, match="no release directory"):
        class_names("task", "nowhere")


def test_a_release_that_is_built_anew_is_read_anew(large_release, tmp_path):
    release = copytree(large_release, tmp_path / "younger")
    assert class_names("task", release) == class_names("task", large_release)
    for file in release.glob("graphs/*.parquet"):
        table = pq.read_table(file)
        tasks = table["task"].fill_null("none stated")
        pq.write_table(table.set_column(table.schema.get_field_index("task"), "task", tasks), file)
    assert class_names("task", release) == ("image-classification", "image-segmentation", "none stated")


def test_families_cannot_be_learned_from_rows_that_are_held_out_by_family():
    for split in ("validation", "test[:50%]", "validation+test", "unseen", datasets.NamedSplit("test")):
        with pytest.raises(UsageError, match=r"no family of .* is in train.*stratified"):
            check_classes_are_shared("family", str(split))
    for split in ("train", "train[:10%]+test", None, "all"):
        check_classes_are_shared("family", split)
    check_classes_are_shared("task", "test")
