"""The ledger: what is entered is kept, once, and what a release reads does not depend on how it came there."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from builders.convert import Conversion, Outcome
from builders.crawl import ModelRef
from builders.ledger import FILE_NAME, Ledger, LedgerError
from younger_hf.errors import YoungerError

A, B, C = (ModelRef(source="zoo", id=name, revision="1") for name in "abc")
OK = Conversion(Outcome.OK, exporter="onnx", skeleton=b"skeleton", opset=17, seconds=1.5)
OTHER = replace(OK, skeleton=b"another skeleton")
FAILED = Conversion(Outcome.TIMEOUT, "it took more than 1 second", exporter="onnx")


def test_what_was_tried_is_not_pending_unless_asked_for(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([A, B, C])
        ledger.finish(A, OK)
        ledger.finish(B, FAILED)
        assert ledger.pending([A, B, C, C]) == [C]
        assert ledger.pending([A, B, C], retry=[Outcome.TIMEOUT]) == [B, C]
        assert list(ledger.failures()) == [("zoo", "b", Outcome.TIMEOUT, "it took more than 1 second")]
        assert ledger.outcomes() == {Outcome.OK: 1, Outcome.TIMEOUT: 1}


def test_a_file_that_changed_is_pending_again_and_its_old_result_counts_no_more(tmp_path: Path) -> None:
    old = ModelRef(source="onnx", id="m", location="/m.onnx", stamp="1")
    new = replace(old, stamp="2")
    with Ledger(tmp_path) as ledger:
        ledger.record([old])
        ledger.finish(old, OK)
        ledger.record([new])
        assert ledger.pending([new]) == [new]
        assert list(ledger.architectures()) == []
        ledger.finish(new, OTHER)
        assert [one.skeleton for one in ledger.architectures()] == [b"another skeleton"]


def test_models_with_one_skeleton_are_one_architecture(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([B, A, C])
        for model, conversion in ((B, OK), (C, OTHER), (A, OK)):
            ledger.finish(model, conversion)
        by_content = {one.skeleton: one.models for one in ledger.architectures()}
    assert by_content == {b"skeleton": (A, B), b"another skeleton": (C,)}


def test_the_order_of_attempts_does_not_show_in_the_architectures(tmp_path: Path) -> None:
    attempts = [(A, OK), (B, OTHER), (C, FAILED)]
    seen = []
    for number, order in enumerate(permutations(attempts)):
        with Ledger(tmp_path / str(number)) as ledger:
            ledger.record(model for model, _ in order)
            for model, conversion in order:
                ledger.finish(model, conversion)
            seen.append(list(ledger.architectures()))
    assert all(architectures == seen[0] for architectures in seen)


def test_what_a_source_says_of_a_model_now_replaces_what_it_said_before(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([replace(A, downloads=1)])
        ledger.finish(A, OK)
        ledger.record([replace(A, downloads=2)])
        ((model,),) = (one.models for one in ledger.architectures())
    assert model.downloads == 2


def test_the_ledger_outlives_its_process(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([A])
        ledger.finish(A, OK)
    with Ledger(tmp_path) as ledger:
        assert ledger.pending([A]) == []


def test_two_processes_cannot_work_in_one_directory(tmp_path: Path) -> None:
    with Ledger(tmp_path), pytest.raises(LedgerError, match="another process is working in"):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


def test_a_ledger_of_another_version_is_named(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerError, match="ledger of version 99"):
        Ledger(tmp_path)
    with pytest.raises(LedgerError, match="ledger of version 99"):  # and the directory was let go
        Ledger(tmp_path)


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("no database at all, and long enough to be looked at" * 100)
    with pytest.raises(YoungerError, match=r"ledger\.sqlite cannot be used"):
        Ledger(tmp_path)


def test_a_work_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "file")


def test_an_attempt_that_cannot_be_entered_leaves_nothing_behind(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([A])
        with pytest.raises(LedgerError):
            ledger.finish(A, replace(OK, message=None))  # type: ignore[arg-type]
        assert ledger.pending([A]) == [A]
        ledger._database.execute("SELECT 1")
        assert ledger._database.execute("SELECT count(*) FROM skeletons").fetchone() == (0,)


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record([A])
        (pages,) = ledger._database.execute("PRAGMA page_count").fetchone()
        ledger._database.execute(f"PRAGMA max_page_count = {pages}")
        import os

        with pytest.raises(LedgerError, match="disk is full"):
            ledger.finish(A, replace(OK, skeleton=os.urandom(1 << 20)))
        assert ledger.pending([A]) == [A]
