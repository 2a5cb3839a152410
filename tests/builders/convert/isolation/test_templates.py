"""The pool: a template is used again, replaced when it is gone or cannot be forked, and ends with the pool."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from builders.convert import CONVERTERS, Exporter, Outcome, Request
from builders.convert.isolation import Limits, convert
from builders.convert.isolation import templates as pool_module
from builders.convert.isolation.templates import CHECK, Templates
from builders.executor import Resources
from builders.executor.local import LocalExecutor
from builders.model_ref import ModelRef

HOSTILE = Exporter("hostile", "hostile", ("onnx",))
ON_LINUX = sys.platform == "linux"


@pytest.fixture(autouse=True)
def _modules_of_the_tests(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def pool():
    before = psutil.Process().children()
    with Templates() as templates:
        yield templates
    assert set(psutil.Process().children()) <= set(before)


def run(behaviour, templates, exporter=HOSTILE, **options):
    return convert(Request(ModelRef("hostile", behaviour)), exporter, templates=templates, **options)


def pid(templates, module="hostile"):
    with templates.lend(module, network=False) as template:
        return template.pid


def has_imported(templates, module):
    """Whether the template itself has."""
    return Path(f"/proc/{pid(templates, module)}/cmdline").read_text().split("\0")[-2] == module


def write_exporter(directory, name, first):
    hostile = (Path(__file__).parent / "hostile.py").read_text()
    (directory / f"{name}.py").write_text(f"{hostile}\n{first}\n")
    return Exporter(name, name, ())


def test_one_template_serves_all_conversions_of_its_exporter(pool):
    first = pid(pool)
    assert [run("behave", pool).outcome for _ in range(3)] == [Outcome.OK] * 3
    assert pid(pool) == first
    assert pid(pool, "builders.convert.onnx") != first


def test_it_serves_many_threads_at_once():
    models = [f"chain:{length}" for length in range(1, 9)] + ["abort", "leave", "refuse", "sys_exit"]
    with Templates() as pool, LocalExecutor(6) as executor:
        for model in models:
            executor.submit(model, lambda cancelled, model=model: run(model, pool, cancelled=cancelled), Resources())
        done = dict(executor.results())
    assert {model: str(done[model].outcome) for model in models[8:]} == {
        "abort": "crashed",
        "leave": "crashed",
        "refuse": "unsupported",
        "sys_exit": "error",
    }
    assert len({done[model].skeleton for model in models[:8]} - {None}) == 8


def test_it_outlives_the_thread_that_asked_first(pool):
    pids = []
    thread = threading.Thread(target=lambda: pids.append(pid(pool)))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert run("behave", pool).outcome is Outcome.OK
    assert pid(pool) == pids[0]


def test_a_killed_template_is_replaced_and_its_child_has_crashed(pool):
    run("behave", pool)
    os.kill(pid(pool), signal.SIGKILL)
    assert run("behave", pool).outcome is Outcome.OK
    with pool.lend("hostile", network=False) as victim:
        victim.proved = False
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(run, "loop", pool)
        while not victim.proved:  # a template that dies earlier is replaced as if it had died before
            time.sleep(0.01)
        os.kill(victim.pid, signal.SIGKILL)
        assert (running.result().outcome, running.result().message) == (
            Outcome.CRASHED,
            "the process that it was forked from died",
        )
    assert run("behave", pool).outcome is Outcome.OK
    assert has_imported(pool, "hostile") == ON_LINUX


def test_a_template_is_recycled_after_enough_forks_but_not_under_a_conversion(pool, monkeypatch):
    monkeypatch.setattr(pool_module, "_FORKS", 2)
    stop = threading.Event()
    first = pid(pool)
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(run, "loop", pool, cancelled=stop.is_set)
        while not psutil.Process(first).children():
            time.sleep(0.01)
        assert run("behave", pool).outcome is Outcome.OK
        assert pid(pool) != first
        assert psutil.pid_exists(first)
        stop.set()
        assert running.result().message == "the conversion was cancelled"
    assert not psutil.pid_exists(first)


def test_templates_that_rest_are_few(pool, monkeypatch):
    monkeypatch.setattr(pool_module, "_KEPT", 2)
    pids = [pid(pool, name) for name in ("json", "csv", "hostile", "json", "abc")]
    assert pids[0] == pids[3]
    assert [psutil.pid_exists(number) for number in (pids[0], pids[1], pids[2], pids[4])] == [True, False, True, True]


@pytest.mark.parametrize("warm", [False, True])
def test_an_exporter_that_cannot_be_imported_says_why(pool, tmp_path, warm):
    broken = write_exporter(tmp_path, "broken_exporter", "import no_such_library")
    done = run("behave", pool if warm else None, broken)
    assert (done.outcome, done.message) == (Outcome.ERROR, "ModuleNotFoundError: No module named 'no_such_library'")
    assert "broken_exporter.py" in done.log


@pytest.mark.parametrize("warm", [False, True])
def test_an_exporter_that_crashes_on_import_is_a_crash(pool, tmp_path, warm):
    crashing = write_exporter(tmp_path, "crashing_exporter", "import os; os.abort()")
    for _ in range(2):
        done = run("behave", pool if warm else None, crashing)
        assert (done.outcome, done.message) == (Outcome.CRASHED, "the process was killed by SIGABRT")


def test_an_exporter_that_is_long_on_import_times_out(pool, tmp_path):
    slow = write_exporter(tmp_path, "slow_exporter", "import time; time.sleep(600)")
    done = run("behave", pool, slow, limits=Limits(seconds=1))
    assert (done.outcome, done.seconds < 300) == (Outcome.TIMEOUT, True)


def test_an_exporter_that_starts_threads_on_import_is_imported_in_each_child(pool, tmp_path):
    """A fork would lose them, and keep for ever the locks that they held."""
    threaded = write_exporter(
        tmp_path, "threaded_exporter", "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"
    )
    for _ in range(2):
        assert run("behave", pool, threaded).outcome is Outcome.OK
    assert not has_imported(pool, "threaded_exporter")


def test_without_preloading_every_child_imports_for_itself():
    with Templates(preload=False) as pool:
        assert run("behave", pool).outcome is Outcome.OK
        assert pid(pool, "") == pid(pool, "hostile")
        # But for the check of what they answer, which would have to be compiled by each child.
        assert has_imported(pool, CHECK) == ON_LINUX


def test_pyarrow_does_not_keep_a_template_from_forking(pool, tmp_path):
    """It starts a thread unless it is told not to; keras and datasets load it."""
    exporter = write_exporter(tmp_path, "arrow_exporter", "import pyarrow")
    assert run("behave", pool, exporter).outcome is Outcome.OK
    assert has_imported(pool, "arrow_exporter") == ON_LINUX


@pytest.mark.slow
def test_a_real_model_gives_the_same_bytes_warm_and_cold(pool):
    request = Request(ModelRef("torchvision", "squeezenet1_1", library="torchvision"))
    exporter = CONVERTERS.find("torchvision").exporters[0]
    cold, first, second = (convert(request, exporter, templates=templates) for templates in (None, pool, pool))
    assert cold.skeleton is not None
    assert cold.skeleton == first.skeleton == second.skeleton
    assert has_imported(pool, exporter.module) == ON_LINUX
