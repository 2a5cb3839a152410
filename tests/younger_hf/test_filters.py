"""Filters of `load`: the rows that pass, the row groups that are read for them, and what is said of wrong ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from younger_hf import load, to_pyg
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.vocabulary import Vocabulary

Row = dict[str, Any]

FILTERS: dict[str, tuple[dict[str, Any], Callable[[Row, set[str]], bool]]] = {
    "task": ({"task": "image-segmentation"}, lambda row, _: row["task"] == "image-segmentation"),
    "tasks": (
        {"task": ["image-classification", "image-segmentation"]},
        lambda row, _: row["task"] is not None,
    ),
    "name": ({"name": "light_squeezenet"}, lambda row, _: row["name"] == "light_squeezenet"),
    "hub": ({"hub": "torchvision"}, lambda row, _: row["source"] == "torchvision"),
    "family": ({"family": ("vgg", "resnet")}, lambda row, _: row["family"] in ("vgg", "resnet")),
    "origin": ({"origin": {"contributed", "registry"}}, lambda row, _: row["origin"] in ("contributed", "registry")),
    "license": ({"license": ["mit", "apache-2.0"]}, lambda row, _: row["license"] in ("mit", "apache-2.0")),
    "at least": ({"min_nodes": 100}, lambda row, _: row["num_nodes"] >= 100),
    "at most": ({"max_nodes": 100}, lambda row, _: row["num_nodes"] <= 100),
    "between": ({"min_nodes": 20, "max_nodes": 176}, lambda row, _: 20 <= row["num_nodes"] <= 176),
    "any operator": ({"operators": ["Loop", "LRN"]}, lambda _, there: bool(there & {"Loop", "LRN"})),
    "one operator": ({"operators": "LRN"}, lambda _, there: "LRN" in there),
    "all operators": ({"all_operators": ["Concat", "LRN"]}, lambda _, there: {"Concat", "LRN"} <= there),
    "operators both ways": (
        {"operators": ["Concat", "Sum"], "all_operators": "BatchNormalization"},
        lambda _, there: bool(there & {"Concat", "Sum"}) and "BatchNormalization" in there,
    ),
    "together": (
        {"task": "image-classification", "hub": "huggingface", "max_nodes": 200, "operators": ["Dropout"]},
        lambda row, there: (
            (row["task"], row["source"]) == ("image-classification", "huggingface")
            and row["num_nodes"] <= 200
            and "Dropout" in there
        ),
    ),
}


@pytest.fixture(scope="module")
def everything(large_release: Path, vocabulary: Vocabulary) -> dict[str, list[tuple[Row, set[str]]]]:
    """The rows of each split, with the operators they have."""
    return {
        name: [(row, {vocabulary.operators[one] for one in row["node_operator"]}) for row in split]
        for name, split in load(source=large_release).items()
    }


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", FILTERS)
def test_the_rows_that_pass_are_those_and_no_others(large_release, everything, name, streaming):
    arguments, passes = FILTERS[name]
    splits = load(source=large_release, streaming=streaming, **arguments)
    found = {split: list(rows) for split, rows in splits.items()}
    expected = {split: [row for row, there in rows if passes(row, there)] for split, rows in everything.items()}
    assert found == expected
    assert 0 < sum(map(len, found.values())) < 120


def test_one_split_or_a_share_of_it_is_filtered_alike(large_release, everything):
    small = [row for row, _ in everything["train"] if row["num_nodes"] <= 100]
    assert load("graphs", "train", large_release, max_nodes=100)[:] == datasets.Dataset.from_list(small)[:]
    assert list(load("graphs", "train[:50%]", large_release, max_nodes=100)) == small[: round(len(small) / 2)]
    both = load("graphs", "train+test", large_release, max_nodes=100)
    assert len(both) == len(small) + sum(row["num_nodes"] <= 100 for row, _ in everything["test"])
    assert len(load("graphs", "all", large_release, hub=["huggingface"])) == 60


@pytest.mark.parametrize("streaming", [False, True])
def test_the_papers_scheme_goes_with_filters(large_release, everything, streaming):
    splits = load(source=large_release, split_scheme="paper", max_nodes=100, operators="LRN", streaming=streaming)
    assert list(splits) == ["train", "validation", "test"]
    for name, split in splits.items():
        expected = [
            row
            for rows in everything.values()
            for row, there in rows
            if row["paper_split"] == name and row["num_nodes"] <= 100 and "LRN" in there
        ]
        assert list(split) == expected
        assert expected
    test = load("graphs", "test", large_release, split_scheme="paper", max_nodes=100, streaming=streaming)
    assert {(row["paper_split"], row["num_nodes"] <= 100) for row in test} == {("test", True)}


@pytest.mark.parametrize(
    "nothing", [{"max_nodes": 3}, {"min_nodes": 200, "max_nodes": 100}, {"all_operators": ["Loop", "Conv"]}]
)
@pytest.mark.parametrize("scheme", ["family", "paper"])
def test_a_filter_that_nothing_passes_gives_no_rows_and_the_right_features(large_release, nothing, scheme):
    features = load("graphs", "test", large_release).features
    for split in ("train", None):
        rows = load("graphs", split, large_release, split_scheme=scheme, **nothing)
        for part in [rows] if split else rows.values():
            assert type(part) is datasets.Dataset
            assert len(part) == 0
            assert part.features == features
        stream = load("graphs", split, large_release, split_scheme=scheme, streaming=True, **nothing)
        for part in [stream] if split else stream.values():
            assert list(part) == []
            assert part.features == features


def test_a_split_without_such_rows_is_empty_beside_those_with_them(release):
    splits = load(source=release, operators="Loop")
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 0,
        "validation": 0,
        "test": 0,
        "unseen": 1,
    }


def test_a_bound_beyond_every_size_leaves_all_rows(release, graphs):
    splits = load(source=release, min_nodes=-1, max_nodes=10**30)
    assert sum(len(split) for split in splits.values()) == len(graphs)


@pytest.mark.parametrize("streaming", [False, True])
def test_filtered_rows_become_tensors_like_any_others(large_release, everything, streaming):
    rows = load("graphs", "train", large_release, operators="LRN", max_nodes=100, streaming=streaming)
    expected = [row for row, there in everything["train"] if "LRN" in there and row["num_nodes"] <= 100]
    assert [(item.fingerprint, item.x.tolist()) for item in to_pyg(rows)] == [
        (row["fingerprint"], row["node_operator"]) for row in expected
    ]


def spoil(release: Path, unwanted: Callable[[pq.RowGroupMetaData], bool], keep: str = "") -> tuple[int, int]:
    """Overwrite the train row groups that no reader should want, save one column; gives how many of how many."""
    spoilt = total = 0
    for file in (release / "graphs").glob("train-*.parquet"):
        metadata = pq.read_metadata(file)
        content = bytearray(file.read_bytes())
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            total += 1
            if unwanted(group):
                spoilt += 1
                for i in range(group.num_columns):
                    column = group.column(i)
                    if column.path_in_schema == keep:
                        continue
                    start = column.dictionary_page_offset or column.data_page_offset
                    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
        file.write_bytes(content)
    return spoilt, total


def least(group: pq.RowGroupMetaData, name: str) -> Any:
    return next(c.statistics.min for c in map(group.column, range(group.num_columns)) if c.path_in_schema == name)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("scheme", ["family", "paper"])
def test_row_groups_without_such_a_row_are_not_read(large_release, everything, tmp_path, streaming, scheme):
    copy = shutil.copytree(large_release, tmp_path / "younger")
    spoilt, total = spoil(copy, lambda group: least(group, "num_nodes") > 100)
    assert total >= 14
    assert spoilt >= total / 2

    def names(**arguments: Any) -> list[str]:
        return [row["name"] for row in load("graphs", "train", copy, streaming=streaming, **arguments)]

    small = names(max_nodes=100, split_scheme=scheme)
    assert len(set(small)) == 4
    if scheme == "family":
        assert small == [row["name"] for row, _ in everything["train"] if row["num_nodes"] <= 100]
        assert names(max_nodes=100, operators="LRN")
    with pytest.raises((ReleaseError, OSError)):
        names(max_nodes=500, split_scheme=scheme)


def test_row_groups_of_other_families_are_not_read(large_release, everything, tmp_path):
    copy = shutil.copytree(large_release, tmp_path / "younger")
    # The column itself is read to know whether there is such a family.
    spoilt, _ = spoil(copy, lambda group: least(group, "family") > "densenet", keep="family")
    assert spoilt >= 7
    expected = [row for row, _ in everything["train"] if row["family"] in ("bvlc_alexnet", "densenet")]
    for streaming in (False, True):
        assert list(load("graphs", "train", copy, family=["bvlc_alexnet", "densenet"], streaming=streaming)) == expected


def test_a_misspelt_name_gets_the_nearest_ones(large_release):
    for arguments, message in {
        "no task 'image-clasification': did you mean image-classification": {"task": "image-clasification"},
        "no task 'Image-Segmentation': did you mean image-segmentation": {
            "task": ["image-classification", "Image-Segmentation"]
        },
        "no task 'x': there is image-classification, image-segmentation$": {"task": "x"},
        "no hub 'hugingface': did you mean huggingface": {"hub": "hugingface"},
        "no family 'ResNett': did you mean resnet": {"family": "ResNett", "task": "image-classification"},
        "no license 'apache-2': did you mean apache-2.0": {"license": "apache-2"},
        "no origin 'publish': did you mean published": {"origin": "publish"},
        "no operator 'softmax': did you mean Softmax": {"operators": "softmax"},
        "no operator 'RELU': did you mean Relu": {"all_operators": ["Conv", "RELU"]},
        "no operator '__UNK__': there is Add, ": {"operators": "__UNK__"},
    }.items():
        with pytest.raises(UsageError, match=arguments):
            load("graphs", "train", large_release, **message)


def test_a_family_is_found_in_the_spelling_of_any_source(large_release):
    wanted = load("graphs", "train", large_release, family="resnet")["fingerprint"]
    assert wanted
    assert load("graphs", "train", large_release, family="ResNet_v2")["fingerprint"] == wanted


def test_a_name_is_known_where_another_split_has_it(release):
    assert len(load("graphs", "test", release, family="nested_bodies")) == 0
    assert len(load("graphs", "unseen", release, family="nested_bodies")) == 1


def test_a_column_that_the_config_lacks_is_said(large_release):
    with pytest.raises(UsageError, match="config operators has no column task: its rows cannot be filtered by it"):
        load("operators", source=large_release, task="image-classification")
    with pytest.raises(UsageError, match="config operators has no column node_operator"):
        load("operators", source=large_release, operators="Conv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_nodes": "300"}, "a number of nodes is a whole number, not '300'"),
        ({"min_nodes": 1.5}, "a number of nodes is a whole number, not 1.5"),
        ({"task": 3}, "a filter by task takes a name or a list of names, not 3"),
        ({"operators": ["Conv", None]}, r"a filter by operator takes a name or a list of names, not \['Conv', None\]"),
        ({"family": []}, "a filter by family takes at least one name; leave it out to have all rows"),
    ],
)
def test_a_filter_of_the_wrong_type_is_refused(large_release, arguments, message):
    with pytest.raises(UsageError, match=message):
        load("graphs", "train", large_release, **arguments)


def test_filters_read_an_incomplete_release_no_further(large_release, tmp_path):
    copy = shutil.copytree(large_release, tmp_path / "younger")
    next(iter(sorted((copy / "graphs").glob("train-*.parquet")))).unlink()
    with pytest.raises(ReleaseError, match=r"graphs/train-00000-of-0000\d\.parquet is missing"):
        load("graphs", "test", copy, task="image-classification")
    card = copy / "README.md"
    card.write_text(card.read_text().replace("younger_schema_version: 1", "younger_schema_version: 99"))
    with pytest.raises(ReleaseError, match=r"README\.md is of schema version 99"):
        load("graphs", "test", copy, max_nodes=300)
