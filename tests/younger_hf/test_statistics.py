"""What is counted of a release: right, in memory that does not grow, and refused where the release is not whole."""

from __future__ import annotations

import json
import os
import shutil
import statistics as stdlib
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from younger_hf import Vocabulary, load
from younger_hf.errors import ReleaseError, YoungerError
from younger_hf.operator_groups import GROUPS, operator_group
from younger_hf.schema import features
from younger_hf.statistics import CATALOGUES, Distribution, Statistics, count_release
from younger_hf.statistics_report import to_json, to_text, write


@pytest.fixture(scope="module")
def measured(large_release: Path) -> Statistics:
    return count_release(large_release)


@pytest.fixture(scope="module")
def graph_rows(large_release: Path) -> dict[str, list[dict[str, Any]]]:
    return {split: list(rows) for split, rows in load(source=large_release).items()}


@given(st.lists(st.integers(0, 2**40), min_size=1))
def test_a_distribution_has_the_moments_of_its_values(values):
    distribution = Distribution.of(Counter(values))
    assert distribution.median == stdlib.median(values)
    assert distribution.mean == pytest.approx(stdlib.mean(values))
    assert (distribution.min, distribution.max) == (min(values), max(values))
    assert (distribution.size, distribution.total) == (len(values), sum(values))
    assert np.array_equal(np.repeat(distribution.values, distribution.counts), sorted(values))


def test_sizes_are_those_of_the_rows(measured, graph_rows):
    rows = [row for split in graph_rows.values() for row in split]
    for column, size in {"num_nodes": measured.nodes, "num_edges": measured.edges}.items():
        values = [row[column] for row in rows]
        assert (size.min, size.max, size.size) == (min(values), max(values), 120)
        assert size.median == stdlib.median(values)
        assert size.mean == stdlib.mean(values)
    assert measured.models == sum(row["num_models"] for row in rows)


def test_every_split_of_every_config_is_counted(measured, graph_rows, operator_rows):
    counted = {
        config: {name: (split.rows, split.nodes.total, split.edges.total) for name, split in splits.items()}
        for config, splits in measured.splits.items()
    }
    expected = {
        split: (len(rows), sum(row["num_nodes"] for row in rows), sum(row["num_edges"] for row in rows))
        for split, rows in graph_rows.items()
    }
    assert counted == {"graphs": expected, "operators": {"train": (len(operator_rows), 0, 0)}}


def test_operators_are_counted_in_nodes_and_in_graphs(measured, graphs):
    nodes, occurrences = Counter[str](), Counter[str]()
    variants = set()
    for graph in graphs.values():
        labels = [operator.type_label for operator in graph.operator]
        nodes.update(labels)
        occurrences.update(set(labels))
        variants.update(operator.label for operator in graph.operator)
    expected = sorted(((12 * count, label) for label, count in nodes.items()), key=lambda item: (-item[0], item[1]))
    assert [(one.nodes, one.operator) for one in measured.operators] == expected
    assert {one.operator: one.graphs for one in measured.operators} == {k: 12 * n for k, n in occurrences.items()}
    assert measured.variants == len(variants)


def test_names_are_counted_and_those_without_one_apart(measured, graph_rows):
    rows = [row for split in graph_rows.values() for row in split]
    for catalogue, column in CATALOGUES.items():
        assert measured.catalogues[catalogue] == Counter(row[column] for row in rows)
        counts = list(measured.catalogues[catalogue].values())
        assert counts == sorted(counts, reverse=True)
    assert None in measured.catalogues["tasks"]


def test_families_are_counted_by_operator_group(measured, graphs):
    expected: dict[str, Counter[str]] = {}
    for name, graph in graphs.items():
        family = name.removeprefix("light_").rstrip("0123456789")
        expected.setdefault(family, Counter()).update(operator_group(operator) for operator in graph.operator)
    assert {family.name for family in measured.families} == set(expected)
    for family in measured.families:
        assert family.nodes == tuple(12 * expected[family.name][group] for group in GROUPS)


