"""`pip install younger-hf`: load a release, look at it, filter it, stream it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import datasets
import numpy as np
import PIL.Image
import pytest

import younger_hf


@pytest.mark.parametrize("package", "igraph jinja2 matplotlib networkx numba onnx sklearn torch".split())
def test_no_package_of_an_extra_is_there(package):
    assert find_spec(package) is None


def test_the_first_row_is_an_architecture_with_its_picture(release):
    row = datasets.load_dataset(str(release), split="train")[0]
    assert isinstance(row["preview"], PIL.Image.Image)
    graph = younger_hf.to_graph(row, younger_hf.Vocabulary.load(release))
    assert graph.num_nodes == row["num_nodes"] == len(row["node_operator"])


def test_rows_are_filtered_and_streamed(release):
    filters = {"max_nodes": 150, "all_operators": ["Conv", "Relu"]}
    small = younger_hf.load("graphs", "train", release, **filters)
    streamed = younger_hf.load("graphs", "train", release, streaming=True, **filters)
    assert 0 < len(small) < len(younger_hf.load("graphs", "train", release))
    assert [row["fingerprint"] for row in streamed] == small["fingerprint"][:]


@pytest.mark.parametrize("streaming", [False, True])
def test_the_first_row_of_whatever_is_loaded_has_a_picture(release, streaming):
    for rows in (
        younger_hf.load("graphs", "train", release, streaming=streaming),
        younger_hf.load("sample", "train", release, streaming=streaming, min_nodes=50),
        datasets.load_dataset(str(release), "graphs", split="train", streaming=streaming).filter(
            lambda row: row["preview"].size == (128, 128)
        ),
    ):
        assert isinstance(next(iter(rows))["preview"], PIL.Image.Image)


def test_rows_are_written_as_json_without_what_is_bytes(release, tmp_path):
    rows = datasets.load_dataset(str(release), "graphs", split="train").remove_columns("preview")
    rows.to_json(tmp_path / "graphs.jsonl")
    back = [json.loads(line) for line in (tmp_path / "graphs.jsonl").read_text().splitlines()]
    assert [row["fingerprint"] for row in back] == rows["fingerprint"][:]
    assert [row["edge_index"] for row in back] == rows["edge_index"][:]


def test_classes_are_those_of_the_release(release):
    assert younger_hf.class_names("task", release) == ("image-classification",)


def test_rows_come_as_numpy(release):
    row = younger_hf.load("graphs", "train", release).with_format("numpy")[0]
    assert (row["edge_index"].dtype, row["edge_index"].shape) == (np.int64, (2, row["num_edges"]))


def test_the_command_measures_and_compares_releases(younger_hf_command, release):
    done = younger_hf_command("stats", release)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Conv" in done.stdout
    assert younger_hf_command("diff", release, release).returncode == 0


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("inspect model.onnx", "inspect"),
        ("train operator --model gcn", "train"),
        ("build --work work --source onnx-package", "build"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(younger_hf_command, release, tmp_path, command, extra):
    (tmp_path / "model.onnx").touch()
    done = younger_hf_command(*command.split(), *(["--release", release] if extra == "train" else []))
    assert done.returncode == 1
    assert done.stderr.startswith("younger-hf: this needs the package ")
    assert done.stderr.endswith(f"pip install 'younger-hf[{extra}]'\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("extract", "inspect"),
        ("from_onnx", "inspect"),
        ("fingerprint", "inspect"),
        ("to_onnx", "inspect"),
        ("to_networkx", "networkx"),
        ("to_pyg", "pyg"),
        ("YoungerDataset", "pyg"),
        ("Evaluator", "evaluate"),
    ],
)
def test_a_function_names_the_extra_that_it_needs(name, extra):
    with pytest.raises(younger_hf.YoungerError, match=rf"younger-hf\[{extra}\]"):
        getattr(younger_hf, name)(None)


def test_all_names_can_be_imported():
    names: dict[str, object] = {}
    exec("from younger_hf import *", names)
    assert set(younger_hf.__all__) <= set(names)
