"""The vocabulary: ids to operators and back, tolerant of what it does not know."""

from __future__ import annotations

import os
import random
import shutil

import numpy as np
import pyarrow as pa
import pytest

from younger_hf import Operator, Vocabulary, YoungerError
from younger_hf.errors import ReleaseError
from younger_hf.graph import make_graph
from younger_hf.vocabulary import VocabularyError


def test_every_operator_of_a_release_comes_back_from_its_ids(graphs, vocabulary):
    for graph in graphs.values():
        assert vocabulary.decode(vocabulary.encode(graph)) == graph.operator
        types = vocabulary.encode(graph, "operator")
        assert vocabulary.decode(types, "operator") == graph.without_attributes().operator
        assert np.array_equal(vocabulary.operator_of_variant[vocabulary.encode(graph)], types)


def test_labels_have_the_ids_of_the_rows(operator_rows, vocabulary):
    for row in operator_rows:
        find = vocabulary.operator_id if row["kind"] == "operator" else vocabulary.variant_id
        assert find(row["label"]) == row["id"]


def test_an_unknown_operator_is_id_0(vocabulary):
    assert vocabulary.operator_id("com.example::Fancy") == 0
    assert vocabulary.variant_id('Conv{"group":77}') == 0
    stranger = make_graph([Operator("com.example", "Fancy"), Operator("", "Relu")], [(0, 1, 0, 0)])
    assert vocabulary.encode(stranger).tolist() == [0, vocabulary.variant_id("Relu{}")]
    assert [operator.op_type for operator in vocabulary.decode([0, 1])] == ["__UNK__", "__MASK__"]


def test_unknown_and_mask_survive_there_and_back(vocabulary):
    for kind in ("operator", "variant"):
        masked = make_graph(vocabulary.decode([1, 0, 2], kind), [])
        assert vocabulary.encode(masked, kind)[:2].tolist() == [1, 0]


@pytest.mark.parametrize("wrong", [-1, 54, 10**12])
def test_an_id_out_of_range_is_a_lookup_error_that_names_it(vocabulary, wrong):
    assert len(vocabulary.variants) == 54
    with pytest.raises(VocabularyError, match=rf"no variant has id {wrong}: the vocabulary has ids 0 to 53"):
        vocabulary.decode([3, wrong])
    assert issubclass(VocabularyError, (YoungerError, LookupError))


def test_rows_may_come_in_any_order_or_as_a_table(operator_rows, vocabulary):
    shuffled = random.Random(0).sample(operator_rows, len(operator_rows))
    for other in (Vocabulary.from_rows(shuffled), Vocabulary.from_table(pa.Table.from_pylist(shuffled))):
        assert (other.operators, other.variants) == (vocabulary.operators, vocabulary.variants)
        assert np.array_equal(other.operator_of_variant, vocabulary.operator_of_variant)


def test_rows_that_make_no_vocabulary_are_refused(operator_rows):
    with pytest.raises(ReleaseError, match="the variant ids of the vocabulary have gaps"):
        Vocabulary.from_rows(operator_rows[:-2] + operator_rows[-1:])
    with pytest.raises(ReleaseError, match="operator ids 0 and 1 must be __UNK__ and __MASK__"):
        Vocabulary.from_rows([{"kind": "operator", "id": 0, "label": "Conv", "operator_id": 0}])
    with pytest.raises(ReleaseError, match="two operator ids have the same label"):
        Vocabulary.from_rows([*operator_rows, {"kind": "operator", "id": 25, "label": "Relu", "operator_id": 25}])
    with pytest.raises(ReleaseError, match="operator id that is not in the vocabulary"):
        Vocabulary.from_rows([*operator_rows, {"kind": "variant", "id": 54, "label": "Abs{}", "operator_id": 25}])


def test_a_loaded_vocabulary_is_kept_until_the_release_is_built_anew(release, vocabulary, tmp_path):
    directory = shutil.copytree(release, tmp_path / "younger")
    first = Vocabulary.load(directory)
    assert (first.operators, first.variants) == (vocabulary.operators, vocabulary.variants)
    assert Vocabulary.load(str(directory)) is first
    os.utime(directory / "operators" / "train-00000-of-00001.parquet", (0, 0))
    assert Vocabulary.load(directory) is not first
