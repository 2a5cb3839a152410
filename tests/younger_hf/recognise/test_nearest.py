"""Sketches, neighbours and differences."""

import numpy as np
import pytest
from execution import parse

from younger_hf.recognise.difference import describe_difference
from younger_hf.recognise.nearest import SketchIndex
from younger_hf.recognise.normal import normal_graph
from younger_hf.recognise.sketch import SKETCH_DEPTH, SKETCH_LENGTH, sketch

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


def test_a_row_is_nearest_to_itself():
    rows = [(name, name, name, None) for name in GRAPHS]
    index = SketchIndex.from_counts(rows, np.stack([sketch(graph) for graph in GRAPHS.values()]))
    for name, graph in GRAPHS.items():
        (first, second) = index.nearest(sketch(graph), 2)
        assert first.similarity == pytest.approx(1, abs=1e-5)
        assert name in {first.name, second.name} or second.similarity == pytest.approx(1, abs=1e-5)


def test_a_difference_says_what_stands_for_what():
    gelu, swish, both = GRAPHS["gelu"], GRAPHS["swish"], GRAPHS["attention of scaled scores"]
    assert describe_difference(swish, gelu) == "Swish for Gelu (1)"
    assert describe_difference(gelu, gelu) == "the same operators, otherwise connected or with other attributes"
    assert "1 fewer" in describe_difference(GRAPHS["attention"], both)
