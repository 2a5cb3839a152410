"""NetworkX: multigraphs with slots and scopes, and back from any names and order."""

from __future__ import annotations

import json
import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import operator_graphs

from younger_hf import OperatorGraph, from_networkx, load, to_graph, to_networkx, to_pyg
from younger_hf.errors import UsageError, YoungerError
from younger_hf.graph import InvalidGraphError, Operator, make_graph
from younger_hf.identity import fingerprint, is_isomorphic, wl_hash


@given(operator_graphs())
def test_there_and_back_is_the_same_graph(graph: OperatorGraph):
    assert from_networkx(to_networkx(graph)) == graph


def test_real_graphs_come_back_with_their_metadata(graphs):
    for graph in graphs.values():
        back = from_networkx(to_networkx(graph))
        assert back == graph
        assert back.metadata == graph.metadata


def test_a_row_is_turned_like_its_graph(release, graphs, vocabulary):
    for row in load("graphs", "validation", release):
        made, expected = to_networkx(row, vocabulary), to_networkx(graphs[row["name"]])
        assert made.nodes == expected.nodes
        assert sorted(made.edges(data="input_slot")) == sorted(expected.edges(data="input_slot"))


def test_nodes_and_edges_say_what_they_are():
    sub = Operator("", "Sub")
    graph = to_networkx(make_graph([Operator("com.microsoft", "Gelu"), sub], [(0, 1, 2, 0), (0, 1, 0, 1)]))
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.nodes[0] == {
        "domain": "com.microsoft",
        "op_type": "Gelu",
        "attributes": "{}",
        "label": "com.microsoft::Gelu{}",
        "scope": -1,
    }
    assert list(graph.edges(data=True)) == [
        (0, 1, {"output_slot": 2, "input_slot": 0}),
        (0, 1, {"output_slot": 0, "input_slot": 1}),
    ]


def renamed(graph: OperatorGraph, seed: int) -> nx.MultiDiGraph:
    """The same graph with nodes named by text and added in a random order."""
    source = to_networkx(graph)
    order = random.Random(seed).sample(range(graph.num_nodes), graph.num_nodes)
    result = nx.MultiDiGraph()
    for node in order:
        owner = source.nodes[node]["scope"]
        result.add_node(f"node {node}", **{**source.nodes[node], "scope": owner if owner < 0 else f"node {owner}"})
    for producer, consumer, slots in source.edges(data=True):
        result.add_edge(f"node {producer}", f"node {consumer}", **slots)
    return result


@given(operator_graphs(), st.integers())
def test_any_names_in_any_order_come_back_with_the_same_fingerprint(graph: OperatorGraph, seed: int):
    assert fingerprint(from_networkx(renamed(graph, seed))) == fingerprint(graph)


def test_real_graphs_come_back_from_any_order_with_the_same_fingerprint(graphs):
    for graph in graphs.values():
        assert fingerprint(from_networkx(renamed(graph, seed=1))) == fingerprint(graph)


def test_json_keeps_everything(graphs):
    text = json.dumps(nx.node_link_data(to_networkx(graphs["nested_bodies"]), edges="edges"))
    back = from_networkx(nx.node_link_graph(json.loads(text), edges="edges"))
    assert back == graphs["nested_bodies"]
    assert back.metadata == graphs["nested_bodies"].metadata


@pytest.mark.parametrize("kind", ["graphml", "gexf"])
def test_networkx_writes_and_reads_them_as_they_are(graphs, tmp_path, kind):
    for name, graph in graphs.items():
        path = tmp_path / f"{name}.{kind}"
        getattr(nx, f"write_{kind}")(to_networkx(graph), path)
        back = from_networkx(getattr(nx, f"read_{kind}")(path))
        assert fingerprint(back) == fingerprint(graph)
        if kind == "graphml":  # GEXF has no attributes of the graph
            assert back.metadata == graph.metadata


def test_a_graph_states_only_what_is_known_of_it(release, vocabulary):
    row = load("graphs", "train", release)[0]
    assert to_networkx({**row, "opset": 17, "num_parameters": 5}, vocabulary).graph == {
        "opset_imports": '{"": 17}',
        "num_parameters": 5,
    }
    assert to_networkx({**row, "opset": None, "num_parameters": None}, vocabulary).graph == {}


