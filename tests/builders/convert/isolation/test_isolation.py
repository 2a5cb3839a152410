"""Child processes: whatever a model does, the driver gets an outcome, and nothing of the child is left.

Most tests run twice: with a process that starts cold, and with one that is forked from a warm template, which has to
come out of it unharmed.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from onnx import parser

from builders.convert import Exporter, Outcome, Request, isolation
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.child import Child
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef
from younger_hf.extract import strip

HOSTILE = Exporter("hostile", "hostile", ("onnx", "no-such-package"))
FETCHING = Exporter("hostile", "hostile", ("onnx",), network=True)
MODEL = parser.parse_model(
    '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { h = Relu (x) y = Abs (h) }'
)
FORGED = strip(MODEL).SerializeToString(deterministic=True)
HIDING = (FORGED + b"\xfa\x3f\x04root").hex()
HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def pool():
    sys.path.insert(0, HERE)
    with Templates() as templates:
        yield templates
    sys.path.remove(HERE)


@pytest.fixture(scope="module")
def bare(pool):
    """Templates whose children import the exporter for themselves."""
    with Templates(preload=False) as templates:
        yield templates


@pytest.fixture(params=["cold", "warm"])
def templates(request, pool, bare):
    """Templates without the exporter, or with it; these are the same before and after, and have no child left."""
    if request.param == "cold":
        yield bare
        return
    with pool.lend("hostile", network=False) as template:
        pid = template.pid
    yield pool
    assert run("behave", pool).outcome is Outcome.OK
    with pool.lend("hostile", network=False) as template:
        assert template.pid == pid


@pytest.fixture
def fresh(templates, bare):
    """As `templates`, but started only when they are asked for, in the environment that a test has set by then."""
    with Templates(preload=templates is not bare) as fresh:
        yield fresh


@pytest.fixture(autouse=True)
def _no_child_is_left(pool):
    """What is left of a test is templates, without children of their own."""
    before = psutil.Process().children()
    yield
    children = [child for child in psutil.Process().children() if is_alive(child)]
    templates = [child for child in children if "builders.convert.isolation.template" in child.cmdline()]
    assert {*children} - {*before} <= {*templates}
    below = [child for process in templates for child in process.children(recursive=True)]
    assert [process for process in below if is_alive(process)] == []


def run(behaviour, templates=None, exporter=HOSTILE, **options):
    return convert(Request(ModelRef("hostile", behaviour)), exporter, templates=templates, **options)


def told(behaviour, templates=None, exporter=HOSTILE, **options):
    """What the model lets us know."""
    done = run(behaviour, templates, exporter, **options)
    assert (done.outcome, done.message) == (Outcome.UNSUPPORTED, "told")
    return json.loads(done.log)


@functools.cache
def namespaces_allowed():
    """Whether this platform lets an ordinary process make namespaces."""
    return run("behave").isolated


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes(marker):
    return [p for p in psutil.process_iter(["cmdline"]) if marker in str(p.info["cmdline"])]


def test_a_good_model_gives_its_skeleton_and_what_it_cost(templates):
    done = run("behave", templates)
    assert done.outcome is Outcome.OK
    assert done.message == done.log == ""
    assert done.skeleton
    assert done.opset > 0
    assert done.exporter == "hostile"
    assert set(done.versions) >= {"onnx"}
    assert 0 < done.seconds < 60
    assert 10 << 20 < done.peak_memory < 2 << 30


def test_a_warm_start_gives_the_same_bytes_as_a_cold_one(pool):
    assert run("behave", pool).skeleton == run("behave", pool).skeleton == run("behave").skeleton


@pytest.mark.parametrize("behaviour", ["loop", "loop_in_c"])
def test_an_endless_loop_times_out(templates, behaviour):
    done = run(behaviour, templates, limits=Limits(seconds=1.5))
    assert done.outcome is Outcome.TIMEOUT
    assert 1.5 <= done.seconds < 6
    assert done.skeleton is None


@pytest.mark.parametrize(
    "behaviour", ["allocate", "allocate_small", "allocate_in_files:.", "allocate_page_tables", "allocate_in_children"]
)
def test_memory_without_end_is_cut_at_the_limit(templates, behaviour):
    done = run(behaviour, templates, limits=Limits(memory=500 << 20))
    assert done.outcome is Outcome.OUT_OF_MEMORY
    assert "500 MiB" in done.message
    assert done.peak_memory < 3 << 30


def test_reserved_memory_that_is_not_touched_is_free(templates):
    assert run("reserve:24", templates, limits=Limits(memory=1 << 30)).outcome is Outcome.OK


@pytest.mark.parametrize(("behaviour", "signal"), [("segfault", "SIGSEGV"), ("abort", "SIGABRT")])
def test_a_crash_is_named(templates, behaviour, signal):
    done = run(behaviour, templates)
    assert done.outcome is Outcome.CRASHED
    assert signal in done.message
    assert behaviour in done.log  # the Python stack at the crash


def test_leaving_without_an_answer_is_a_crash(templates):
    done = run("leave", templates)
    assert done.outcome is Outcome.CRASHED
    assert "status 7" in done.message


def test_an_exit_of_a_library_is_an_error(templates):
    assert run("sys_exit", templates).outcome is Outcome.ERROR


@pytest.mark.parametrize("behaviour", ["killed", "killed_by_a_child"])
def test_a_kill_that_is_not_the_systems_is_a_crash(templates, behaviour):
    done = run(behaviour, templates)
    assert (done.outcome, done.message) == (Outcome.CRASHED, "the process was killed by SIGKILL")


def test_a_kill_by_the_system_counts_as_want_of_memory(pool, monkeypatch):
    kills = iter(["oom_kill 1", "oom_kill 2"])
    monkeypatch.setattr("builders.convert.isolation._count_oom_kills", lambda: next(kills))
    assert run("killed", pool).outcome is Outcome.OUT_OF_MEMORY


def test_gigabytes_of_output_fill_nothing_and_block_nobody(tmp_path, templates):
    before = psutil.Process().memory_info().rss
    done = run(f"shout:{1 << 30}", templates, scratch=tmp_path)
    assert done.outcome is Outcome.ERROR
    assert done.message == "ValueError: after shouting"
    assert "the last word" in done.log
    assert len(done.log) <= 4096
    assert psutil.Process().memory_info().rss - before < 100 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_fork_bomb_is_ended_with_all_its_processes(templates):
    done = run("fork_bomb", templates, limits=Limits(seconds=30, processes=40))
    # By what it ends is a race: the walls, or the exception of a fork that is refused.
    is_refused = done.outcome is Outcome.ERROR and done.message.startswith("BlockingIOError")
    assert is_refused or done.outcome in {Outcome.CRASHED, Outcome.OUT_OF_MEMORY}


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [("escape", "ok"), ("escape_and_loop", "timeout"), ("escape_and_crash", "crashed")],
)
def test_a_grandchild_in_its_own_session_does_not_survive(templates, behaviour, outcome):
    marker = f"escaped-{behaviour}-{id(templates)}-{os.getpid()}"
    limits = Limits(seconds=3 if outcome == "timeout" else 300)
    assert run(f"{behaviour}:{marker}", templates, limits=limits).outcome == outcome
    assert processes(marker) == []


def test_no_token_reaches_the_child(fresh, monkeypatch):
    for name in ("HF_TOKEN", "HF_HOME", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "KAGGLE_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "planted-secret")
    for exporter, behaviour in ((HOSTILE, "environment"), (FETCHING, "fetch-environment")):
        seen = told(behaviour, fresh, exporter)
        assert "planted-secret" not in str(seen)
        assert seen["HOME"] != os.environ.get("HOME")


@pytest.mark.parametrize(("exporter", "behaviour"), [(HOSTILE, "tokens"), (FETCHING, "fetch-tokens")])
def test_no_token_is_found_in_a_file_or_in_the_driver(tmp_path, monkeypatch, fresh, exporter, behaviour):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    paths = [".cache/huggingface/token", "elsewhere/stored_tokens", ".kaggle/kaggle.json", ".netrc"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("planted-secret")
    places = "|".join([str(os.getpid()), *(str(tmp_path / path) for path in paths)])
    found = told(f"{behaviour}:{places}", fresh, exporter)
    if namespaces_allowed():
        assert set(found.values()) == {"No such file or directory"}
        assert len(found) == len(paths) + 2


def test_export_has_no_network_where_the_platform_allows_it_and_fetch_has(templates):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(f"fetch-connect:{port}", templates, FETCHING).outcome is Outcome.OK
        for exporter in (HOSTILE, FETCHING):
            done = run(f"connect:{port}", templates, exporter)
            assert done.outcome is (Outcome.ERROR if namespaces_allowed() else Outcome.OK)


def test_nothing_but_its_home_can_be_written_where_the_platform_allows_it(tmp_path, templates):
    done = run(f"write:{tmp_path}/written", templates)
    if namespaces_allowed():
        assert (done.outcome, "No such file" in done.message) == (Outcome.ERROR, True)
        assert list(tmp_path.iterdir()) == []
        assert told("regain", templates) == []
        assert "No space left" in run("fill_shared_memory", templates).message


def test_memory_that_no_process_is_seen_to_hold_cannot_be_had(pool):
    if namespaces_allowed():
        assert told("hidden_memory", pool) == {
            "System V": "EPERM",
            "memfd": "EPERM",
            "a mapping": "ENOMEM",
            "/dev/zero": "ENOENT",
        }


def test_no_door_leads_out(pool):
    if namespaces_allowed():
        found = told("doors", pool)
        assert "got it" not in found.values()
        assert {found[name] for name in found if name.startswith("AF_")} == {"EAFNOSUPPORT"}


def test_a_child_sees_what_it_needs_and_nothing_besides(pool, tmp_path):
    (tmp_path / "private").touch()
    if namespaces_allowed():
        seen = told(f"look_around:{tmp_path}", pool)
        assert seen["place"] == "ENOENT"
        assert len(seen["processes"]) == 2  # itself, and the first of its namespace
        assert seen["devices"] == sorted(
            ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom"]
        )
        assert not {"shadow", "hosts", "machine-id", "hostname"} & set(seen["settings"])


def test_the_file_of_a_request_is_seen_and_its_neighbours_are_not(pool, tmp_path):
    model = ModelRef("hostile", f"tokens:1|{tmp_path}/model|{tmp_path}/beside", location=str(tmp_path / "model"))
    for name in ("model", "beside"):
        (tmp_path / name).write_text(name)
    if namespaces_allowed():
        seen = json.loads(convert(Request(model), HOSTILE, templates=pool).log)
        assert (seen[f"{tmp_path}/model"], seen[f"{tmp_path}/beside"]) == ("model", "No such file or directory")


@pytest.mark.parametrize("behaviour", ["nest:3000", "fetch-nest:3000"])
def test_a_directory_of_any_depth_goes_with_the_child(templates, tmp_path, behaviour):
    exporter = FETCHING if behaviour.startswith("fetch") else HOSTILE
    done = run(behaviour, templates, exporter, scratch=tmp_path)
    assert done.outcome in {Outcome.OK, Outcome.ERROR}
    assert list(tmp_path.iterdir()) == []


def test_files_without_end_are_an_end(templates, tmp_path):
    done = run("litter:100000", templates, scratch=tmp_path, limits=Limits(entries=2000))
    assert done.outcome in {Outcome.ERROR, Outcome.CRASHED}
    assert "No space left" in done.message or "more than 2000 files" in done.message
    assert list(tmp_path.iterdir()) == []


def test_no_core_is_dumped_no_limit_is_raised_and_the_home_is_removed(tmp_path, templates):
    (tmp_path / "scratch").mkdir()
    seen = told("raise_limits", templates, scratch=tmp_path / "scratch")
    if namespaces_allowed() or os.getuid():
        assert seen["raised"] == []
        assert seen["core"] == [0, 0]
    assert Path(seen["home"]).parent == tmp_path / "scratch"
    assert not Path(seen["home"]).exists()


def test_killing_the_parent_harms_nobody_where_the_platform_allows_it(templates):
    if namespaces_allowed():
        assert run("kill_parent", templates).outcome is Outcome.OK


def test_a_child_that_closes_its_channel_has_no_answer(templates):
    assert run("close_all", templates).outcome is Outcome.CRASHED


@pytest.mark.parametrize(
    "behaviour",
    [
        "forge",
        "forge_header:[]",
        "forge_header:{",
        "forge_header:" + json.dumps({"outcome": "ok", "message": 1, "exporter": "x"}),
        "forge_header:" + "[" * 60000,
    ],
)
def test_an_answer_that_cannot_be_read_is_a_crash(pool, behaviour):
    done = run(behaviour, pool)
    assert (done.outcome, "cannot be read" in done.message) == (Outcome.CRASHED, True)


@pytest.mark.parametrize("answer", ["6a756e6b", "", HIDING])
def test_a_forged_answer_is_not_believed(pool, answer):
    done = run(f"answer_with:{answer}", pool)
    assert (done.outcome, done.message[:12]) == (Outcome.INVALID_ONNX, "its skeleton")
    assert done.skeleton is done.modules is None


def test_the_kernel_refuses_processes_that_are_far_too_many(pool):
    """A bomb grows between two looks of the driver, and on a busy machine these are far apart."""
    before = Path("/proc/sys/kernel/pid_max").read_text()
    message = run("most_processes", pool).message
    of_namespace = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 14)
    assert message == f"RuntimeError: at most {1024 if of_namespace else before.strip()}"
    assert Path("/proc/sys/kernel/pid_max").read_text() == before


@pytest.mark.parametrize(
    ("name", "kept"), [("torch-2.1_x", "torch-2.1_x"), ("root:x:0:0:root:/root", "hostile"), ("x" * 65, "hostile")]
)
def test_an_exporter_is_named_by_a_name_and_no_text(pool, name, kept):
    done = run(f"name_exporter:{name}", pool)
    assert (done.outcome, done.exporter) == (Outcome.OK, kept)


def test_of_what_a_publishers_code_answers_no_name_is_kept(pool):
    tree = {
        "modules": [["", "torch.root_x_0", -1], ["0.root_x_0", "torch.nn.modules.linear.Linear", 0]],
        "node": [1, 0],
    }
    publishers = replace(HOSTILE, name="torch", published_code=True)
    done = run(f"answer_with:{FORGED.hex()}/{json.dumps(tree)}", pool, publishers)
    assert (done.outcome, done.exporter) == (Outcome.OK if namespaces_allowed() else Outcome.UNSUPPORTED, "torch")
    assert b"root_x" not in (done.modules or b"")


@pytest.mark.parametrize(("behaviour", "outcome"), [(f"announce:{1 << 62}", "too_large"), ("flood", "crashed")])
def test_an_answer_without_end_fills_nothing(templates, behaviour, outcome):
    before = psutil.Process().memory_info().rss
    assert run(behaviour, templates).outcome == outcome
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_a_skeleton_larger_than_the_limit_is_too_large(templates):
    assert run("behave", templates, limits=Limits(answer=10)).outcome is Outcome.TOO_LARGE


def test_the_exporter_says_itself_what_it_cannot_do(templates):
    done = run("refuse", templates)
    assert (done.outcome, done.message) == (Outcome.UNSUPPORTED, "not this one")


def test_a_message_is_text_whatever_it_quotes(pool):
    assert run("surrogates", pool).message == "ValueError: a name that is no text: ?"


def test_a_refused_allocation_is_out_of_memory(templates):
    assert run("memory_error", templates).outcome is Outcome.OUT_OF_MEMORY


def test_a_cancelled_conversion_ends_at_once(templates):
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    done = run("loop", templates, cancelled=stop.is_set)
    assert (done.outcome, done.seconds < Limits().seconds / 10) == (Outcome.ERROR, True)


def test_what_fetch_leaves_is_there_for_export_and_its_bytes_count(templates):
    done = run("behave", templates, FETCHING)
    assert done.outcome is Outcome.OK
    assert done.bytes_fetched == 2 * len("what fetch wrote")  # once by each, as the two say


@pytest.mark.parametrize("fields", [{"origin": "registry"}, {"origin": "contributed", "location": "/a/file"}])
def test_nothing_is_fetched_for_what_is_on_no_hub(templates, fields):
    done = convert(Request(ModelRef("hostile", "behave", **fields)), FETCHING, templates=templates)
    assert (done.outcome, done.bytes_fetched) == (Outcome.OK, 0)


@pytest.mark.parametrize(
    ("behaviour", "outcome", "message"),
    [
        ("fetch-refuse", "unsupported", "not this one"),
        ("fetch-abort", "crashed", "SIGABRT"),
        ("fetch-loop", "timeout", "longer than 2 seconds"),
        ("fetch-allocate", "out_of_memory", "500 MiB"),
    ],
)
def test_fetch_is_limited_and_heard_like_export(templates, behaviour, outcome, message):
    limits = Limits(seconds=2 if outcome == "timeout" else 60, memory=500 << 20)
    done = run(behaviour, templates, FETCHING, limits=limits)
    assert done.outcome == outcome
    assert message in done.message


def test_time_is_limited_for_both_steps_together(pool, monkeypatch):
    """By a clock that goes on by 40 seconds whenever a step begins."""
    steps = []
    monkeypatch.setattr(isolation, "Child", lambda *given: steps.append(given) or Child(*given))
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 40 * len(steps))
    monkeypatch.setattr(isolation, "time", clock)
    done = run("loop", pool, FETCHING, limits=Limits(seconds=60))
    assert (done.outcome, len(steps), done.seconds < 60 + 40) == (Outcome.TIMEOUT, 2, True)


def test_the_way_to_the_hubs_reaches_fetch_alone(pool, monkeypatch):
    for name in ("HF_ENDPOINT", "KAGGLE_API_ENVIRONMENT", "HTTPS_PROXY", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "the-way")
    with Templates() as fresh:
        assert [told("fetch-environment", fresh, FETCHING)[name] for name in ("HF_ENDPOINT", "HTTPS_PROXY")] == [
            "the-way",
            "the-way",
        ]
        assert "the-way" not in str(told("environment", fresh, FETCHING))


DRIVER = f"""
import os, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{HERE!r}]
from builders.convert import Exporter, Request
from builders.convert.isolation import Limits, convert, leftovers
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef
EXPORTER = Exporter("hostile", "hostile", ())
SCRATCH = Path(sys.argv[1])
leftovers._PATIENCE = 60
def run(behaviour, templates=None, exporter=EXPORTER, limits=Limits(seconds=60, memory=2 << 30), **options):
    request = Request(ModelRef("hostile", behaviour))
    return convert(request, exporter, limits=limits, templates=templates, scratch=SCRATCH, **options)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize("start", ["run(MODEL)", "with Templates() as templates: run(MODEL, templates)"])