def test_the_json_says_what_was_measured(measured):
    told = json.loads(to_json(measured))
    assert told["schema_version"] == 1
    assert told["graphs"] == 120
    assert told["nodes"]["median"] == measured.nodes.median
    assert told["operator_types"] == len(measured.operators)
    assert len(told["operators"]) == min(30, len(measured.operators))
    assert told["operators"][0] == {
        "operator": measured.operators[0].operator,
        "nodes": measured.operators[0].nodes,
        "graphs": measured.operators[0].graphs,
    }
    assert told["tasks"]["distinct"] == 2
    assert told["tasks"]["unknown"] == 40
    assert told["tasks"]["graphs"] == {"image-classification": 40, "image-segmentation": 40}
    assert {split: one["rows"] for split, one in told["configs"]["graphs"].items()} == {
        "train": 84,
        "validation": 12,
        "test": 12,
        "unseen": 12,
    }
    assert "nodes" not in told["configs"]["operators"]["train"]


def test_the_same_release_gives_the_same_bytes(measured, large_release, tmp_path):
    copy = shutil.copytree(large_release, tmp_path / "elsewhere")
    assert to_json(count_release(copy)) == to_json(measured)
    assert to_text(count_release(copy)) == to_text(measured)


def test_the_text_has_every_part(measured):
    text = to_text(measured)
    assert text.startswith("120 graphs made from 210 models; ")
    for part in ("nodes ", "validation ", "image-segmentation ", "(not known) ", "bsd-3-clause ", "Conv "):
        assert f"\n{part}" in text or f" {part}" in text


def copies(release: Path, directory: Path, number: int) -> Path:
    """The release with every file of config graphs so many times."""
    shutil.copytree(release, directory)
    for split in ("train", "validation", "test", "unseen"):
        files = sorted((release / "graphs").glob(f"{split}-*.parquet"))
        for file in (directory / "graphs").glob(f"{split}-*.parquet"):
            file.unlink()
        for i in range(total := number * len(files)):
            os.link(files[i % len(files)], directory / "graphs" / f"{split}-{i:05d}-of-{total:05d}.parquet")
    return directory


POOLS: list[pa.MemoryPool] = []  # never given up: Arrow's own threads may still free memory of one that was replaced


def peak(release: Path) -> tuple[int, int]:
    """The most bytes that Arrow and Python held while measuring."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    POOLS.append(pool)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        count_release(release)
        return pool.max_memory(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def test_memory_does_not_grow_with_the_release(large_release, measured, tmp_path):
    larger = copies(large_release, tmp_path / "larger", 16)
    assert count_release(larger).nodes.size == 16 * measured.nodes.size
    (arrow, python), (larger_arrow, larger_python) = peak(large_release), peak(larger)
    assert arrow > 10_000
    # Which columns are decoded at a time is left to chance.
    assert larger_arrow < 1.5 * arrow
    assert larger_python < 1.2 * python + 50_000


def test_a_release_that_is_not_whole_is_refused_by_name(large_release, tmp_path):
    with pytest.raises(ReleaseError, match="there is no release directory"):
        count_release(tmp_path / "nothing")
    copy = shutil.copytree(large_release, tmp_path / "younger")
    file = sorted((copy / "graphs").glob("train-*.parquet"))[1]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ReleaseError, match=rf"graphs/{file.name} is damaged"):
        count_release(copy)
    file.unlink()
    with pytest.raises(ReleaseError, match=rf"graphs/{file.name} is missing: the release is incomplete"):
        count_release(copy)
    card = copy / "README.md"
    card.write_text(card.read_text().replace("younger_schema_version: 1", "younger_schema_version: 2"))
    with pytest.raises(ReleaseError, match=r"README\.md is of schema version 2, and this younger-hf reads version 1"):
        count_release(copy)


def test_ids_that_the_vocabulary_lacks_are_said(large_release, operator_rows, tmp_path):
    copy = shutil.copytree(large_release, tmp_path / "younger")
    special = [row for row in operator_rows if row["id"] < 2]
    table = datasets.Dataset.from_list(special, features("operators"))
    table.to_parquet(str(next((copy / "operators").glob("*.parquet"))))
    assert Vocabulary.load(copy).operators == ("__UNK__", "__MASK__")
    with pytest.raises(ReleaseError, match=r"column node_variant has id \d+, and the vocabulary .* ends at 1"):
        count_release(copy)


def test_what_cannot_be_written_is_said(measured, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(YoungerError, match=r"the statistics cannot be written to .*file"):
        write(measured, tmp_path / "file", {})
    written = write(measured, tmp_path / "new" / "directory", {"a.png": b"png"})
    assert [path.name for path in written] == ["statistics.json", "a.png"]
    assert written[0].read_text() == to_json(measured)
