"""`pip install 'younger-hf[networkx]'`: a row as a NetworkX graph, and back."""

from __future__ import annotations

import json

import networkx as nx
import numpy as np

import younger_hf


def test_a_row_is_a_graph_of_networkx_and_comes_back(release, tmp_path):
    row = younger_hf.load("graphs", "train", release)[0]
    vocabulary = younger_hf.Vocabulary.load(release)
    graph = younger_hf.to_networkx(row, vocabulary)
    assert isinstance(graph, nx.MultiDiGraph)
    assert (len(graph), graph.number_of_edges()) == (row["num_nodes"], row["num_edges"])
    assert nx.is_directed_acyclic_graph(graph)
    nx.write_gexf(graph, tmp_path / "graph.gexf")
    json.dumps(nx.node_link_data(graph))
    nx.write_graphml(graph, tmp_path / "graph.graphml")
    back = younger_hf.from_networkx(nx.read_graphml(tmp_path / "graph.graphml"))
    assert back.operator == younger_hf.to_graph(row, vocabulary).operator
    assert np.array_equal(back.edge_index, row["edge_index"])
