"""A release is the ledger that it was made from: restored into an empty one, it is assembled to the same bytes."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ledgers import conversion, fill
from support.light import LIGHT
from support.releases import files

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.ledger import Entry, Ledger
from builders.ledger.published import InvalidRowError, from_row, to_rows, without_places
from builders.model_ref import Evaluation, ModelRef
from builders.pipeline import build
from builders.restore import restore
from builders.status import summarize_release
from younger_hf.errors import ReleaseError
from younger_hf.release import open_release
from younger_hf.schema import SCHEMA


@pytest.fixture(scope="module")
def attempts():
    """Real skeletons; twins, a fine-tune that shares a conversion, failures, a model that was tried twice."""
    squeezenet, shufflenet = (LIGHT / f"light_{name}.onnx" for name in ("squeezenet", "shufflenet"))
    hub = {"library": "transformers", "config": '{"architectures": ["BertModel"]}', "retrieved": "2026-11-01"}
    result = Evaluation("image-classification", "flowers", "test", "accuracy", 0.93)
    first = ModelRef(
        *("huggingface", "a/first", "1"), downloads=9, tags=("x",), evaluations=(result,), backbones=("swin",), **hub
    )
    tuned = ModelRef("huggingface", "b/tuned", "1", downloads=90, **hub)
    timed = Conversion(Outcome.TIMEOUT, "in /work/scratch/a it took longer", "torch", {"torch": "2"}, seconds=60.1234)
    good = replace(conversion(squeezenet, "torch"), opset=9, versions={"torch": "2"}, seconds=2.0, peak_memory=1 << 20)
    return [
        (first, good),
        (tuned, None),
        (ModelRef("zoo", "again", library="onnx", family="f"), timed),
        (ModelRef("zoo", "again", library="onnx", family="f"), replace(good, exporter="onnx")),
        (ModelRef("zoo", "other", library="onnx", family="g", license="mit"), conversion(shufflenet)),
        (ModelRef("zoo", "never", library="onnx"), replace(timed, message="it failed")),
        (ModelRef("zoo", "untried", library="onnx"), None),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory, attempts):
    """A release and its ledger."""
    directory = tmp_path_factory.mktemp("made")
    with Ledger(directory / "work") as ledger:
        ledger.record(model for model, _ in attempts)
        for model, converted in attempts:
            if converted:
                ledger.finish(model, converted)
        assemble(ledger, directory / "younger")
        return directory / "younger", list(ledger.entries())


def test_every_model_and_every_attempt_is_a_row(made):
    rows = open_release(made[0]).read("conversions").to_pylist()
    assert [(row["id"], row["attempt"], row["outcome"]) for row in rows] == [
        ("a/first", 1, "ok"),
        ("b/tuned", None, None),
        ("again", 1, "timeout"),
        ("again", 2, "ok"),
        ("never", 1, "timeout"),
        ("other", 1, "ok"),
        ("untried", None, None),
    ]
    assert rows[0]["export_key"] == rows[1]["export_key"]
    assert (rows[0]["skeleton_fingerprint"], rows[3]["seconds"]) == (rows[3]["skeleton_fingerprint"], 2.0)
    assert (rows[2]["message"], rows[2]["seconds"]) == ("in … it took longer", 60.123)


def test_all_that_a_source_says_of_a_model_is_a_column():
    hidden = {"config", "location", "stamp"}
    assert {field.name for field in fields(ModelRef)} - hidden <= SCHEMA["conversions"].columns.keys()


def test_an_empty_ledger_takes_a_release_over_and_gives_the_same_bytes(made, tmp_path):
    younger, entries = made
    with Ledger(tmp_path / "work") as ledger:
        assert restore(ledger, open_release(younger)) == 2
        assert [entry.export_key for entry in ledger.entries()] == [entry.export_key for entry in entries]
        assert not (ledger.work / "restore").exists()
        assemble(ledger, tmp_path / "younger")
    assert files(tmp_path / "younger") == files(younger)


def test_of_a_trusted_release_the_same_is_taken_over(made, tmp_path):
    younger, _ = made
    with Ledger(tmp_path / "work") as ledger:
        assert restore(ledger, open_release(younger), trusted=True) == 2
        assemble(ledger, tmp_path / "younger", previous=younger, trust_previous=True)
    of_the_fresh, of_the_trusted = files(younger), files(tmp_path / "younger")
    assert of_the_trusted == of_the_fresh


def test_a_build_upon_a_release_converts_only_what_is_missing(made, tmp_path):
    younger, _ = made
    report = build(["onnx-package:squeezenet"], tmp_path / "next", tmp_path / "work", previous=younger)
    assert report.models == 5
    with Ledger(tmp_path / "work", read_only=True) as ledger:
        tried = {(attempt.source, attempt.id) for attempt in ledger.attempts()}
    of_zoo = {("zoo", name) for name in ("again", "never", "other")}
    assert tried == {("huggingface", "a/first"), ("onnx-package", "squeezenet"), *of_zoo}


def test_what_the_ledger_has_stays(made, tmp_path, attempts):
    model = ModelRef("zoo", "other", library="onnx", family="mine")
    with fill(tmp_path / "work", [(model, Conversion(Outcome.ERROR, "mine"))]) as ledger:
        restore(ledger, open_release(made[0]))
        assert ledger.result(model) is Outcome.ERROR
        (entry,) = (entry for entry in ledger.entries() if entry.model.id == "other")
        assert (entry.model.family, entry.attempt.message) == ("mine", "mine")


def test_a_failure_is_tried_again_when_asked(made, tmp_path):
    with Ledger(tmp_path / "work") as ledger:
        restore(ledger, open_release(made[0]))
        assert [ledger.request(*one).model.id for one in ledger.unconverted()] == ["untried"]
        retried = ledger.unconverted(retry=[Outcome.TIMEOUT])
        assert [ledger.request(*one).model.id for one in retried] == ["never", "untried"]


def rewritten(younger, tmp_path, config, change):
    """A copy of the release in which a config has other rows."""
    copy = tmp_path / "forged"
    for name, content in files(younger).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    file = copy / config / "train-00000-of-00001.parquet"
    table = pq.read_table(file)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), file)
    return open_release(copy)


@pytest.mark.parametrize(
    "forge",
    [
        lambda skeleton: b"\xff" * 50,
        lambda skeleton: b"",
        lambda skeleton: onnx.ModelProto(ir_version=8).SerializeToString(),
        lambda skeleton: skeleton[: len(skeleton) // 2],
    ],
    ids=["junk", "empty", "no graph", "cut"],
)
def test_a_forged_skeleton_is_not_taken_over_and_stops_nothing(made, tmp_path, forge, caplog):
    def change(rows):
        rows[0]["onnx"] = forge(rows[0]["onnx"])
        return rows

    release = rewritten(made[0], tmp_path, "skeletons", change)
    with Ledger(tmp_path / "work") as ledger, caplog.at_level(logging.WARNING):
        assert restore(ledger, release) == 1
        assert len(list(ledger.architectures())) == 1
        assert len(ledger.unconverted()) > 1


@pytest.mark.parametrize("place", ["doc_string", "producer_name", "domain"])
def test_a_skeleton_that_hides_something_is_refused(made, tmp_path, place):
    def change(rows):
        for row in rows:
            model = onnx.load_model_from_string(row["onnx"])
            setattr(model, place, "secret")
            row["onnx"] = model.SerializeToString()
        return rows

    with Ledger(tmp_path / "work") as ledger:
        restore(ledger, rewritten(made[0], tmp_path, "skeletons", change))
        assert not any(b"secret" in one.skeleton for one in ledger.architectures())


@pytest.mark.parametrize(
    "change",
    [
        {"export_key": "../../etc"}, {"id": None}, {"outcome": "great"}, {"versions": "["}, {"versions": "[" * 99_999},
        {"seconds": float("nan")}, {"opset": -1}, {"versions": '{"a": 1}'},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_no_ledger_could_have_given_is_refused(made, change):
    row = open_release(made[0]).read("conversions").to_pylist()[0]
    from_row(row)
    with pytest.raises(InvalidRowError):
        from_row({**row, **change})


def test_rows_and_entries_are_inverses(made):
    entries = made[1]
    skeletons = {entry.attempt.skeleton_hash: "k" for entry in entries if entry.attempt}
    back = [from_row(row)[0] for row in to_rows(entries, skeletons.get)]
    assert [(one.model, one.export_key) for one in back] == [
        (replace(entry.model, config=""), entry.export_key) for entry in entries
    ]
    assert [isinstance(one, Entry) and one.attempt and one.attempt.outcome for one in back] == [
        entry.attempt and entry.attempt.outcome for entry in entries
    ]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("FileNotFoundError: '/root/.cache/x/y.json'", "FileNotFoundError: '…'"),
        ("http://10.0.0.7:80/a?b=c refused", "… refused"),
        ("no module a/b in torch.nn.Linear 1/2", "no module a/b in torch.nn.Linear 1/2"),
        ("~/x/y and /tmp/a_b-1/c.py, line 3", "… and …, line 3"),
    ],
)
def test_a_message_names_no_place(message, shown):
    assert without_places(message) == shown


def test_how_a_release_was_made_is_told_as_of_a_ledger(made):
    status = summarize_release(open_release(made[0]))
    endings = [(ending.source, ending.outcome, ending.models, ending.conversions) for ending in status.endings]
    assert endings == [
        ("huggingface", "ok", 2, 1),
        ("zoo", "ok", 2, 2),
        ("zoo", "timeout", 1, 1),
        ("zoo", "untried", 1, 0),
    ]
    assert status.slowest[0].seconds == 60.123
    assert str(status).startswith("source       outcome")


def test_a_release_that_does_not_say_how_it_was_made_is_refused(made, tmp_path):
    release = open_release(made[0])
    configs = {name: splits for name, splits in release.configs.items() if name != "conversions"}
    with pytest.raises(ReleaseError, match="has no config conversions"):
        summarize_release(replace(release, configs=configs))
    with Ledger(tmp_path / "work") as ledger:
        assert restore(ledger, replace(release, configs=configs)) == 0
