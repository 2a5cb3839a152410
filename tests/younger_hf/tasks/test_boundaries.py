"""The boundary of a subgraph, in both directions or of successors, as networkx has it."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from younger_hf import load
from younger_hf.release import open_release
from younger_hf.tasks.boundaries import labelled_rows, with_boundary
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.neighbourhoods import neighbourhood_keys


@pytest.fixture(scope="module")
def rows(zoo: Path):
    return load("subgraphs", "train", zoo / "younger").select(range(60))


def test_the_successors_are_the_node_boundary_of_networkx(rows):
    graphs, position = with_boundary(GraphTable(rows).union(np.arange(len(rows))), "successors")
    for number, row in enumerate(rows):
        graph = nx.DiGraph(zip(*row["edge_index"], strict=True))
        community = set(range(row["num_nodes"])) - set(row["boundary"])
        boundary = nx.node_boundary(graph, community & set(graph))
        nodes = slice(graphs.ptr[number], graphs.ptr[number + 1])
        assert set(position[nodes].tolist()) == community | boundary
        mine = (graphs.boundary >= nodes.start) & (graphs.boundary < nodes.stop)
        assert set(position[graphs.boundary[mine]].tolist()) == boundary
        edges = (graphs.edge_index[0] >= nodes.start) & (graphs.edge_index[0] < nodes.stop)
        left = graph.subgraph(community | boundary)
        assert set(map(tuple, position[graphs.edge_index[:, edges]].T.tolist())) == set(left.edges)
    assert len(position) < sum(rows["num_nodes"])


def test_both_directions_are_what_the_release_has(rows):
    union = GraphTable(rows).union(np.arange(len(rows)))
    graphs, position = with_boundary(union, "both")
    assert graphs is union
    assert position.tolist() == [node for row in rows for node in range(row["num_nodes"])]


def test_rows_without_successors_have_no_labels(rows, zoo):
    table = GraphTable(rows)
    labelled = labelled_rows(table, "successors")
    assert labelled_rows(table, "both").tolist() == list(range(len(rows)))
    assert 0 < len(labelled) < len(rows)
    opened = open_release(zoo / "younger")
    labels = EvaluationSet.of(opened, "operator", "train", boundary="successors").labels(opened)
    both = EvaluationSet.of(opened, "operator", "train").labels(opened)
    keys = [
        set(zip(*(table[name].to_pylist() for name in table.column_names), strict=True)) for table in (labels, both)
    ]
    assert keys[0] < keys[1]


def union(edges: list[tuple[int, int, int, int]], x: list[int]) -> GraphUnion:
    array = np.array(edges).T
    return GraphUnion(np.array(x), array[:2], array[2:], np.array([0, len(x)]), np.array([], np.int64))


def test_a_neighbourhood_knows_slots_direction_and_distance():
    """0 feeds 1 and 2; 3 feeds 4 twice; 5 is fed by 6."""
    x = [5, 6, 6, 5, 6, 5, 6]
    edges = [(0, 1, 0, 0), (0, 2, 0, 1), (3, 4, 0, 0), (3, 4, 0, 1), (6, 5, 0, 0)]
    none, one = neighbourhood_keys(union(edges, x), np.array(x), 1)
    assert none[1] == none[2] == none[4] == none[6]
    assert len({*one[[1, 2, 4, 6]].tolist()}) == 4  # by slot, by number, by direction
    # Nodes that the first hop cannot tell apart, and the second can.
    x, edges = [5, 5, 6, 7], [(0, 1, 0, 0), (1, 2, 0, 0)]
    chain = union([*edges, (2, 3, 0, 0)], x)
    other = union(edges, x)
    assert neighbourhood_keys(chain, chain.x, 1)[1][1] == neighbourhood_keys(other, other.x, 1)[1][1]
    assert neighbourhood_keys(chain, chain.x, 2)[2][1] != neighbourhood_keys(other, other.x, 2)[2][1]


def test_keys_are_the_same_on_every_platform():
    chain = union([(0, 1, 0, 0), (1, 2, 1, 2)], [2, 1, 9])
    assert [keys.tolist() for keys in neighbourhood_keys(chain, chain.x, 1)] == GOLDEN


GOLDEN = [
    [10905525725756348110, 10451216379200822465, 12587370737594032228],
    [10480234067217286974, 14280612874307062737, 10790974374061201196],
]
