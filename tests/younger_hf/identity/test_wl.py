from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from support.strategies import operator_graphs

from younger_hf.graph import OperatorGraph
from younger_hf.identity import wl_hash


@pytest.mark.filterwarnings("ignore:The hashes produced for directed graphs")
@given(operator_graphs())
def test_wl_hash_equals_networkx_on_the_labelled_simple_digraph(graph: OperatorGraph) -> None:
    for attributes in (True, False):
        simple = nx.DiGraph()
        for node, operator in enumerate(graph.operator):
            simple.add_node(node, label=operator.label if attributes else operator.type_label)
        simple.add_edges_from(graph.edge_index.T.tolist())
        expected = nx.weisfeiler_lehman_graph_hash(simple, node_attr="label", iterations=3, digest_size=16)
        assert wl_hash(graph, attributes) == expected
