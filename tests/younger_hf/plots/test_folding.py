from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from support.light import LIGHT
from support.strategies import operator_graphs

from younger_hf.extract import extract
from younger_hf.graph import Operator, OperatorGraph, make_graph
from younger_hf.plots import folding
from younger_hf.plots.folding import Folding, Repeat, Stretch, fold, late_levels, without_fillers


def chain(*names: str) -> OperatorGraph:
    return make_graph([Operator("", name) for name in names], [(i, i + 1, 0, 0) for i in range(len(names) - 1)])


def times(parts: tuple[Stretch | Repeat, ...]) -> list[int]:
    return [n for part in parts if isinstance(part, Repeat) for n in (part.times, *times(part.parts))]


def unfolded(graph: OperatorGraph, parts: tuple[Stretch | Repeat, ...]) -> list[str]:
    """The op types of every part, those that are repeated as often as they are."""
    names = []
    for part in parts:
        if isinstance(part, Repeat):
            names += part.times * unfolded(graph, part.parts)
        else:
            names += [graph.operator[node].op_type for node in part.nodes]
    return names


def test_what_follows_itself_is_one_repeat() -> None:
    graph = chain("Conv", *("Relu", "Conv", "Abs") * 4, "Gemm")
    folding = fold(graph)
    assert times(folding.parts) == [4]
    assert len(set(folding.counterpart.tolist())) == 5


def test_repeats_within_repeats_are_folded_too() -> None:
    graph = chain(*("Conv", *("Relu", "Abs") * 5, "Gemm") * 3)
    assert times(fold(graph).parts) == [3, 5]


@pytest.mark.parametrize(("name", "shown"), [("light_squeezenet", 30), ("light_resnet50", 80), ("light_vgg19", 30)])
def test_a_real_network_shrinks_to_what_differs(name: str, shown: int) -> None:
    graph = without_fillers(extract(LIGHT / f"{name}.onnx"))[0]
    folding = fold(graph)
    assert len(set(folding.counterpart.tolist())) <= shown
    assert sorted(unfolded(graph, folding.parts)) == sorted(operator.op_type for operator in graph.operator)


@given(operator_graphs())
def test_folding_loses_nothing_and_joins_only_what_is_alike(graph: OperatorGraph) -> None:
    folding = fold(graph)
    assert sorted(unfolded(graph, folding.parts)) == sorted(operator.op_type for operator in graph.operator)
    assert (folding.counterpart[folding.counterpart] == folding.counterpart).all()
    for node, stands_for_it in enumerate(folding.counterpart.tolist()):
        assert graph.operator[node] == graph.operator[stands_for_it]


@given(operator_graphs())
def test_late_levels_follow_the_data_flow(graph: OperatorGraph) -> None:
    producer, consumer = graph.edge_index
    level = late_levels(graph)
    assert (level[producer] < level[consumer]).all()
    assert (level >= graph.levels()).all()


def test_the_computation_of_a_shape_stands_where_it_is_used() -> None:
    names = ("Shape", *("Relu",) * 9, "Reshape")
    graph = make_graph(
        [Operator("", name) for name in names], [*((i, i + 1, 0, 0) for i in range(1, 10)), (0, 10, 0, 1)]
    )
    assert late_levels(graph).tolist() == [8, *range(9), 9]


def test_a_mask_that_every_layer_reads_ends_no_stretch() -> None:
    names = ["Where", *("MatMul", "Add", "Softmax") * 40]
    flows = [(i, i + 1, 0, 0) for i in range(1, 120)] + [(0, i, 0, 1) for i in range(2, 121, 3)]
    folding: Folding = fold(make_graph([Operator("", name) for name in names], flows))
    assert times(folding.parts) == [39]
    assert np.unique(folding.counterpart).size == 7


def test_folding_takes_work_in_proportion_to_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of four, with something else between them that never comes again in the same order."""
    compared: list[int] = []
    find = folding._longest_repeat
    monkeypatch.setattr(folding, "_COMPARISONS", 0)
    monkeypatch.setattr(
        folding, "_longest_repeat", lambda kinds, sizes: (compared.append(len(kinds)), find(kinds, sizes))[1]
    )
    between = random.Random(0).choices(("Abs", "Neg", "Exp", "Sin", "Cos", "Tan"), k=400)
    graph = chain(*(name for each in between for name in ("Relu", "Relu", "Relu", "Relu", each)))
    found = fold(graph)
    assert 0 < sum(length * min(128, length) for length in compared) <= 8 * 128 * graph.num_nodes
    assert unfolded(graph, found.parts) == [operator.op_type for operator in graph.operator]


def test_repeats_beside_repeats_without_end_do_not_exhaust_the_stack() -> None:
    runs = (name for length in range(4, 160) for name in (*["Relu"] * length, ("Abs", "Neg", "Exp")[length % 3]))
    graph = chain(*runs)
    assert unfolded(graph, fold(graph).parts) == [operator.op_type for operator in graph.operator]
