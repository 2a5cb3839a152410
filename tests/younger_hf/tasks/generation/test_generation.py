"""Slotted graphs, what makes one sound, and what samples are worth, on the subgraphs of real networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from younger_hf import Evaluator, Vocabulary, load
from younger_hf.errors import UsageError
from younger_hf.graph import Unfed
from younger_hf.tasks.generation.draft import Draft, Rulebook
from younger_hf.tasks.generation.figures import fingerprints
from younger_hf.tasks.generation.operator_rules import operator_rules, rules_of
from younger_hf.tasks.generation.slotted import (
    ABSENT,
    PARAMETER,
    UNKNOWN,
    SlottedGraph,
    make_slotted,
    random_order,
    rows_of,
    slotted_graphs,
)
from younger_hf.tasks.generation.statistics import log_orders
from younger_hf.tasks.generation.validity import fault_of_slots, fault_of_types, knows_slots
from younger_hf.tasks.graph_table import GraphTable

LABELS = ("__UNK__", "__MASK__", "Conv", "Relu", "Add", "Shape", "Clip", "com.microsoft::Gelu")
CONV, RELU, ADD, SHAPE, CLIP, GELU = range(2, 8)


@pytest.fixture(scope="module")
def table(zoo: Path) -> GraphTable:
    return GraphTable(load("subgraphs-no-attributes", "train", zoo / "younger"))


@pytest.fixture(scope="module")
def labels(zoo: Path) -> tuple[str, ...]:
    return Vocabulary.load(zoo / "younger").operators


@pytest.fixture(scope="module")
def real(table: GraphTable) -> list[SlottedGraph]:
    return list(slotted_graphs(table, rows_of(table, 40).tolist()))


def slotted(operators: Sequence[int], *slots: Sequence[int | tuple[int, int]]) -> SlottedGraph:
    """A graph by its operators and what is in their slots: a node, a node with an output, or a kind."""
    pairs = [each if isinstance(each, tuple) else (each, 0) for of_node in slots for each in of_node]
    first = np.append(0, np.cumsum([len(of_node) for of_node in slots]))
    source, output = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    return SlottedGraph(np.array(operators), first.astype(np.int64), source, output)


def test_every_real_subgraph_is_sound_and_says_what_is_in_its_slots(real, labels):
    rules = rules_of(labels)
    assert len(real) > 20
    assert [fault_of_slots(graph, rules) for graph in real] == [None] * len(real)
    assert [fault_of_types(graph, rules) for graph in real] == [None] * len(real)
    assert all(knows_slots(graph) for graph in real)
    kinds = np.concatenate([graph.source for graph in real])
    assert {PARAMETER, -1 - Unfed.OUTSIDE} <= set(kinds.tolist())


def test_a_convolution_has_parameters_in_its_slots_behind_the_first(real, labels):
    conv = labels.index("Conv")
    found = [graph.source[graph.slots(node)] for graph in real for node in np.flatnonzero(graph.operator == conv)]
    assert found
    assert all((slots[1:] == PARAMETER).all() and len(slots) in (2, 3) for slots in found)


def test_a_random_order_is_topological_and_the_same_graph(real, labels):
    generator = np.random.default_rng(0)
    again = [graph.reordered(random_order(graph, generator)) for graph in real]
    assert all((graph.source < graph.consumer).all() for graph in again)
    assert fingerprints(real, labels) == fingerprints(again, labels)
    first, second = (random_order(real[-1], np.random.default_rng(seed)).tolist() for seed in (1, 1))
    assert first == second


def test_a_release_without_the_columns_gives_slots_that_are_unknown(table):
    bare = GraphTable(table._dataset.remove_columns(["unfed_slot", "unfed_kind"]))
    graphs = list(slotted_graphs(bare, rows_of(bare, 40).tolist()))
    assert not all(knows_slots(graph) for graph in graphs)
    assert {each for graph in graphs for each in graph.source[graph.source < 0].tolist()} == {UNKNOWN}


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        (slotted([RELU, ADD], [PARAMETER], [0, 0]), None),
        (slotted([RELU, RELU], [PARAMETER], [0, 0]), "2 inputs"),
        (slotted([RELU, RELU], [PARAMETER], [(0, 1)]), "output 1"),
        (slotted([RELU, RELU], [PARAMETER], [PARAMETER]), "more than one piece"),
        (slotted([RELU, RELU], [1], [0]), "does not stand before"),
        (slotted([GELU, GELU], [PARAMETER], [(0, 9), 0, 0]), None),
    ],
)
def test_v1_judges_slots_order_and_pieces(graph, fault):
    found = fault_of_slots(graph, rules_of(LABELS))
    assert found is None if fault is None else fault in str(found)


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        (slotted([CONV, RELU], [PARAMETER, PARAMETER], [0]), None),
        (slotted([CONV, RELU], [PARAMETER], [0]), "needs 2"),
        (slotted([RELU, ADD], [PARAMETER], [0, ABSENT]), "required"),
        (slotted([RELU, CLIP], [PARAMETER], [0, ABSENT, PARAMETER]), None),
        # The sizes of a tensor are integers, and a convolution takes none.
        (slotted([RELU, SHAPE, CONV], [PARAMETER], [0], [1, PARAMETER]), "element type"),
        # Nor does one where they arrive by an addition, which takes either.
        (slotted([SHAPE, ADD, CONV], [PARAMETER], [0, PARAMETER], [1, PARAMETER]), "element type"),
        (slotted([SHAPE, GELU, CONV], [PARAMETER], [0], [1, PARAMETER]), None),
    ],
)
def test_v2_judges_required_inputs_and_element_types(graph, fault):
    found = fault_of_types(graph, rules_of(LABELS))
    assert found is None if fault is None else fault in str(found)


def test_rules_are_the_widest_of_all_versions():
    """Squeeze took its axes as an attribute, and takes them as an input since opset 13."""
    squeeze = operator_rules("Squeeze")
    assert (squeeze.least_inputs, squeeze.most_inputs) == (1, 2)
    assert operator_rules("Concat").is_variadic
    assert operator_rules("Split").most_outputs > 100


@pytest.mark.parametrize("size", [2, 5, 17])
def test_whatever_is_drawn_under_the_mask_is_sound_and_of_the_size(labels, size):
    rules = rules_of(labels)
    book = Rulebook(rules)
    generator = np.random.default_rng(size)
    for _ in range(10):
        draft = Draft(book, 40, size)
        while not draft.done:
            end, kinds, operators, nodes = draft.may()
            choices = np.flatnonzero(np.concatenate(([end], kinds, operators, nodes)))
            choice = int(generator.choice(choices))
            if choice == 0:
                draft.end()
            elif choice <= len(kinds):
                draft.fill(-choice)
            elif choice <= len(kinds) + len(operators):
                draft.place(choice - len(kinds) - 1)
            else:
                node = choice - len(kinds) - len(operators) - 1
                draft.fill(node, int(generator.choice(np.flatnonzero(draft.outputs_of(node)))))
        graph = draft.graph()
        assert graph.num_nodes == size
        assert fault_of_slots(graph, rules) is None


def test_orders_count_by_what_is_not_symmetric():
    two_branches = slotted([RELU, RELU, RELU, ADD], [PARAMETER], [0], [0], [1, 2])
    assert log_orders(two_branches) == pytest.approx(np.log(24))
    alike = slotted([RELU, RELU, RELU], [PARAMETER], [0], [0])
    assert log_orders(alike) == pytest.approx(np.log(6 / 2))


def test_figures_of_real_graphs_and_of_copies(real, labels):
    half = len(real) // 2
    given = {"train": real[:half], "test": real[half:], "labels": labels}
    evaluator = Evaluator("generation")
    copies = evaluator.evaluate({"samples": real[:half], **given})
    assert copies["v1"] == copies["v2"] == 1
    assert copies["novel"] == copies["novel_types"] == copies["useful"] == 0
    assert copies["mmd_operators"] == pytest.approx(1)
    unseen = evaluator.evaluate({"samples": real[half:], **given})
    assert unseen["mmd_operators"] == pytest.approx(0)
    assert unseen["useful"] > 0.5


def test_chains_of_one_operator_are_told_from_networks(real, labels):
    relu = labels.index("Relu")
    chain = make_slotted(
        np.full(12, relu),
        np.stack((np.arange(11), np.arange(1, 12), np.zeros(11, int), np.zeros(11, int))),
        np.array([[0], [0], [Unfed.OUTSIDE]]),
    )
    found = Evaluator("generation").evaluate(
        {"samples": [chain] * 20, "train": real, "test": real[::2], "labels": labels}
    )
    assert found["unique"] == pytest.approx(1 / 20)
    assert found["auc"] > 0.9
    assert found["mmd_operators"] > 3


def test_what_is_no_sample_is_one_sentence(real):
    evaluator = Evaluator("generation")
    with pytest.raises(UsageError, match="there is no train"):
        evaluator.evaluate({"samples": real})
    with pytest.raises(UsageError, match="at least one"):
        evaluator.evaluate({"samples": [], "train": real, "test": real, "labels": ["a"]})
    with pytest.raises(UsageError, match="beyond"):
        evaluator.evaluate({"samples": real, "train": real, "test": real, "labels": ["a"]})