def test_what_is_no_row_is_said_with_what_to_call(release, graphs):
    rows = load("graphs", "train", release)
    for wrong, message in (
        (rows, r"not Dataset: for each row of it, to_networkx\(row\)"),
        (load("graphs", source=release), "not DatasetDict: load one of its splits, train, "),
        (to_pyg(rows[0]), "not ArchitectureData: from_pyg makes a graph of it"),
        (to_networkx(graphs["light_resnet50"]), "not MultiDiGraph: from_networkx makes"),
        ("model.onnx", "not str: from_onnx makes a graph of an ONNX file"),
        (None, "to_networkx takes a row of a release, not NoneType"),
    ):
        with pytest.raises(UsageError, match=message):
            to_networkx(wrong)
    with pytest.raises(UsageError, match="to_graph takes a row of a release, not str: from_onnx"):
        to_graph("model.onnx")


def test_what_is_no_graph_is_said_with_what_makes_one(release, graphs):
    row = load("graphs", "train", release)[0]
    graph = graphs["light_resnet50"]
    for call, wrong in (
        (fingerprint, row),
        (wl_hash, "model.onnx"),
        (lambda other: is_isomorphic(graph, other), to_networkx(graph)),
    ):
        with pytest.raises(UsageError, match="to_graph makes one of a row, from_onnx of an ONNX file"):
            call(wrong)
    with pytest.raises(UsageError, match="from_networkx takes a graph of networkx, not dict"):
        from_networkx(row)


def test_opsets_of_another_kind_are_named(graphs):
    graph = to_networkx(graphs["light_resnet50"])
    for wrong in ("9", "[", 9, '{"": "x"}'):
        graph.graph["opset_imports"] = wrong
        with pytest.raises(InvalidGraphError, match="opset_imports"):
            from_networkx(graph)


def test_a_cycle_is_refused(graphs):
    graph = to_networkx(graphs["light_zfnet512"])
    graph.add_edge(graph.number_of_nodes() - 1, 0, output_slot=0, input_slot=0)
    with pytest.raises(InvalidGraphError, match="has a cycle"):
        from_networkx(graph)


def test_an_owner_before_its_body_is_a_cycle():
    graph = to_networkx(make_graph([Operator("", "If"), Operator("", "Relu")], [(0, 1, 0, 0)]))
    graph.nodes[1]["scope"] = 0
    with pytest.raises(InvalidGraphError, match="has a cycle"):
        from_networkx(graph)


@pytest.mark.parametrize("name", ["domain", "op_type", "attributes", "scope"])
def test_a_node_without_an_attribute_is_named(graphs, name):
    graph = to_networkx(graphs["light_zfnet512"])
    del graph.nodes[5][name]
    with pytest.raises(InvalidGraphError, match=f"node 5 has no attribute '{name}'"):
        from_networkx(graph)


@pytest.mark.parametrize("name", ["output_slot", "input_slot"])
def test_an_edge_without_a_slot_is_named(graphs, name):
    graph = to_networkx(graphs["light_zfnet512"])
    producer, consumer, slots = next(iter(graph.edges(data=True)))
    del slots[name]
    with pytest.raises(InvalidGraphError, match=f"edge {producer} -> {consumer} has no attribute '{name}'"):
        from_networkx(graph)


def test_attributes_of_another_kind_are_named():
    graph = to_networkx(make_graph([Operator("", "Relu"), Operator("", "Relu")], [(0, 1, 0, 0)]))
    graph.edges[0, 1, 0]["input_slot"] = "first"
    with pytest.raises(InvalidGraphError, match="edge 0 -> 1 has input_slot='first'"):
        from_networkx(graph)
    graph.nodes[0]["scope"] = "nobody"
    with pytest.raises(InvalidGraphError, match="node 0 has scope 'nobody', which is no node"):
        from_networkx(graph)
    with pytest.raises(InvalidGraphError, match="undirected"):
        from_networkx(nx.MultiGraph())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            ("edge_index", value)
            for value in ([[0, 1], [1]], [[0]], [], 5, [["a"], ["b"]], [[0], [1 << 70]], [[[0]], [1]])
        ),
        *(("edge_index", value) for value in ([[0], [99]], [[-1], [0]])),
        ("edge_slot", [[0], [0, 1]]),
        ("node_scope", [0, "a"]),
        ("node_scope", [[0], [1, 2]]),
        ("node_variant", [2, [3]]),
        ("node_variant", "text"),
    ],
)
def test_a_row_that_is_no_graph_is_a_sentence(release, vocabulary, column, value):
    row = {"node_variant": [2, 3], "node_scope": [-1, -1], "edge_index": [[0], [1]], "edge_slot": [[0], [0]]}
    assert to_networkx(row, vocabulary).number_of_edges() == 1
    with pytest.raises(YoungerError):
        to_networkx({**row, column: value}, vocabulary)
