"""The ledger: what was tried and how it ended, kept through kills, and never shared by two builds."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from builders.convert import Conversion, Outcome, Request
from builders.ledger import Ledger, LedgerError, Progress, Tool
from builders.model_ref import ModelRef

RESNET = ModelRef("torchvision", "resnet18", "0.29", family="resnet", tags=("a",))
VIT = ModelRef("torchvision", "vit_b_16", "0.29")
FILE = ModelRef("onnx", "model", location="/somewhere/model.onnx", stamp="1")


def good(skeleton=b"skeleton", exporter="torch"):
    return Conversion(Outcome.OK, exporter=exporter, versions={"torch": "2"}, opset=20, skeleton=skeleton, seconds=1.5)


def bad(outcome=Outcome.TIMEOUT, message="too slow"):
    return Conversion(outcome, message, "torch", log="tail")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "work") as ledger:
        yield ledger


def models_of(ledger):
    return [(a.skeleton, [m.id for m in a.models]) for a in ledger.architectures()]


def test_a_finished_attempt_is_there_after_reopening(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.record([RESNET])
        assert ledger.result(RESNET) is None
        ledger.finish(RESNET, good())
    with Ledger(tmp_path) as ledger:
        assert ledger.result(RESNET) is Outcome.OK
        (architecture,) = ledger.architectures()
    assert architecture.skeleton == b"skeleton"
    assert architecture.tools[0].exporter == "torch"
    assert architecture.models == (RESNET,)


def test_one_skeleton_gathers_its_models_whatever_the_order_of_attempts(tmp_path):
    seen = []
    for order in ([RESNET, VIT, FILE], [FILE, VIT, RESNET]):
        with Ledger(tmp_path / str(len(seen))) as ledger:
            ledger.record(order)
            for model in order:
                ledger.finish(model, good(exporter="onnx" if model is FILE else "torch"))
            seen.append(list(ledger.architectures()))
    assert seen[0] == seen[1]
    (architecture,) = seen[0]
    assert architecture.models == (FILE, RESNET, VIT)
    assert architecture.tools[0].exporter == "onnx"


def test_architectures_are_ordered_by_the_hash_of_their_skeleton(ledger):
    models = [ModelRef("s", f"m{i}") for i in range(20)]
    ledger.record(models)
    for i, model in enumerate(models):
        ledger.finish(model, good(b"%d" % i))
    hashes = [architecture.skeleton_hash for architecture in ledger.architectures()]
    assert len(set(hashes)) == 20
    assert hashes == sorted(hashes)


def test_a_contribution_says_nothing_of_what_another_source_has(ledger):
    """Neither what exported it, nor which modules its nodes came from."""
    for source in ("contributions", "torchvision"):
        model = ModelRef(source, source)
        ledger.record([model])
        ledger.finish(model, Conversion(Outcome.OK, exporter=source, skeleton=b"s", modules=source.encode()))
    (architecture,) = ledger.architectures()
    assert [tool.exporter for tool in architecture.tools] == ["contributions", "torchvision"]
    assert architecture.modules == b"torchvision"
    assert [model.source for model in architecture.models] == ["contributions", "torchvision"]


def test_failures_make_no_architecture_and_are_listed(ledger):
    ledger.record([VIT, RESNET])
    ledger.finish(VIT, bad())
    ledger.finish(RESNET, good())
    assert models_of(ledger) == [(b"skeleton", ["resnet18"])]
    assert list(ledger.failures()) == [(VIT, Outcome.TIMEOUT, "too slow")]


def test_a_later_success_counts_and_a_later_failure_does_not_take_it_away(ledger):
    ledger.record([VIT])
    for conversion in (bad(), good(b"first"), good(b"second"), bad()):
        ledger.finish(VIT, conversion)
    assert models_of(ledger) == [(b"second", ["vit_b_16"])]
    assert ledger.result(VIT) is Outcome.OK


def test_a_changed_file_is_untried_again_and_its_old_result_is_gone(ledger):
    ledger.record([FILE])
    ledger.finish(FILE, good())
    changed = ModelRef("onnx", "model", location="/somewhere/model.onnx", stamp="2")
    ledger.record([changed])
    assert ledger.result(changed) is None
    assert models_of(ledger) == []
    ledger.finish(changed, good(b"new"))
    assert models_of(ledger) == [(b"new", ["model"])]


def test_equal_names_in_two_places_are_two_models_and_one_entry(ledger):
    other = ModelRef("onnx", "model", location="/elsewhere/model.onnx", stamp="1")
    ledger.record([FILE, other])
    ledger.finish(FILE, good())
    assert ledger.result(other) is None
    ledger.finish(other, good())
    assert models_of(ledger) == [(b"skeleton", ["model"])]


def test_recording_again_brings_the_record_up_to_date(ledger):
    ledger.record([RESNET])
    ledger.finish(RESNET, good())
    liked = ModelRef("torchvision", "resnet18", "0.29", likes=5)
    ledger.record([liked])
    (architecture,) = ledger.architectures()
    assert architecture.models == (liked,)


def test_an_attempt_of_an_unknown_model_leaves_nothing(ledger):
    with pytest.raises(LedgerError, match="resnet18"):
        ledger.finish(RESNET, good())
    with closing(sqlite3.connect(ledger.path)) as file:
        assert file.execute("SELECT count(*) FROM contents").fetchone() == (0,)


def test_the_second_of_two_builds_is_told(tmp_path):
    with Ledger(tmp_path), pytest.raises(LedgerError, match="another build is at work in"):
        Ledger(tmp_path)
    Ledger(tmp_path).close()


def test_another_process_is_told_too_and_a_killed_one_blocks_nobody(tmp_path):
    code = f"from builders.ledger import Ledger; l = Ledger({str(tmp_path)!r}); print('open', flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"open\n"
    with pytest.raises(LedgerError, match="another build"):
        Ledger(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    Ledger(tmp_path).close()


def test_one_may_look_while_a_build_is_at_work(ledger):
    ledger.record([RESNET])
    ledger.finish(RESNET, good())
    with Ledger(ledger.work, read_only=True) as looking:
        assert looking.result(RESNET) is Outcome.OK


def test_looking_where_no_ledger_is_says_so(tmp_path):
    with pytest.raises(LedgerError, match="there is no ledger in"):
        Ledger(tmp_path, read_only=True)


def test_a_ledger_of_another_version_is_refused(tmp_path):
    Ledger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    for _ in range(2):  # and the refused attempt leaves no lock
        with pytest.raises(LedgerError, match="version 99"):
            Ledger(tmp_path)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, None])
def test_a_file_that_is_no_ledger_is_refused(tmp_path, content):
    path = tmp_path / "ledger.sqlite"
    if content:
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE other (x)")
    with pytest.raises(LedgerError, match="not a"):
        Ledger(tmp_path)


def test_a_full_disk_is_said_and_what_was_finished_is_kept(ledger):
    ledger.record([RESNET, VIT])
    ledger.finish(RESNET, good())
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="no room"):
        ledger.finish(VIT, good(os.urandom(1 << 16)))
    assert models_of(ledger) == [(b"skeleton", ["resnet18"])]
    assert ledger.result(VIT) is None


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="file/work"):
        Ledger(tmp_path / "file" / "work")


def test_a_page_lands_with_the_cursor_behind_it(tmp_path):
    with Ledger(tmp_path) as ledger:
        assert ledger.progress("hub:x") == Progress()
        ledger.record_page("hub:x", [RESNET, VIT], "second", finished=False)
    with Ledger(tmp_path) as ledger:
        assert ledger.progress("hub:x") == Progress("second", 2, False)
        ledger.record_page("hub:x", [FILE], "", finished=True)
        assert ledger.progress("hub:x") == Progress("", 3, True)
        assert ledger.progress("hub:y") == Progress()
        ledger.restart("hub:x")
        assert ledger.progress("hub:x") == Progress()
        assert len(ledger.unconverted()) == 3


def bert(name, **config):
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 32, "_name_or_path": name, **config}
    return ModelRef("huggingface", name, "sha", library="transformers", config=json.dumps(config))


def test_models_that_share_an_export_key_share_a_conversion(ledger):
    twins, other = [bert("a/x"), bert("b/y")], bert("c/z", hidden_size=64)
    ledger.record([*twins, other])
    pairs = ledger.unconverted()
    assert [ledger.request(*planned) for planned in pairs] == [Request(twins[0]), Request(other)]
    ledger.finish(twins[0], good(b"small"))
    ledger.finish(other, good(b"large"))
    assert ledger.unconverted() == []
    assert [ledger.result(model) for model in twins] == [Outcome.OK, Outcome.OK]
    assert sorted(models_of(ledger)) == [(b"large", ["c/z"]), (b"small", ["a/x", "b/y"])]
    late = bert("d/late")
    ledger.record([late])
    assert ledger.result(late) is Outcome.OK


def test_a_configuration_stays_when_it_is_not_fetched_again(ledger):
    model = bert("a/x")
    ledger.record([model])
    assert ledger.has_config("huggingface", "a/x", "sha")
    assert not ledger.has_config("huggingface", "a/x", "other")
    ledger.record([dataclasses.replace(model, config="", likes=3)])
    assert [ledger.request(*planned).model for planned in ledger.unconverted()] == [dataclasses.replace(model, likes=3)]


def test_equal_configurations_are_kept_once(ledger):
    models = [dataclasses.replace(bert("same"), id=f"m{i}") for i in range(5)]
    ledger.record(models)
    with closing(sqlite3.connect(ledger.path)) as file:
        assert file.execute("SELECT count(*) FROM contents").fetchone() == (1,)


def test_a_plan_is_for_the_crawls_asked_for(ledger):
    ledger.record_page("hub:x", [RESNET], "", finished=True)
    ledger.record_page("hub:y", [VIT, RESNET], "", finished=True)
    ledger.record([FILE])

    def planned(*arguments):
        return [ledger.request(*pair).model for pair in ledger.unconverted(*arguments)]

    assert planned() == [RESNET, VIT, FILE]
    assert planned(["hub:x"]) == [RESNET]
    assert planned(["hub:y"]) == [RESNET, VIT]
    assert planned([]) == []


def test_each_opset_has_a_result_of_its_own(ledger):
    ledger.record([RESNET])
    ledger.finish(RESNET, good(b"17"), opset=17)
    assert ledger.result(RESNET) is None
    assert [ledger.request(*pair) for pair in ledger.unconverted(opsets=(17, 20))] == [Request(RESNET, 20)]
    ledger.finish(RESNET, good(b"20"), opset=20)
    assert sorted(models_of(ledger)) == [(b"17", ["resnet18"]), (b"20", ["resnet18"])]


def test_several_attempts_land_together_and_the_success_counts(ledger):
    ledger.record([RESNET])
    ledger.finish(RESNET, bad(Outcome.UNSUPPORTED), good(exporter="optimum"))
    assert ledger.result(RESNET) is Outcome.OK
    (architecture,) = ledger.architectures()
    assert architecture.tools[0] == Tool("optimum", {"torch": "2"})
    assert [attempt.outcome for attempt in ledger.attempts()] == [Outcome.UNSUPPORTED, Outcome.OK]


def test_outcomes_that_are_asked_for_are_planned_again(ledger):
    ledger.record([RESNET, VIT])
    ledger.finish(RESNET, bad(Outcome.TIMEOUT))
    ledger.finish(VIT, bad(Outcome.CRASHED))
    assert ledger.unconverted() == []
    assert [ledger.request(*pair).model for pair in ledger.unconverted(retry=[Outcome.CRASHED])] == [VIT]


def test_a_module_tree_is_kept_beside_its_skeleton(ledger):
    ledger.record([RESNET, VIT])
    ledger.finish(RESNET, good())
    assert [a.modules for a in ledger.architectures()] == [None]
    ledger.finish(VIT, dataclasses.replace(good(), modules=b"tree"))
    assert [a.modules for a in ledger.architectures()] == [b"tree"]
