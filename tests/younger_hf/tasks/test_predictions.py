"""A predictions file: it scores as it was evaluated, and its labels are the release's or it is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from support.crafted_parquet import with_num_rows
from support.releases import table as rows_of

from younger_hf import Evaluator, YoungerError
from younger_hf.errors import UsageError
from younger_hf.release import Release, open_release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.predictions import Predictions, PredictionsError, check_labels

TASKS = ("operator", "dataflow")


@pytest.fixture(scope="session")
def opened(zoo: Path) -> Release:
    return open_release(zoo / "younger")


@pytest.fixture(scope="session", params=TASKS)
def predictions(opened: Release, request: pytest.FixtureRequest) -> Predictions:
    """What a model that is often right may predict for the training split."""
    return predict(opened, request.param)


def predict(release: Release, task: str) -> Predictions:
    of = EvaluationSet.of(release, task, "train", attributes=task == "operator")
    labels = of.labels(release)
    random = np.random.default_rng(0)
    y_true = labels["y_true"].to_numpy()
    if task == "operator":
        y_pred = np.where(random.random(len(y_true)) < 0.5, y_true, random.integers(2, of.vocabulary_size, len(y_true)))
    else:
        y_pred = ((0.6 * y_true + random.random(len(y_true))) / 1.6).astype(np.float32)
    return Predictions(of, "a guess", labels.append_column("y_pred", pa.array(y_pred)))


def with_column(predictions: Predictions, name: str, values: Any) -> Predictions:
    table = predictions.table
    at = table.column_names.index(name)
    return replace(predictions, table=table.set_column(at, name, pa.array(values, table.schema.field(name).type)))


@pytest.mark.parametrize(("attributes", "nodes"), [(True, "node_variant"), (False, "node_operator")])
def test_the_labels_of_operator_design_are_the_operators_at_the_boundaries(opened, zoo, attributes, nodes):
    of = EvaluationSet.of(opened, "operator", "train", attributes=attributes)
    rows = rows_of(zoo / "younger", of.config)["train"]
    expected = [(row["fingerprint"], node, row[nodes][node]) for row in rows for node in row["boundary"]]
    assert len(expected) > 100
    assert [tuple(label.values()) for label in of.labels(opened).to_pylist()] == expected


def test_the_labels_of_the_papers_scheme_are_those_of_its_split(opened, zoo):
    of = EvaluationSet.of(opened, "operator", "test", split_scheme="paper")
    rows = [row for split in rows_of(zoo / "younger", "subgraphs").values() for row in split]
    expected = {row["fingerprint"] for row in rows if row["paper_split"] == "test"}
    assert expected
    assert set(of.labels(opened)["fingerprint"].to_pylist()) == expected


@pytest.mark.parametrize("protocol", ["heldout", "paper"])
def test_the_labels_of_data_flow_design_are_edges_and_as_many_pairs_that_are_none(opened, zoo, protocol):
    of = EvaluationSet.of(opened, "dataflow", "train", attributes=False, protocol=protocol, held_out=0.3)
    labels = of.labels(opened).to_pylist()
    for row in rows_of(zoo / "younger", of.config)["train"]:
        edges = set(zip(*row["edge_index"], strict=True))
        mine = [label for label in labels if label["fingerprint"] == row["type_fingerprint"]]
        for label in mine:
            assert label["y_true"] == ((label["producer"], label["consumer"]) in edges)
        share = len(edges) if protocol == "paper" else max(1, round(0.3 * len(edges)))
        assert [sum(label["y_true"] == value for label in mine) for value in (True, False)] == [share, share]


def test_a_file_scores_as_it_was_evaluated(predictions, opened, tmp_path):
    predictions.save(tmp_path / "p.parquet")
    expected = Evaluator.of(predictions.of).evaluate(predictions.arrays())
    assert 0 < min(expected.values()) <= max(expected.values()) < 1
    assert Evaluator.score(tmp_path / "p.parquet") == expected
    assert Evaluator.score(str(tmp_path / "p.parquet"), opened) == expected
    assert Evaluator.score(tmp_path / "p.parquet", opened.source) == expected


@pytest.mark.parametrize("task", TASKS)
def test_a_file_is_held_against_a_release_on_the_hub(opened, zoo, tmp_path, task):
    predictions = predict(opened, task)
    predictions.save(tmp_path / "p.parquet")
    repository = Repository.of_directory("org/younger", zoo / "younger", "datasets")
    with hub(repository) as served, client(served, tmp_path):
        assert Evaluator.score(tmp_path / "p.parquet", "org/younger@main") == Evaluator.score(tmp_path / "p.parquet")
        replace(predictions, table=predictions.table.slice(1)).save(tmp_path / "p.parquet")
        with pytest.raises(PredictionsError, match=r"p\.parquet leaves out 1 of the"):
            Evaluator.score(tmp_path / "p.parquet", "org/younger@main")


def test_the_same_predictions_are_the_same_bytes(predictions, tmp_path):
    chunks = pa.concat_tables([predictions.table.slice(0, 5), predictions.table.slice(5)])
    for name, table in (("a", predictions.table), ("b", chunks)):
        replace(predictions, table=table).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    read = Predictions.load(tmp_path / "a")
    assert (read.of, read.model, read.table) == (predictions.of, predictions.model, predictions.table)


def test_a_column_that_is_missing_is_named(opened):
    of = EvaluationSet.of(opened, "operator", "train")
    with pytest.raises(UsageError, match="no column of predictions 'y_pred': did you mean y_true"):
        Predictions(of, "a guess", of.labels(opened))


def test_the_order_of_the_rows_does_not_matter(predictions, opened):
    shuffled = np.random.default_rng(0).permutation(predictions.table.num_rows)
    check_labels(replace(predictions, table=predictions.table.take(pa.array(shuffled))), opened, Path("p"))


def refuse(predictions: Predictions, release: Release) -> str:
    with pytest.raises(PredictionsError) as refused:
        check_labels(predictions, release, Path("p"))
    return str(refused.value)


def test_a_file_cannot_leave_rows_out(predictions, opened):
    num = predictions.table.num_rows
    short = replace(predictions, table=predictions.table.slice(2))
    assert refuse(short, opened).startswith(f"p leaves out 2 of the {num:,} labels of split train: fingerprint ")


def test_a_file_cannot_have_rows_twice(predictions, opened):
    double = replace(predictions, table=pa.concat_tables([predictions.table, predictions.table.slice(0, 1)]))
    assert refuse(double, opened) == f"p has some of its {predictions.table.num_rows + 1:,} rows twice"


def test_a_file_cannot_make_rows_up(predictions, opened):
    fingerprints = predictions.table["fingerprint"].to_pylist()
    more = predictions.table.slice(0, 1)
    more = more.set_column(0, "fingerprint", pa.array(["0" * 32]))
    message = refuse(replace(predictions, table=pa.concat_tables([predictions.table, more])), opened)
    assert message.startswith(f"p makes up 1 of the {len(fingerprints):,} labels of split train: fingerprint 000")


def test_a_file_cannot_give_labels_of_its_own(predictions, opened):
    y_true = predictions.table["y_true"].to_pylist()
    y_true[3] = not y_true[3] if predictions.of.task == "dataflow" else y_true[3] + 1
    message = refuse(with_column(predictions, "y_true", y_true), opened)
    assert message.startswith(f"p gives another label than the release to 1 of the {len(y_true):,} labels")
    assert predictions.table["fingerprint"][3].as_py() in message


def test_other_negatives_than_those_of_the_seed_are_made_up(opened):
    predictions = predict(opened, "dataflow")
    message = refuse(
        replace(predictions, of=replace(predictions.of, choices=replace(predictions.of.choices, seed=1))), opened
    )
    assert message.startswith("p leaves out ")


@pytest.mark.parametrize("change", [{"content": "0" * 16}, {"vocabulary_size": 1000}])
def test_a_file_of_another_release_is_named(predictions, opened, change):
    message = refuse(replace(predictions, of=replace(predictions.of, **change)), opened)
    assert message.startswith(f"p is about another release: {predictions.of.config} of younger has content ")


def test_predictions_that_are_none_are_refused_with_the_name_of_the_file(predictions, tmp_path):
    wrong = [10**6] if predictions.of.task == "operator" else [1.5]
    values = [*wrong, *predictions.table["y_pred"].to_pylist()[1:]]
    with_column(predictions, "y_pred", values).save(tmp_path / "p.parquet")
    with pytest.raises(PredictionsError, match=r"p\.parquet: y_pred\[0\] is 1"):
        Evaluator.score(tmp_path / "p.parquet")


@pytest.mark.parametrize("split", ["tset", "test[:10%]", "test+train"])
def test_a_split_is_a_whole_one(opened, split):
    with pytest.raises(UsageError, match=r"^no split '.*': "):
        EvaluationSet.of(opened, "operator", split)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"protocol": "held"}, "no protocol 'held'"),
        ({"seed": -1}, "the seed must be 0 or more, not -1"),
        ({"held_out": 1.5}, "held_out is a share between 0 and 1, not 1.5"),
    ],
)
def test_an_evaluation_set_that_cannot_be_is_refused(opened, settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        EvaluationSet.of(opened, "dataflow", "train", **settings)


def rewrite(path: Path, table: pa.Table, **about: Any) -> None:
    """Write a predictions file with other columns, or with other things said of it."""
    (key, said), *_ = pq.read_schema(path).metadata.items()
    table = table.replace_schema_metadata({key: json.dumps({**json.loads(said), **about})})
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"task": "node"}, "no task 'node'"),
        ({"config": "graphs"}, "no config of task operator 'graphs'"),
        ({"vocabulary_size": "48"}, "vocabulary_size is int, not '48'"),
        ({"split": "train[:10%]"}, "no split"),
        ({"model": None}, "model is None"),
    ],
)
def test_a_file_that_does_not_say_what_it_is_about_is_refused(opened, tmp_path, about, sentence):
    predictions, path = predict(opened, "operator"), tmp_path / "p.parquet"
    predictions.save(path)
    rewrite(path, predictions.table, **about)
    with pytest.raises(PredictionsError, match=rf"p\.parquet does not say what it is about \(.*{sentence}"):
        Predictions.load(path)


def test_other_columns_and_nulls_are_refused(predictions, tmp_path):
    path = tmp_path / "p.parquet"
    nothing = with_column(predictions, "y_pred", [None] * predictions.table.num_rows).table
    for table in (predictions.table.drop_columns("y_true"), nothing):
        predictions.save(path)
        rewrite(path, table)
        with pytest.raises(
            PredictionsError, match=r"p\.parquet must have the columns fingerprint \(string\), .*y_pred"
        ):
            Predictions.load(path)


def test_what_is_no_predictions_file_is_named(zoo, tmp_path):
    (tmp_path / "text").write_text("no Parquet")
    parquet = next((zoo / "younger" / "graphs").glob("*.parquet"))
    for path, sentence in (
        (tmp_path / "nowhere", "there is no file"),
        (tmp_path / "text", "is no Parquet file, or damaged"),
        (parquet, "is no predictions file: `younger-hf evaluate RUN` writes one"),
    ):
        with pytest.raises(YoungerError, match=sentence):
            Evaluator.score(path)


def test_a_footer_that_lies_about_its_rows_is_named(opened, tmp_path):
    predictions, path = predict(opened, "operator"), tmp_path / "p.parquet"
    replace(predictions, table=predictions.table.slice(0, 1)).save(path)
    path.write_bytes(with_num_rows(path.read_bytes(), 9))
    with pytest.raises(PredictionsError, match=r"p\.parquet is .*damaged \(it says that it has 9 rows, and has 1\)"):
        Predictions.load(path)
