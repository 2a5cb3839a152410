"""The child process: whatever a model does, the driver gets an outcome, and nothing of the child is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from builders.convert import Exporter, Outcome, Request
from builders.convert.isolation import Limits, convert
from builders.crawl.model_ref import ModelRef

HOSTILE = Exporter("hostile", "hostile", ("onnx", "no-such-package"))


@pytest.fixture(autouse=True)
def _hostile_exporter(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_child_is_left():
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


def run(behaviour, **options):
    return convert(Request(ModelRef("hostile", behaviour)), HOSTILE, **options)


def namespaces_allowed():
    """Whether this platform lets an ordinary process make namespaces."""
    return run("behave").isolated


def test_a_good_model_gives_its_skeleton_and_what_it_cost():
    done = run("behave")
    assert done.outcome is Outcome.OK
    assert done.message == done.log == ""
    assert done.skeleton
    assert done.opset > 0
    assert done.exporter == "hostile"
    assert set(done.versions) >= {"onnx"}
    assert 0 < done.seconds < 60
    assert 10 << 20 < done.peak_memory < 2 << 30


def test_the_same_model_gives_the_same_bytes():
    assert run("behave").skeleton == run("behave").skeleton


def test_an_endless_loop_times_out():
    done = run("loop", limits=Limits(seconds=3))
    assert done.outcome is Outcome.TIMEOUT
    assert 3 <= done.seconds < 10
    assert done.skeleton is None


def test_memory_without_end_is_cut_at_the_limit():
    done = run("allocate", limits=Limits(memory=700 << 20))
    assert done.outcome is Outcome.OUT_OF_MEMORY
    assert "700 MiB" in done.message
    assert done.peak_memory < 3 << 30


def test_reserved_memory_that_is_not_touched_is_free():
    assert run("reserve:24", limits=Limits(memory=1 << 30)).outcome is Outcome.OK


@pytest.mark.parametrize(("behaviour", "signal"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_is_named(behaviour, signal):
    done = run(behaviour)
    assert done.outcome is Outcome.CRASHED
    assert signal in done.message
    assert behaviour in done.log  # the Python stack at the crash


def test_leaving_without_an_answer_is_a_crash():
    done = run("leave")
    assert done.outcome is Outcome.CRASHED
    assert "status 7" in done.message


def test_an_exit_of_a_library_is_an_error():
    assert run("sys_exit").outcome is Outcome.ERROR


def test_a_kill_by_the_system_counts_as_want_of_memory():
    assert run("killed").outcome is Outcome.OUT_OF_MEMORY


def test_gigabytes_on_stderr_fill_nothing_and_block_nobody(tmp_path):
    before = psutil.Process().memory_info().rss
    done = run(f"shout:{2 << 30}", scratch=tmp_path)
    assert done.outcome is Outcome.ERROR
    assert done.message == "ValueError: after shouting"
    assert "the last word" in done.log
    assert len(done.log) <= 4096
    assert psutil.Process().memory_info().rss - before < 100 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_fork_bomb_is_ended_with_all_its_processes():
    marker = "multiprocessing-free-fork-bomb"
    done = run(f"fork_bomb:{marker}", limits=Limits(seconds=30, processes=40))
    assert done.outcome in {Outcome.CRASHED, Outcome.OUT_OF_MEMORY}
    time.sleep(0.5)
    workers = [p for p in psutil.process_iter(["cmdline"]) if "builders.convert.worker" in str(p.info["cmdline"])]
    assert not [p for p in workers if str(os.getpid()) in p.info["cmdline"]]


@pytest.mark.parametrize("behaviour", ["escape", "escape_and_wait"])
def test_a_grandchild_in_its_own_session_does_not_survive(tmp_path, behaviour):
    alive = tmp_path / "alive"
    run(f"{behaviour}:{alive}", limits=Limits(seconds=4))
    time.sleep(0.3)
    size = alive.stat().st_size
    assert size > 0
    time.sleep(0.5)
    assert alive.stat().st_size == size


def test_no_token_reaches_the_child(tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HF_HOME", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "KAGGLE_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "planted-secret")
    seen = tmp_path / "seen.json"
    assert run(f"environment:{seen}").outcome is Outcome.OK
    assert "planted-secret" not in seen.read_text()
    assert json.loads(seen.read_text())["HOME"] != os.environ.get("HOME")


def test_the_child_has_no_network_where_the_platform_allows_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run(f"connect:{server.getsockname()[1]}")
    assert done.outcome is (Outcome.ERROR if namespaces_allowed() else Outcome.OK)


def test_no_core_is_dumped_and_the_scratch_directory_is_removed(tmp_path):
    seen = tmp_path / "seen.json"
    (tmp_path / "scratch").mkdir()
    run(f"dump_core:{seen}", scratch=tmp_path / "scratch")
    limit, home = json.loads(seen.read_text())
    assert limit == [0, 0]
    assert Path(home).parent == tmp_path / "scratch"
    assert not Path(home).exists()


def test_an_answer_that_cannot_be_read_is_a_crash():
    assert run("forge").outcome is Outcome.CRASHED


def test_a_skeleton_larger_than_the_limit_is_too_large():
    assert run("behave", limits=Limits(answer=10)).outcome is Outcome.TOO_LARGE


def test_the_exporter_says_itself_what_it_cannot_do():
    done = run("refuse")
    assert (done.outcome, done.message) == (Outcome.UNSUPPORTED, "not this one")


def test_a_refused_allocation_is_out_of_memory():
    assert run("memory_error").outcome is Outcome.OUT_OF_MEMORY


def test_a_cancelled_conversion_ends_at_once():
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    started = time.monotonic()
    assert run("loop", cancelled=stop.is_set).outcome is Outcome.ERROR
    assert time.monotonic() - started < 5


def test_the_child_dies_with_a_killed_driver(tmp_path):
    alive = tmp_path / "alive"
    code = (
        "from builders.convert import Exporter, Request; from builders.convert.isolation import convert\n"
        "from builders.crawl.model_ref import ModelRef\n"
        f"convert(Request(ModelRef('hostile', 'escape_and_wait:{alive}')), Exporter('hostile', 'hostile', ()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while not alive.exists():
        assert driver.poll() is None
        time.sleep(0.05)
    children = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    _, survivors = psutil.wait_procs(children, timeout=5)
    if survivors and not namespaces_allowed():
        # Without namespaces a grandchild in its own session is out of reach; the child itself is not.
        survivors = [p for p in survivors if "worker" in str(p.cmdline())]
    assert survivors == []
