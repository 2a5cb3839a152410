"""`younger-hf suggest`: operators for a place, and the probability of a data flow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner, Result

from younger_hf import Vocabulary, YoungerError, load, to_graph, to_onnx
from younger_hf.cli import app
from younger_hf.extract import extract, node_names
from younger_hf.graph import Operator, OperatorGraph
from younger_hf.recipes.subgraph_batches import subgraph_batch
from younger_hf.recipes.suggest import data_flow_probability, suggest_operators


def suggest(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["suggest", *map(str, arguments)])


@pytest.fixture(scope="module")
def graph(release) -> OperatorGraph:
    row = next(row for row in load("graphs-no-attributes", "train", release) if row["name"] == "resnet50")
    return to_graph(row, Vocabulary.load(release))


@pytest.fixture(scope="module")
def model(release, tmp_path_factory) -> Path:
    """The same as an ONNX file: its names are those of the skeleton's outputs, save one that two nodes share."""
    row = next(row for row in load("skeletons", "train", release) if row["models"][0]["id"] == "resnet50")
    proto = to_onnx(row)
    for node in proto.graph.node[:2]:
        node.name = "twice"
    proto.graph.node[5].name = "/layer1/relu"
    file = tmp_path_factory.mktemp("models") / "resnet50.onnx"
    onnx.save(proto, file)
    return file


def with_operator(graph: OperatorGraph, node: int, op_type: str) -> OperatorGraph:
    operators = list(graph.operator)
    operators[node] = Operator("", op_type)
    return OperatorGraph(tuple(operators), graph.edge_index, graph.edge_slot, graph.scope, graph.metadata)


def places(run, graph: OperatorGraph) -> tuple[int, int]:
    """A node on a boundary, and one that is on none."""
    batch, node_of = subgraph_batch(graph, run.ids_of(graph))
    bounding = set(node_of[batch.boundary].tolist())
    return min(bounding), min(set(range(graph.num_nodes)) - bounding)


def test_what_stands_in_the_place_does_not_show(trained, graph):
    run = trained["operator"]
    for node in places(run, graph):
        suggested = suggest_operators(run, graph, node)
        other = with_operator(graph, node, "Softmax")
        assert other.operator != graph.operator
        assert suggest_operators(run, other, node) == suggested


def test_every_operator_is_ranked_by_its_probability(trained, graph):
    run = trained["operator"]
    suggested = suggest_operators(run, graph, places(run, graph)[0])
    probabilities = [probability for _, probability in suggested]
    assert sorted(label for label, _ in suggested) == sorted(run.labels[2:])
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.5 < sum(probabilities) <= 1 + 1e-6


def test_a_graph_without_communities_is_one_place(trained, graph):
    """Two nodes are one community, which has no boundary."""
    small = OperatorGraph(graph.operator[:2], np.array([[0], [1]]), np.zeros((2, 1)), np.full(2, -1))
    assert len(suggest_operators(trained["operator"], small, 1)) == len(trained["operator"].labels) - 2


def test_a_data_flow_that_is_there_does_not_show(trained, graph):
    """Under `heldout`, which the run was trained by."""
    run = trained["dataflow"]
    producer, consumer = graph.edge_index[:, 30].tolist()
    kept = ~((graph.edge_index[0] == producer) & (graph.edge_index[1] == consumer))
    without = OperatorGraph(graph.operator, graph.edge_index[:, kept], graph.edge_slot[:, kept], graph.scope)
    probability = data_flow_probability(run, graph, producer, consumer)
    assert 0 < probability < 1
    assert data_flow_probability(run, without, producer, consumer) == probability
    assert data_flow_probability(run, graph, consumer, producer) != probability


def test_a_node_is_named_as_the_model_names_it_or_by_its_position(trained, model):
    run = trained["operator"].directory
    position = node_names(model).index("/layer1/relu")
    by_name, by_position = (suggest(model, "--run", run, "--node", node) for node in ("/layer1/relu", position))
    assert by_name.output == by_position.output
    operator = extract(model).operator[position].type_label
    assert by_name.output.startswith(f"/layer1/relu is {operator}, suggestion ")
    assert len(by_name.output.splitlines()) == 12


def test_json_has_the_suggestions_that_the_library_makes(trained, model, graph):
    run = trained["operator"]
    done = suggest(model, "--run", run.directory, "--node", "/layer1/relu", "--top", 3, "--json")
    facts = json.loads(done.output)
    assert list(facts) == ["node", "operator", "rank", "suggestions"]
    assert len(facts["suggestions"]) == 3
    alike = [node for node, operator in enumerate(graph.operator) if operator.type_label == facts["operator"]]
    every = (suggest_operators(run, graph, node)[:3] for node in alike)
    assert [(each["operator"], each["probability"]) for each in facts["suggestions"]] in every


def test_the_probability_of_a_data_flow_is_printed(trained, model):
    run, names = trained["dataflow"].directory, node_names(model)
    producer, consumer = (names[end] for end in extract(model).edge_index[:, -1])
    done = suggest(model, "--run", run, "--edge", producer, consumer)
    assert done.output.startswith(f"{producer} -> {consumer}: 0.")
    assert done.output.endswith("(there is one in the model)\n")
    done = suggest(model, "--run", run, "--edge", consumer, producer, "--json")
    assert json.loads(done.output)["there"] is False


@pytest.mark.parametrize(
    ("task", "arguments", "sentence"),
    [
        ("operator", ("--node", "/layer1/rleu"), "no node of resnet50.onnx '/layer1/rleu': did you mean /layer1/relu?"),
        ("operator", ("--node", "9999"), "no node 9999 of resnet50.onnx: they are numbered from 0 to "),
        ("operator", ("--node", "twice"), "2 nodes of resnet50.onnx are named twice: give a position, of "),
        ("operator", ("--edge", "3", "4"), "is a run of operator design, which is asked about a --node"),
        ("dataflow", ("--node", "3"), "is a run of data flow design, which is asked about an --edge"),
        ("dataflow", ("--edge", "3", "3"), "no node feeds itself: --edge takes two nodes"),
        ("dataflow", (), "name one place with --node NAME, or two with --edge NAME NAME"),
        ("dataflow", ("--node", "1", "--edge", "1", "2"), "name one place with --node NAME, or two with"),
    ],
)
def test_bad_input_is_one_sentence(trained, model, task, arguments, sentence):
    error = suggest(model, "--run", trained[task].directory, *arguments).exception
    assert isinstance(error, YoungerError)
    assert sentence in str(error)


def test_a_file_that_is_no_model_is_named(trained, tmp_path):
    (tmp_path / "text.onnx").write_text("this is no model")
    error = suggest(tmp_path / "text.onnx", "--run", trained["operator"].directory, "--node", "3").exception
    assert isinstance(error, YoungerError)
    assert "text.onnx is not a valid ONNX model" in str(error)
