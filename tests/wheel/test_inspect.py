"""`pip install 'younger-hf[inspect]'`: ask about an ONNX file, and give a row as one."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

import younger_hf

MODEL = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"


def test_a_file_is_read_extracted_and_recognised():
    skeleton = younger_hf.read_structure(MODEL)
    graph = younger_hf.extract(MODEL)
    assert graph.operator_counts()["Conv"] == sum(node.op_type == "Conv" for node in skeleton.graph.node) == 53
    assert younger_hf.fingerprint(graph) == younger_hf.fingerprint(younger_hf.extract(skeleton))
    assert younger_hf.is_isomorphic(graph, graph)


def test_one_line_makes_a_graph_of_a_file_as_a_row_has_it(release, tmp_path):
    row = younger_hf.load("graphs", "train", release)[0]
    vocabulary = younger_hf.Vocabulary.load(release)
    model = younger_hf.to_onnx(row, source=release)
    onnx.save(model, tmp_path / "model.onnx")
    for given in (tmp_path / "model.onnx", model.SerializeToString(), model):
        graph = younger_hf.from_onnx(given)
        assert younger_hf.fingerprint(graph) == row["fingerprint"]
        assert graph == younger_hf.to_graph(row, vocabulary)


def test_a_subgraph_has_no_skeleton(release):
    row = younger_hf.load("subgraphs", "train", release)[0]
    with pytest.raises(younger_hf.YoungerError, match="a subgraph has no skeleton"):
        younger_hf.to_onnx(row, source=release)


def test_a_graph_falls_into_communities():
    from younger_hf.communities import find_communities

    community = find_communities(younger_hf.extract(MODEL))
    assert len(set(community.tolist())) > 1


def test_a_row_is_an_onnx_model_that_the_command_finds_in_the_release(younger_hf_command, release, tmp_path):
    row = younger_hf.load("graphs", "train", release)[0]
    model = younger_hf.to_onnx(row, source=release)
    onnx.checker.check_model(model)
    onnx.save(model, tmp_path / "model.onnx")
    done = younger_hf_command("inspect", "model.onnx", "--release", release, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert (facts["fingerprint"], facts["in_release"], facts["name"]) == (row["fingerprint"], True, row["name"])
