"""The vocabulary: counted, ordered, and stable once given."""

from __future__ import annotations

from builders.assemble.write.operator_rows import operator_rows
from younger_hf.vocabulary import Vocabulary

SMALL = {'Conv{"group":1}': 3, "Relu{}": 3}
LARGE = {'Conv{"group":1}': 1, 'Conv{"group":8}': 5, "com.microsoft::Gelu{}": 2, "Add{}": 3}


def test_ids_go_by_count_and_then_by_label() -> None:
    vocabulary = Vocabulary.from_rows(operator_rows([SMALL, LARGE]))
    assert vocabulary.operators == ("__UNK__", "__MASK__", "Conv", "Add", "Relu", "com.microsoft::Gelu")
    assert vocabulary.variants == (
        *("__UNK__", "__MASK__", 'Conv{"group":8}', 'Conv{"group":1}', "Add{}", "Relu{}", "com.microsoft::Gelu{}"),
    )


def test_every_variant_knows_its_operator() -> None:
    vocabulary = Vocabulary.from_rows(operator_rows([SMALL, LARGE]))
    for variant, operator in zip(vocabulary.variants, vocabulary.operator_of_variant, strict=True):
        assert vocabulary.operators[operator] == variant.partition("{")[0]


def test_nodes_and_graphs_are_counted() -> None:
    rows = {(row["kind"], row["label"]): row for row in operator_rows([SMALL, LARGE])}
    assert (rows["operator", "Conv"]["num_nodes"], rows["operator", "Conv"]["num_graphs"]) == (9, 2)
    variant = rows["variant", 'Conv{"group":8}']
    assert (variant["num_nodes"], variant["num_graphs"]) == (5, 1)
    assert (variant["domain"], variant["op_type"], variant["attributes"]) == ("", "Conv", '{"group":8}')
    assert rows["operator", "com.microsoft::Gelu"]["domain"] == "com.microsoft"
    assert rows["operator", "__MASK__"]["num_nodes"] == 0


def test_a_later_build_appends_and_never_renumbers() -> None:
    first = Vocabulary.from_rows(operator_rows([SMALL]))
    second = Vocabulary.from_rows(operator_rows([LARGE, LARGE], previous=first))
    assert second.operators[: len(first.operators)] == first.operators
    assert second.variants[: len(first.variants)] == first.variants
    assert second.operators[len(first.operators) :] == ("Add", "com.microsoft::Gelu")
    assert second.variant_id("Relu{}") == first.variant_id("Relu{}")
