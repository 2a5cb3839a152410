"""Merging: only what is surely the same becomes one row, and every model keeps its skeleton."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from builders.assemble.measured import MeasuredStore
from builders.assemble.merge import (
    Rows,
    by_normal_form,
    count_undecided,
    count_wl_collisions,
    merge,
    normal_form_pairs,
)
from builders.ledger import Tool
from builders.measure.facts import Facts, Identity
from builders.model_ref import Evaluation, ModelRef
from younger_hf.costs import Costs

Architecture = tuple[dict[ModelRef, Tool], Facts]
Merging = Callable[..., Rows]


def measured(
    number: int,
    graph: str,
    *models: ModelRef,
    types: str = "t",
    skeleton: str = "",
    evidence: str = "",
    wl: str = "w",
    normal: str = "",
) -> Architecture:
    facts = Facts(
        graph=Identity(graph, evidence),
        type_graph=Identity(types),
        skeleton=Identity(skeleton or f"s{number}"),
        wl_hash=wl,
        type_wl_hash="w",
        num_edges=1,
        depth=2,
        num_parameters=10 * number,
        num_shapes=0,
        costs=None,
        opset=17,
        variants={"Add{}": 2},
        num_searched=0,
        normal=Identity(normal or graph),
        normal_types={"Add": 2},
        sketch=(),
        minhash=(),
    )
    return dict.fromkeys(models or (ModelRef("zoo", f"m{number}"),), Tool("onnx", {})), facts


@pytest.fixture(params=[0, 100], ids=["from disk", "kept in memory"])
def types(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Merging]:
    """Merges architectures into the rows without attributes."""
    with closing(MeasuredStore(tmp_path / "measured.sqlite", kept=request.param)) as store:

        def merged(*architectures: Architecture) -> Rows:
            for models, facts in architectures[len(store) :]:
                store.append("", models, facts)
            return merge(store)

        yield merged


@pytest.fixture
def graphs(types: Merging) -> Merging:
    """Merges architectures into the rows with attributes."""
    return lambda *architectures: types(*architectures).finer_rows()[0]


def test_equal_fingerprints_are_one_row_with_all_models(graphs: Merging) -> None:
    (row,) = graphs(measured(0, "a"), measured(1, "a"))
    assert [model.id for model, _ in row.models] == ["m0", "m1"]


def test_a_row_without_attributes_holds_the_rows_that_look_alike(types: Merging) -> None:
    (row,) = types(measured(0, "b"), measured(1, "a"), measured(2, "b"))
    assert [graph.key for graph in row.parts] == ["a", "b"]
    assert len(row.models) == 3


def test_every_model_keeps_the_facts_of_its_own_skeleton(graphs: Merging) -> None:
    (row,) = graphs(measured(1, "a"), measured(2, "a"))
    assert {model.id: facts.num_parameters for model, facts in row.models} == {"m1": 10, "m2": 20}
    assert [skeleton.key for skeleton in row.parts] == ["s1", "s2"]


def test_conversions_with_one_skeleton_are_one_skeleton(graphs: Merging) -> None:
    (row,) = graphs(measured(0, "a", skeleton="s"), measured(1, "a", skeleton="s"))
    assert [skeleton.key for skeleton in row.parts] == ["s"]


def test_the_representative_has_most_downloads(graphs: Merging) -> None:
    few, many, unknown = (ModelRef("hub", name, downloads=n) for name, n in (("a", 5), ("b", 50), ("c", None)))
    (row,) = graphs(measured(0, "a", few), measured(1, "a", unknown), measured(2, "a", many))
    assert row.representative.prominent_model == many
    assert row.representative.number == 2


def test_without_downloads_the_representative_is_the_first_by_source_id_and_revision(graphs: Merging) -> None:
    refs = [ModelRef("hub", "b", "1"), ModelRef("hub", "a", "2"), ModelRef("hub", "a", "1"), ModelRef("zoo", "a", "0")]
    (row,) = graphs(*(measured(i, "a", ref) for i, ref in enumerate(refs)))
    assert row.representative.prominent_model == refs[2]


def test_a_contributed_model_represents_a_row_only_where_there_is_no_other(graphs: Merging) -> None:
    refs = [ModelRef("a", "a", origin="contributed", downloads=9), ModelRef("z", "z", "2"), ModelRef("z", "z", "1")]
    (row,) = graphs(*(measured(i, "a", ref) for i, ref in enumerate(refs)))
    assert row.representative.prominent_model == refs[2]
    _, other = graphs(*(measured(i, "a", ref) for i, ref in enumerate(refs)), measured(3, "b", refs[0]))
    assert other.representative.prominent_model == refs[0]


def test_inexact_fingerprints_are_not_merged_and_each_row_has_a_key_of_its_own(graphs: Merging) -> None:
    rows = graphs(measured(0, "a", evidence="y"), measured(1, "a", evidence="x"), measured(2, "b"))
    assert {row.key: row.representative.number for row in rows} == {"a-x": 1, "a-y": 0, "b": 2}


def test_inexact_graphs_that_are_equal_as_they_stand_are_one_row(graphs: Merging) -> None:
    (row,) = graphs(measured(0, "a", evidence="x"), measured(1, "a", evidence="x"))
    assert len(row.members) == 2


def test_pairs_that_the_weisfeiler_lehman_hash_would_have_merged_are_counted(graphs: Merging) -> None:
    rows = graphs(measured(0, "a"), measured(1, "b"), measured(2, "c"), measured(3, "d", wl="other"))
    assert count_wl_collisions(rows) == 3


def test_an_undecided_pair_is_no_collision(graphs: Merging) -> None:
    rows = graphs(measured(0, "a", evidence="x"), measured(1, "a", evidence="y"), measured(2, "b"))
    assert count_undecided(rows) == 1
    assert count_wl_collisions(rows) == 2


def test_pairs_of_one_normal_form_link_all_rows_that_have_it(graphs: Merging) -> None:
    rows = graphs(
        measured(0, "a", normal="n"), measured(1, "b", normal="n"), measured(2, "c"), measured(3, "d", normal="n")
    )
    keys = list(rows.row_keys())
    assert [(keys[one], keys[other]) for one, other in normal_form_pairs(by_normal_form(rows))] == [
        ("a", "b"),
        ("a", "d"),
    ]


def test_what_is_read_back_is_what_was_set_aside(tmp_path: Path) -> None:
    model = ModelRef(
        "hub", "\ud800 \0 \u00e9", tags=("a",), evaluations=(Evaluation("t", "d", "s", "m", 0.1),), downloads=1 << 70
    )
    models, facts = measured(7, "a", model, evidence="e" * 32, normal="n")
    facts = replace(
        facts, costs=Costs(1 << 70, 2), sketch=(0, 1 << 30), minhash=(0, 255), normal_types={"B": 2, "A": 1}
    )
    with closing(MeasuredStore(tmp_path / "measured.sqlite", kept=0)) as store:
        for _ in range(2):
            store.append("h", models, facts)
        store.finish()
        assert store[1].models == models
        assert store[1].facts == facts
        assert list(store[1].facts.normal_types) == ["B", "A"]
        assert (store[1].number, store[1].skeleton_hash) == (1, "h")
        assert store.key_of_skeleton("h") == facts.skeleton.key
        assert store.key_of_skeleton("other") is None
        assert store.count_models() == 1