def test_children_and_templates_die_with_a_killed_driver(start, tmp_path):
    marker = f"orphan-{len(start)}-{os.getpid()}"
    code = f"{DRIVER}\nMODEL = 'escape_and_loop:{marker}'\n{start}"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=ENVIRONMENT) as driver:
        try:
            # The one that escapes: the driver has the marker too, and so has what it starts, for an instant.
            while not processes(f": {marker}"):
                assert driver.poll() is None
                time.sleep(0.05)
            children = psutil.Process(driver.pid).children(recursive=True)
        finally:
            driver.kill()
    assert len(children) > 1
    _, survivors = psutil.wait_procs(children, timeout=60)
    if survivors and not namespaces_allowed():
        # Without namespaces a grandchild in its own session is out of reach; the child itself is not.
        survivors = [p for p in survivors if "template" in str(p.cmdline())]
    assert survivors == []


@pytest.mark.slow
def test_without_namespaces_the_rest_holds(tmp_path):
    """As in a container that forbids them, or on another system."""
    marker = f"unconfined-{os.getpid()}"
    code = f"""{DRIVER}
with Templates() as templates:
    for pool in (None, templates):
        good = run("behave", pool)
        print(good.outcome, good.isolated)
        for behaviour in ("escape:{marker}", "kill_parent", "behave"):
            print(run(behaviour, pool).outcome)
        for allowed in (False, True):
            print(run("behave", pool, replace(EXPORTER, published_code=True), allow_unisolated_code=allowed).outcome)
        print(run("litter:100000", pool, limits=Limits(seconds=60, entries=1000)).message)
        run("nest:3000", pool)
        print(len(list(SCRATCH.iterdir())))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    if namespaces_allowed():
        forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        command = [shutil.which("unshare"), "--user", "--map-root-user", "sh", "-c", forbid, "sh", *command]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    once = ["ok False", "ok", "crashed", "ok", "unsupported", "ok", "it made more than 1000 files"]
    assert done.stdout.splitlines() == [*once, "0"] * 2, done.stderr
    assert processes(marker) == []


def test_an_ordinary_user_has_the_walls_that_root_has(tmp_path):
    if not namespaces_allowed():
        pytest.skip("this system allows no namespaces")
    code = f"""{DRIVER}
with Templates() as templates:
    good, doors, memory = (run(behaviour, templates) for behaviour in ("behave", "doors", "allocate_in_files:."))
    print(os.getuid() != 0, good.outcome, good.isolated, "got it" in doors.log, memory.outcome)
"""
    user = ["--user", "--map-user=1000", "--map-group=1000"] if os.getuid() == 0 else ["--user"]
    command = [shutil.which("unshare"), *user, sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["True", "ok", "True", "False", "out_of_memory"], done.stderr


def test_where_the_machines_processes_are_veiled_the_other_walls_stand(tmp_path):
    """As in a container that allows namespaces: it may not have a list of processes of its own."""
    if not namespaces_allowed():
        pytest.skip("this system allows no namespaces")
    code = f"""{DRIVER}
with Templates() as templates:
    good, doors = (run(behaviour, templates) for behaviour in ("behave", "doors"))
    print(good.outcome, good.isolated, "got it" in doors.log)
"""
    veil = 'mount -t tmpfs none /proc/sys && exec "$@"'
    command = [*("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", veil, "sh")]
    done = subprocess.run(
        [*command, sys.executable, "-c", code, str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split() == ["ok", "True", "False"], done.stderr
