"""Collecting: what is missing is converted, whatever the models do; killed and run again, the ledger is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.releases import lasting

from builders.convert import CONVERTERS, Conversion, Converter, Exporter, Outcome, Request
from builders.convert.isolation import convert
from builders.convert.isolation.templates import Templates
from builders.crawl import SOURCES, Page, Source
from builders.executor.local import LocalExecutor
from builders.ledger import Ledger, LedgerError, Progress
from builders.model_ref import ModelRef
from builders.pipeline import MEMORY_LIMIT, _run, build, collect, crawl
from younger_hf.errors import UsageError, YoungerError

HOSTILE = str(Path(__file__).parent / "convert" / "isolation")

# What a source of the tests does to be known; also run at the start of a driver that is to be killed.
SETUP = """
from builders.convert import CONVERTERS, Converter, Exporter
from builders.convert.isolation import convert
from builders.convert.isolation.templates import Templates
from builders.crawl import SOURCES, Page, Source
from builders.model_ref import ModelRef
SOURCES.built_in["hostile"] = Source(
    lambda query: [Page(tuple(ModelRef("hostile", name, library="hostile") for name in query.terms))]
)
CONVERTERS.built_in["hostile"] = Converter((Exporter("hostile", "hostile", ("onnx",)),))
"""


def hostile(query):
    yield Page(tuple(ModelRef("hostile", name, library="hostile") for name in query.terms))


@pytest.fixture(scope="module")
def templates():
    """Templates that have been used, so that no time goes by until a child starts."""
    with pytest.MonkeyPatch.context() as patch, Templates() as pool:
        patch.syspath_prepend(HOSTILE)
        good = convert(Request(ModelRef("hostile", "behave")), Exporter("hostile", "hostile", ()), templates=pool)
        assert good.outcome is Outcome.OK
        yield pool


class Shared:
    """Templates that no build ends."""

    def __init__(self, templates):
        self.lend, self.distrust = templates.lend, templates.distrust

    def __exit__(self, *exception):
        pass


@pytest.fixture(autouse=True)
def _hostile_source(monkeypatch, templates):
    """With templates that all tests share; builds that run as processes of their own start theirs."""
    monkeypatch.setattr("builders.convert.isolation.workplace.Templates", lambda scratch: Shared(templates))
    monkeypatch.syspath_prepend(HOSTILE)
    monkeypatch.setitem(SOURCES.built_in, "hostile", Source(hostile))
    monkeypatch.setitem(CONVERTERS.built_in, "hostile", Converter((Exporter("hostile", "hostile", ("onnx",)),)))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "work") as ledger:
        yield ledger


def contents(ledger):
    """All that a release is made from."""
    return list(ledger.architectures()), list(ledger.failures())


def finished(work):
    """How many architectures the ledger of a build that is at work has so far."""
    with suppress(LedgerError), Ledger(work, read_only=True) as ledger:
        return len(list(ledger.architectures()))
    return 0


def save_model(path, op_type="Relu"):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    nodes = [helper.make_node(op_type, ["x"], ["h"]), helper.make_node(op_type, ["h"], ["y"])]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y])), path)


def test_bad_models_are_rows_and_the_good_ones_go_on(ledger):
    source = "hostile:segfault,chain:1,loop,sys_exit,refuse,chain:2,leave"
    outcomes = collect(ledger, [source], jobs=2, timeout=10)
    assert outcomes == {
        Outcome.OK: 2,
        Outcome.CRASHED: 2,
        Outcome.TIMEOUT: 1,
        Outcome.ERROR: 1,
        Outcome.UNSUPPORTED: 1,
    }
    architectures, failures = contents(ledger)
    assert sorted(model.id for a in architectures for model in a.models) == ["chain:1", "chain:2"]
    assert {model.id: outcome for model, outcome, _ in failures} == {
        "segfault": Outcome.CRASHED,
        "loop": Outcome.TIMEOUT,
        "sys_exit": Outcome.ERROR,
        "refuse": Outcome.UNSUPPORTED,
        "leave": Outcome.CRASHED,
    }


def test_a_second_run_does_nothing(ledger):
    collect(ledger, ["hostile:chain:1,leave"])
    before = contents(ledger)
    assert collect(ledger, ["hostile:chain:1,leave"]) == {}
    assert contents(ledger) == before


def test_a_model_that_is_new_is_all_that_is_tried(ledger):
    collect(ledger, ["hostile:chain:1"])
    assert collect(ledger, ["hostile:chain:1,chain:2", "hostile:chain:2"]) == {Outcome.OK: 1}


def test_only_the_outcomes_asked_for_are_tried_again(ledger):
    collect(ledger, ["hostile:leave,refuse,chain:1"])
    assert collect(ledger, ["hostile:leave,refuse,chain:1"], retry=[Outcome.CRASHED]) == {Outcome.CRASHED: 1}


def test_a_changed_file_is_converted_again(ledger, tmp_path):
    file = tmp_path / "model.onnx"
    save_model(file)
    assert collect(ledger, [f"onnx:{file}"]) == {Outcome.OK: 1}
    (before,) = ledger.architectures()
    save_model(file, "Sigmoid")
    os.utime(file, ns=(1, 1))
    assert collect(ledger, [f"onnx:{file}"]) == {Outcome.OK: 1}
    (after,) = ledger.architectures()
    assert after.skeleton != before.skeleton


def pages_of(*pages, broken_before=None):
    """A source of these pages, which breaks off before the one of that number; and the cursors it was asked for."""
    asked = []

    def source(query):
        for number in range(int(query.cursor or 0), len(pages)):
            asked.append(query.cursor)
            if number == broken_before:
                raise YoungerError("the hub does not answer")
            models = tuple(ModelRef("hub", name, library="hostile") for name in pages[number])
            yield Page(models, str(number + 1) if number + 1 < len(pages) else "")

    return source, asked


def test_an_interrupted_crawl_goes_on_and_a_finished_one_begins_anew(ledger, monkeypatch):
    pages = [["a", "b"], ["c"], ["d", "e"]]
    broken, _ = pages_of(*pages, broken_before=1)
    monkeypatch.setitem(SOURCES.built_in, "hub", Source(broken))
    with pytest.raises(YoungerError, match="does not answer"):
        crawl(ledger, "hub")
    assert ledger.progress("hub") == Progress("1", 2, False)
    whole, asked = pages_of(*pages)
    monkeypatch.setitem(SOURCES.built_in, "hub", Source(whole))
    assert crawl(ledger, "hub") == 5
    assert asked == ["1", "1"]
    assert ledger.progress("hub").finished
    shrunk, asked = pages_of(["a", "b"], ["e"])
    monkeypatch.setitem(SOURCES.built_in, "hub", Source(shrunk))
    assert crawl(ledger, "hub") == 3
    assert asked == ["", ""]
    assert len(ledger.unconverted(["hub"])) == 3


def test_a_limit_ends_a_crawl_within_a_page(ledger, monkeypatch):
    source, asked = pages_of(["a", "b"], ["c", "d"], ["e"])
    monkeypatch.setitem(SOURCES.built_in, "hub", Source(source))
    assert crawl(ledger, "hub", limit=3) == 3
    assert len(asked) == 2
    assert len(ledger.unconverted(["hub"])) == 3


def test_what_was_crawled_before_is_converted_without_naming_a_source(ledger):
    crawl(ledger, "hostile:chain:1,chain:2")
    crawl(ledger, "hostile:chain:3")
    assert collect(ledger, ["hostile:chain:3"]) == {Outcome.OK: 1}
    assert collect(ledger) == {Outcome.OK: 2}


def test_a_second_exporter_is_tried_where_the_first_fails(ledger, monkeypatch):
    hostile = Exporter("hostile", "hostile", ("onnx",))
    monkeypatch.setitem(
        CONVERTERS.built_in, "hostile", Converter((Exporter("first", "not_to_be_imported", ()), hostile))
    )
    assert collect(ledger, ["hostile:chain:1,trivial"]) == {Outcome.OK: 1, Outcome.TRIVIAL: 1}
    attempts = [(attempt.exporter, attempt.outcome) for attempt in ledger.attempts()]
    assert attempts == [("first", "error"), ("hostile", "ok"), ("first", "error"), ("hostile", "trivial")]


def test_a_first_exporter_that_settles_it_is_the_last(ledger, monkeypatch):
    hostile = Exporter("hostile", "hostile", ("onnx",))
    monkeypatch.setitem(
        CONVERTERS.built_in, "hostile", Converter((hostile, Exporter("second", "not_to_be_imported", ())))
    )
    assert collect(ledger, ["hostile:chain:1,trivial"]) == {Outcome.OK: 1, Outcome.TRIVIAL: 1}
    assert {attempt.exporter for attempt in ledger.attempts()} == {"hostile"}


def test_each_opset_asked_for_is_converted(ledger):
    assert collect(ledger, ["hostile:opset"], opsets=(17, 20)) == {Outcome.OK: 2}
    assert sorted(a.models[0].id for a in ledger.architectures()) == ["opset", "opset"]
    assert sorted((attempt.asked_opset, attempt.opset) for attempt in ledger.attempts()) == [(17, 17), (20, 20)]


def test_what_the_source_says_can_settle_it_without_a_child(ledger, monkeypatch):
    models = (ModelRef("hub", "asks", library="hostile", gated=True), ModelRef("hub", "strange", library="caffe"))
    monkeypatch.setitem(SOURCES.built_in, "hub", Source(lambda query: [Page(models)]))
    monkeypatch.setattr("builders.pipeline.convert", None)
    assert collect(ledger, ["hub"]) == {Outcome.GATED: 1, Outcome.UNSUPPORTED: 1}
    assert "caffe" in next(message for _, outcome, message in ledger.failures() if outcome is Outcome.UNSUPPORTED)


def test_no_more_requests_are_held_than_keep_the_jobs_busy(ledger, monkeypatch):
    """A hub has more models than memory has room for."""
    taken, ended = [], []

    def task(request, cancelled):
        ended.append(request)
        return (Conversion(Outcome.TRIVIAL),)

    def requests():
        for number in range(50):
            taken.append(number)
            assert len(taken) - len(ended) <= 5
            yield Request(ModelRef("s", str(number)))

    with LocalExecutor(2) as executor:
        assert len(list(_run(task, executor, MEMORY_LIMIT, requests()))) == 50


def test_the_limits_reach_the_child(ledger):
    assert collect(ledger, ["hostile:allocate"], memory_limit=300 << 20) == {Outcome.OUT_OF_MEMORY: 1}


def test_the_number_of_jobs_does_not_show_in_the_ledger(tmp_path):
    seen = []
    for jobs in (1, 3):
        with Ledger(tmp_path / str(jobs)) as ledger:
            collect(ledger, ["hostile:chain:3,chain:1,leave,chain:2"], jobs=jobs)
            seen.append(contents(ledger))
    assert seen[0] == seen[1]


@pytest.mark.slow
def test_a_driver_killed_midway_and_run_again_gives_the_same_ledger(tmp_path):
    models = [f"chain:{i}" for i in range(1, 9)] + ["leave", "refuse"]
    source = "hostile:" + ",".join(models)
    with Ledger(tmp_path / "undisturbed") as ledger:
        collect(ledger, [source], jobs=2)
        expected = contents(ledger)
    work = tmp_path / "killed"
    code = (
        f"{SETUP}\nfrom builders.ledger import Ledger\nfrom builders.pipeline import collect\n"
        f"with Ledger({str(work)!r}) as ledger: collect(ledger, [{source!r}], jobs=2)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for results in (1, 3, 6):
        driver = subprocess.Popen([sys.executable, "-c", code], env=environment)
        while finished(work) < results:
            assert driver.poll() is None
            time.sleep(0.02)
        driver.kill()
        driver.wait()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    with Ledger(work) as ledger:
        assert collect(ledger, [source], jobs=2) == {}
        assert contents(ledger) == expected
    assert not (work / "scratch").exists()


@pytest.mark.slow
def test_a_build_killed_again_and_again_gives_the_release_of_an_undisturbed_one(tmp_path):
    zoo = "onnx-package:bvlc_alexnet,inception_v1,resnet50,squeezenet,zfnet512"
    code = "import sys; from builders.pipeline import build; build(sys.argv[1:2], *sys.argv[2:], jobs=2)"

    def start(place):
        return subprocess.Popen(
            [sys.executable, "-c", code, zoo, str(place / "younger"), str(place / "work")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
        )

    for results in (1, 3, 5):  # the last kill falls into the making of the release
        driver = start(tmp_path / "killed")
        while finished(tmp_path / "killed" / "work") < results:
            assert driver.poll() is None
            time.sleep(0.02)
        driver.kill()
        driver.communicate()
    for place in ("killed", "undisturbed"):
        driver = start(tmp_path / place)
        _, errors = driver.communicate()
        assert driver.returncode == 0, errors
    assert lasting(tmp_path / "killed" / "younger") == lasting(tmp_path / "undisturbed" / "younger") != {}


def test_an_interrupt_ends_the_children_and_keeps_what_is_finished(tmp_path):
    work = tmp_path / "work"
    code = (
        f"{SETUP}\nfrom builders.ledger import Ledger\nfrom builders.pipeline import collect\n"
        f"with Ledger({str(work)!r}) as ledger: collect(ledger, ['hostile:chain:1,loop'], jobs=1)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    while not finished(work):
        assert driver.poll() is None
        time.sleep(0.1)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=300)  # the child has ten minutes
    assert driver.returncode == -signal.SIGINT
    with Ledger(work) as ledger:
        assert len(list(ledger.architectures())) == 1
        assert list(ledger.failures()) == []
    assert not (work / "scratch").exists()


def test_an_unknown_source_is_told_before_anything_is_tried(ledger):
    with pytest.raises(UsageError, match="no source 'nothing'"):
        collect(ledger, ["hostile:chain:1", "nothing"])
    assert contents(ledger) == ([], [])


def test_a_build_of_nothing_good_names_the_model_and_the_reason(tmp_path):
    (tmp_path / "text.onnx").write_text("this is no model")
    with pytest.raises(YoungerError, match=r"no model could be converted: text: .*text\.onnx"):
        build([f"onnx:{tmp_path / 'text.onnx'}"], tmp_path / "release", tmp_path / "work")
    assert not (tmp_path / "release").exists()


def test_an_output_that_cannot_be_written_is_told_before_anything_is_tried(tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "release"):
        with pytest.raises(YoungerError, match=str(tmp_path / "file")):
            build(["hostile:chain:1"], output, tmp_path / "work")
    assert not (tmp_path / "work").exists()
