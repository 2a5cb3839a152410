"""Sketches, neighbours and differences."""

import numpy as np
import pytest
from execution import parse

from younger_hf.recognise.difference import describe_difference
from younger_hf.recognise.nearest import SketchIndex, equal_numbers, largest
from younger_hf.recognise.normal import normal_graph
from younger_hf.recognise.sketch import MINHASH_LENGTH, SKETCH_DEPTH, SKETCH_LENGTH, minhash, refined_colours, sketch

from .proofs import MORE, PROOFS

GRAPHS = {name: graph for name, text in (PROOFS | MORE).items() if (graph := normal_graph(parse(text))).num_nodes}


def test_a_sketch_counts_every_node_once_a_depth():
    for graph in GRAPHS.values():
        counts = sketch(graph)
        assert counts.shape == (SKETCH_LENGTH,)
        assert counts.sum() == graph.num_nodes * (2 + SKETCH_DEPTH)


def test_a_sketch_is_the_same_whatever_the_order_of_nodes():
    graph = GRAPHS["opset 9"]
    order = np.argsort(graph.levels(), kind="stable")
    assert np.array_equal(sketch(graph), sketch(graph.reordered(order)))


def test_a_minhash_is_the_same_whatever_the_order_of_nodes_and_stays_as_it_is():
    graph = GRAPHS["opset 9"]
    order = np.argsort(graph.levels(), kind="stable")
    assert np.array_equal(minhash(graph), minhash(graph.reordered(order)))
    # In releases: another number here makes another column of each.
    assert minhash(graph)[:8].tolist() == [239, 96, 175, 235, 201, 245, 209, 18]


def test_minhashes_share_as_many_numbers_as_graphs_share_neighbourhoods():
    hashes = np.stack([minhash(graph) for graph in GRAPHS.values()], axis=1)
    assert hashes.shape == (MINHASH_LENGTH, len(GRAPHS))
    sets = [
        {(depth, int(colour)) for depth, found in enumerate(refined_colours(graph, SKETCH_DEPTH)) for colour in found}
        | {operator.label for operator in graph.operator}
        for graph in GRAPHS.values()
    ]
    errors = []
    for at, features in enumerate(sets):
        shared = equal_numbers(hashes, hashes[:, at]) / MINHASH_LENGTH
        exact = np.array([len(features & other) / len(features | other) for other in sets])
        errors += (shared - exact - (1 - exact) / 256).tolist()
    assert abs(np.mean(errors)) < 0.01  # it is no larger, and no smaller, on the whole
    assert np.sqrt(np.mean(np.square(errors))) < 1 / np.sqrt(MINHASH_LENGTH)


def test_rows_that_share_most_neighbourhoods_are_nearest_and_ties_go_by_the_sketch():
    graphs = [*GRAPHS.values()]
    rows = [(str(at), "", str(at), None) for at in range(len(graphs))]
    counts, hashes = np.stack([*map(sketch, graphs)]), np.stack([*map(minhash, graphs)])
    index = SketchIndex.from_counts(rows, counts, hashes)
    for graph in graphs[::7]:
        found = index.nearest(sketch(graph), len(graphs), minhash(graph))
        places = [(row.overlap, row.similarity) for row in found]
        assert places == sorted(places, reverse=True)
        assert found[0].overlap == 1
        assert index.nearest(sketch(graph), 3, minhash(graph)) == found[:3]
        assert index.nearest(sketch(graph), 1)[0].overlap is None


def test_the_largest_are_found_with_all_that_equal_the_least_of_them():
    values = np.array([3, 9, 7, 7, 1, 7], np.uint8)
    assert largest(values, 2).tolist() == [1, 2, 3, 5]
    assert largest(values, 9).tolist() == [*range(6)]


def test_a_row_is_nearest_to_itself():
    rows = [(name, name, name, None) for name in GRAPHS]
    index = SketchIndex.from_counts(rows, np.stack([sketch(graph) for graph in GRAPHS.values()]))
    for name, graph in GRAPHS.items():
        (first, second) = index.nearest(sketch(graph), 2)
        assert first.similarity == pytest.approx(1, abs=1e-5)
        assert name in {first.name, second.name} or second.similarity == pytest.approx(1, abs=1e-5)


def test_a_difference_says_what_stands_for_what():
    gelu, swish, attention, scaled = (
        GRAPHS[name].operator_counts() for name in ("gelu", "swish", "attention", "attention of scaled scores")
    )
    assert describe_difference(swish, gelu) == "Swish for Gelu (1)"
    assert describe_difference(gelu, gelu) == "the same operators, otherwise connected or with other attributes"
    assert "1 fewer" in describe_difference(attention, scaled)
