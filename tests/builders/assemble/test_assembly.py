"""A release: of the ledger alone, the same bytes every time, whole or not there, and nothing in it but structure."""

from __future__ import annotations

import dataclasses
import io
import random
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnx
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from PIL import Image
from support.ledgers import Attempt, conversion, fill
from support.planted import planted_everywhere
from support.releases import LEDGER_CONFIGS, Row, every_row, files, lasting, table

import younger_hf
from builders.assemble import ReleaseReport, assemble
from builders.convert import Conversion, Outcome
from builders.model_ref import ModelRef
from younger_hf.costs import count_costs
from younger_hf.errors import UsageError, YoungerError
from younger_hf.extract import extract
from younger_hf.identity import canonicalize, fingerprint, skeleton_fingerprint, wl_hash
from younger_hf.schema import features


def front_matter(release: Path) -> dict[str, Any]:
    text = (release / "README.md").read_text()
    return dict(yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n")))


def values(cell: Any) -> Iterator[str | bytes]:
    """Every text and every byte string in a cell."""
    if isinstance(cell, dict):
        for name, value in cell.items():
            yield name
            yield from values(value)
    elif isinstance(cell, list):
        for value in cell:
            yield from values(value)
    elif isinstance(cell, str | bytes):
        yield cell


@pytest.fixture(scope="module")
def younger(release: tuple[Path, ReleaseReport]) -> Path:
    return release[0]


@pytest.fixture(scope="module")
def graphs(younger: Path) -> list[Row]:
    return every_row(younger, "graphs")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_order_of_attempts_paths_and_jobs_do_not_show_in_the_bytes(
    younger: Path, attempts: list[Attempt], tmp_path: Path, jobs: int
) -> None:
    moved = [
        (dataclasses.replace(model, location=f"/other/{i}" if model.location else "", stamp=str(i)), converted)
        for i, (model, converted) in enumerate(attempts)
    ]
    random.Random(jobs).shuffle(moved)
    failed_before = [(model, Conversion(Outcome.TIMEOUT, seconds=9.0)) for model, _ in moved[:5]]
    with fill(tmp_path / "elsewhere", failed_before + moved) as ledger:
        assemble(ledger, tmp_path / "younger", jobs=jobs)
    before, after = lasting(younger), lasting(tmp_path / "younger")
    (name,) = (name for name in before if name.startswith("conversions/"))
    tried = [row for row in after.pop(name) if row["outcome"] != "timeout" or row["message"]]
    assert [{**row, "attempt": None} for row in tried] == [{**row, "attempt": None} for row in before.pop(name)]
    assert after == before


def test_datasets_loads_every_config(release: tuple[Path, ReleaseReport]) -> None:
    younger, report = release
    assert set(report.rows) == set(LEDGER_CONFIGS)
    for config in LEDGER_CONFIGS:
        loaded = load_dataset(str(younger), config)
        assert {split: len(rows) for split, rows in loaded.items()} == report.rows[config]
        ids = loaded["train"].features.get("node_operator")
        operators = ids.feature.names if ids is not None else []
        if config != "sample":
            assert loaded["train"].features == features(config, operators)


def test_graphs_is_what_loads_without_a_name(younger: Path) -> None:
    assert "node_variant" in load_dataset(str(younger), split="train").features


def test_a_release_of_equal_shape_built_in_the_same_place_is_loaded_anew(
    attempts: list[Attempt], tmp_path: Path
) -> None:
    names = []
    for number in (1, 2):
        model, converted = attempts[0]
        with fill(tmp_path / f"work{number}", [(dataclasses.replace(model, id=f"model{number}"), converted)]) as ledger:
            assemble(ledger, tmp_path / "younger")
        names += load_dataset(str(tmp_path / "younger"), split="train")["name"]
    assert names == ["model1", "model2"]


def test_every_config_streams(younger: Path) -> None:
    for config in LEDGER_CONFIGS:
        assert next(iter(load_dataset(str(younger), config, split="train", streaming=True)))


def test_the_graph_of_a_row_has_the_fingerprints_of_the_row(younger: Path, graphs: list[Row]) -> None:
    vocabulary = younger_hf.Vocabulary.load(younger)
    for row in graphs:
        graph = younger_hf.to_graph(row, vocabulary)
        assert fingerprint(graph) == row["fingerprint"]
        assert fingerprint(graph, attributes=False) == row["type_fingerprint"]
        assert wl_hash(graph) == row["wl_hash"]
        assert (graph.num_nodes, graph.num_edges) == (row["num_nodes"], row["num_edges"])
        assert len(graph.operator_counts()) == row["num_operator_types"]
    for row in every_row(younger, "graphs-no-attributes"):
        graph = younger_hf.to_graph(row, vocabulary)
        assert fingerprint(graph, attributes=False) == row["type_fingerprint"]
        assert wl_hash(graph, attributes=False) == row["wl_hash"]


def test_the_skeleton_of_a_row_has_the_fingerprints_of_the_row(younger: Path) -> None:
    for row in every_row(younger, "skeletons"):
        assert skeleton_fingerprint(onnx.load_model_from_string(row["onnx"])) == row["skeleton_fingerprint"]
        assert fingerprint(extract(onnx.load_model_from_string(row["onnx"]))) == row["fingerprint"]


def test_every_id_is_in_the_vocabulary_and_is_counted(younger: Path, graphs: list[Row]) -> None:
    operators = every_row(younger, "operators")
    for kind in ("operator", "variant"):
        counted = {row["id"]: (row["num_nodes"], row["num_graphs"]) for row in operators if row["kind"] == kind}
        nodes = Counter(number for row in graphs for number in row[f"node_{kind}"])
        occurs = Counter(number for row in graphs for number in set(row[f"node_{kind}"]))
        assert {number: (nodes[number], occurs[number]) for number in counted} == counted
        assert nodes.keys() <= counted.keys() - {0, 1}


def test_depth_is_the_number_of_operators_on_the_longest_path(graphs: list[Row]) -> None:
    (alexnet,) = (row for row in graphs if row["name"] == "bvlc_alexnet")
    # conv relu lrn pool, conv relu lrn pool, conv relu conv relu conv relu pool, reshape, gemm relu drop (twice),
    # gemm, softmax; the first of them follows the zoo file's fake weights.
    assert alexnet["depth"] == 25
    assert alexnet["summary"].startswith("ConstantOfShape\N{MULTIPLICATION SIGN}16 Relu\N{MULTIPLICATION SIGN}7 ")


def test_costs_are_those_of_the_skeleton(younger: Path, graphs: list[Row]) -> None:
    skeletons = every_row(younger, "skeletons")
    for row in skeletons:
        costs = count_costs(onnx.load_model_from_string(row["onnx"]))
        assert (row["macs"], row["activations"]) == ((costs.macs, costs.activations) if costs else (None, None))
    assert any(row["macs"] for row in skeletons)
    found = {(skeleton["fingerprint"], skeleton["macs"]) for skeleton in skeletons}
    assert {(row["fingerprint"], row["macs"]) for row in graphs} <= found


def test_two_widths_of_a_network_are_one_graph_and_two_skeletons(younger: Path, graphs: list[Row]) -> None:
    (row,) = (row for row in graphs if row["name"] == "squeezenet1_1")
    assert row["num_skeletons"] == row["num_models"] == 2
    parameters = {model["id"]: model["num_parameters"] for model in row["models"]}
    skeletons = [s for s in every_row(younger, "skeletons") if s["fingerprint"] == row["fingerprint"]]
    assert parameters == {s["models"][0]["id"]: s["num_parameters"] for s in skeletons}
    assert parameters["squeezenet1_1"] > parameters["squeezenet1_1-ten-classes"]


def test_the_most_downloaded_model_stands_for_a_row_and_no_other_is_lost(graphs: list[Row]) -> None:
    (row,) = (row for row in graphs if any(model["id"] == "mobilenet_v2" for model in row["models"]))
    assert (row["name"], row["source"], row["downloads"]) == ("someone/mobilenet-tuned", "hub", 1000)
    assert [model["source"] for model in row["models"]] == ["hub", "torchvision"]
    assert row["models"][0]["tags"] == ["vision", "tuned"]
    assert row["models"][1]["license"] is None
    assert row["evaluations"] == [
        {
            "model": "someone/mobilenet-tuned",
            "task": "image-classification",
            "dataset": "flowers",
            "split": "test",
            "metric": "accuracy",
            "value": 0.93,
        }
    ]


def test_the_report_counts_what_is_there(release: tuple[Path, ReleaseReport], attempts: list[Attempt]) -> None:
    younger, report = release
    converted = [(model, done) for model, done in attempts if done.skeleton]
    assert report.models == len(converted)
    assert report.skeletons == len({done.skeleton for _, done in converted})
    assert report.duplicates == 2
    assert report.undecided == 0
    rows = every_row(younger, "graphs")
    alike = Counter(row["wl_hash"] for row in rows)
    assert report.wl_collisions == sum(count * (count - 1) // 2 for count in alike.values())
    vocabulary = younger_hf.Vocabulary.load(younger)
    searches = [canonicalize(younger_hf.to_graph(row, vocabulary)).num_searched for row in rows]
    assert report.searched == sum(number > 0 for number in searches)
    assert sum(report.rows["graphs"].values()) == len(every_row(younger, "graphs")) == report.skeletons - 1


def test_rows_stand_in_the_order_of_size_decile_and_fingerprint(younger: Path) -> None:
    for rows in table(younger, "graphs").values():
        sizes = [row["num_nodes"] for row in rows]
        assert all(small <= large * 2 for small, large in pairwise(sizes))
    skeletons = every_row(younger, "skeletons")
    assert [row["skeleton_fingerprint"] for row in skeletons] != sorted(
        row["skeleton_fingerprint"] for row in skeletons
    )


def test_the_splits_follow_the_seed(younger: Path, attempts: list[Attempt], tmp_path: Path) -> None:
    with fill(tmp_path / "work", attempts) as ledger:
        assemble(ledger, tmp_path / "other", seed=1)
    first, second = (
        {
            row["fingerprint"]: (split, row["paper_split"])
            for split, rows in table(path, "graphs").items()
            for row in rows
        }
        for path in (younger, tmp_path / "other")
    )
    assert first.keys() == second.keys()
    assert {split for split, _ in first.values()} | {split for split, _ in second.values()} >= {"train"}
    assert first != second
    # The paper's scheme has a seed of its own.
    assert {key: paper for key, (_, paper) in first.items()} == {key: paper for key, (_, paper) in second.items()}


def test_a_small_release_has_a_sample_of_all_its_rows(younger: Path, graphs: list[Row]) -> None:
    sample = every_row(younger, "sample")
    assert {row["fingerprint"] for row in sample} == {row["fingerprint"] for row in graphs}
    assert sum(file.stat().st_size for file in (younger / "sample").iterdir()) <= 5_000_000


def test_every_row_has_a_small_picture(graphs: list[Row]) -> None:
    pictures = [row["preview"]["bytes"] for row in graphs]
    assert max(map(len, pictures)) <= 3072
    assert all(Image.open(io.BytesIO(picture)).size == (128, 128) for picture in pictures)


def test_the_card_lists_what_is_there(release: tuple[Path, ReleaseReport]) -> None:
    younger, report = release
    card = front_matter(younger)
    assert card["younger_schema_version"] == 1
    assert [entry["config_name"] for entry in card["configs"]] == list(LEDGER_CONFIGS)
    assert [entry["config_name"] for entry in card["configs"] if entry.get("default")] == ["graphs"]
    for entry, info in zip(card["configs"], card["dataset_info"], strict=True):
        config = entry["config_name"]
        assert {split["name"]: split["num_examples"] for split in info["splits"]} == report.rows[config]
        found = {path for pattern in entry["data_files"] for path in younger.glob(pattern["path"])}
        assert found == set((younger / config).iterdir())
        assert info["download_size"] == sum(path.stat().st_size for path in found)
        assert {column["name"] for column in info["features"]} == set(features(config))


def test_nothing_planted_in_a_model_and_no_path_is_anywhere_in_a_release(tmp_path: Path) -> None:
    model, secrets = planted_everywhere()
    secrets += [b"/secret/place", b"secret-stamp", str(tmp_path).encode()]
    reference = ModelRef("onnx", "planted", location="/secret/place/planted.onnx", stamp="secret-stamp")
    with fill(tmp_path / "work", [(reference, conversion(model))]) as ledger:
        assemble(ledger, tmp_path / "younger")
    contents = list(files(tmp_path / "younger").values())
    for file in (tmp_path / "younger").rglob("*.parquet"):
        cells = (value for row in pq.read_table(file).to_pylist() for value in values(row))
        contents += [cell.encode() if isinstance(cell, str) else cell for cell in cells]
    everything = b"\n".join(contents)
    assert b"planted" in everything
    assert [secret for secret in secrets if secret in everything] == []


HOSTILE = (
    "evil/\n---\nlicense: wtfpl\n<script>alert(1)</script> | {{ front_matter }} {% raw %} [x](http://y) `z` ![i](j)"
)


def test_a_hostile_name_breaks_neither_card_nor_rows(attempts: list[Attempt], younger: Path, tmp_path: Path) -> None:
    models = [
        (dataclasses.replace(model, id=f"{HOSTILE}{i}", task=HOSTILE, family=HOSTILE + str(i), license=HOSTILE), done)
        for i, (model, done) in enumerate(attempts[:4])
    ]
    evil = [(dataclasses.replace(model, source=HOSTILE, tags=(HOSTILE,)), done) for model, done in models]
    with fill(tmp_path / "work", evil) as ledger:
        assemble(ledger, tmp_path / "younger")
    card = (tmp_path / "younger" / "README.md").read_text()
    assert set(front_matter(tmp_path / "younger")) == set(front_matter(younger))
    assert front_matter(tmp_path / "younger")["license"] == "apache-2.0"
    for piece in ("<script>", "{{", "{%", "](http://y", "`z`", "![i]", "license: wtfpl"):
        assert piece not in card
    lines = card.splitlines()
    assert [i for i, line in enumerate(lines) if line == "---"] == [0, lines.index("---", 1)]
    # In tables of two columns, and as the source in that of six.
    assert {line.count("|") for line in lines if "alert" in line} == {3, 7}
    rows = load_dataset(str(tmp_path / "younger"), "graphs", split="train")
    assert rows[0]["license"] == HOSTILE
    assert all(name.startswith(HOSTILE) for name in rows["name"])


def test_an_empty_ledger_is_one_sentence(tmp_path: Path) -> None:
    with fill(tmp_path / "work", []) as ledger, pytest.raises(YoungerError, match="no converted model"):
        assemble(ledger, tmp_path / "younger")
    assert not (tmp_path / "younger").exists()


def test_one_model_makes_a_release_that_loads(attempts: list[Attempt], tmp_path: Path) -> None:
    with fill(tmp_path / "work", attempts[:1]) as ledger:
        report = assemble(ledger, tmp_path / "younger")
    assert report.rows["graphs"] == {"train": 1}
    assert not list((tmp_path / "younger" / "graphs").glob("test*"))
    assert set(load_dataset(str(tmp_path / "younger"), "graphs")) == {"train"}


def test_a_directory_that_is_no_release_is_not_replaced(attempts: list[Attempt], tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with fill(tmp_path / "work", attempts[:1]) as ledger, pytest.raises(UsageError, match="thesis"):
        assemble(ledger, tmp_path / "thesis")
    assert files(tmp_path / "thesis") == {"chapter.txt": b"years of work"}


def run_assembly(directory: Path, before: str) -> subprocess.CompletedProcess[str]:
    script = f"""
        import os, resource, signal, sys
        from pathlib import Path
        from builders.assemble import assemble
        from builders.ledger import Ledger
        from younger_hf.errors import YoungerError
        directory = Path({str(directory)!r})
        try:
            with Ledger(directory / "work") as ledger:
                {before}
                assemble(ledger, directory / "younger")
        except YoungerError as error:
            sys.exit(f"{{error}}")
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_full_disk_is_one_sentence_and_leaves_the_earlier_release(attempts: list[Attempt], tmp_path: Path) -> None:
    with fill(tmp_path / "work", attempts[:4]) as ledger:
        assemble(ledger, tmp_path / "younger")
    before = files(tmp_path / "younger")
    # No file may grow past 20 kB, as on a disk that fills up; writing then fails in the same place.
    done = run_assembly(
        tmp_path,
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))",
    )
    assert done.returncode == 1
    assert "could not be written and is as it was before: File too large" in done.stderr
    assert files(tmp_path / "younger") == before
    assert {path.name for path in tmp_path.iterdir()} == {"work", "younger"}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["write_split", "sync"])
def test_kill_at_any_moment_leaves_the_earlier_release_and_the_next_run_finishes(
    attempts: list[Attempt], tmp_path: Path, moment: str
) -> None:
    with fill(tmp_path / "work", attempts[:3]) as ledger:
        assemble(ledger, tmp_path / "younger")
    before = files(tmp_path / "younger")
    with fill(tmp_path / "work", attempts[:4]) as ledger:
        pass
    module = {"write_split": "builders.assemble.write.configs", "sync": "builders.assemble.write.swap"}[moment]
    killed = run_assembly(
        tmp_path, f"import {module} as m; m.{moment} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert killed.returncode == -9
    assert files(tmp_path / "younger") == before
    with fill(tmp_path / "work", []) as ledger:
        assemble(ledger, tmp_path / "younger")
    assert files(tmp_path / "younger") != before
    assert {path.name for path in tmp_path.iterdir()} == {"work", "younger"}
