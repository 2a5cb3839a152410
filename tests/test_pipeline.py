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

from builders.convert import EXPORTERS, Exporter, Outcome
from builders.crawl import SOURCES, ModelRef, Page
from builders.ledger import Ledger, LedgerError
from builders.pipeline import build, collect
from younger_hf.errors import UsageError, YoungerError

HOSTILE = str(Path(__file__).parent / "convert")

# What a source of the tests does to be known; also run at the start of a driver that is to be killed.
SETUP = """
from builders.convert import EXPORTERS, Exporter
from builders.crawl import SOURCES, ModelRef, Page
SOURCES["hostile"] = lambda query: [
    Page(tuple(ModelRef("hostile", name, library="hostile") for name in query.terms))
]
EXPORTERS["hostile"] = (Exporter("hostile", "hostile", ("onnx",)),)
"""


def hostile(query):
    yield Page(tuple(ModelRef("hostile", name, library="hostile") for name in query.terms))


@pytest.fixture(autouse=True)
def _hostile_source(monkeypatch):
    monkeypatch.syspath_prepend(HOSTILE)
    monkeypatch.setitem(SOURCES, "hostile", hostile)
    monkeypatch.setitem(EXPORTERS, "hostile", (Exporter("hostile", "hostile", ("onnx",)),))


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


def files_of(directory):
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def save_model(path, op_type="Relu"):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    nodes = [helper.make_node(op_type, ["x"], ["h"]), helper.make_node(op_type, ["h"], ["y"])]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y])), path)


def test_bad_models_are_rows_and_the_good_ones_go_on(ledger):
    source = "hostile:segfault,chain:1,loop,sys_exit,refuse,chain:2,leave"
    outcomes = collect(ledger, [source], jobs=2, timeout=8)
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


def test_the_limits_reach_the_child(ledger):
    assert collect(ledger, ["hostile:allocate"], memory_limit=300 << 20) == {Outcome.OUT_OF_MEMORY: 1}


def test_the_number_of_jobs_does_not_show_in_the_ledger(tmp_path):
    seen = []
    for jobs in (1, 3):
        with Ledger(tmp_path / str(jobs)) as ledger:
            collect(ledger, ["hostile:chain:3,chain:1,leave,chain:2"], jobs=jobs)
            seen.append(contents(ledger))
    assert seen[0] == seen[1]


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
    assert files_of(tmp_path / "killed" / "younger") == files_of(tmp_path / "undisturbed" / "younger") != {}


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
    started = time.monotonic()
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=20)
    assert time.monotonic() - started < 10
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
