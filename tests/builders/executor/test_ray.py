"""The Ray executor on a cluster of two nodes: the results of this machine, whoever dies."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from support.light import record
from support.releases import files

from builders.assemble import assemble
from builders.conversion_store import ConversionStore, name_of
from builders.convert import Outcome
from builders.executor import Resources
from builders.executor.ordered_map import LostError
from builders.executor.ray import RayExecutor, RayMap
from builders.ledger import Ledger
from builders.pipeline import collect
from younger_hf.errors import YoungerError

pytestmark = pytest.mark.slow

MODELS = "onnx-package:bvlc_alexnet,squeezenet,zfnet512"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A head without processors, so that only other nodes work."""
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as Ray spells it
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def connected(cluster, lost=lambda key, reason: f"{key} is lost"):
    return RayExecutor(lost, cluster.address)


def skeletons(ledger):
    return [(one.skeleton_hash, sorted(model.id for model in one.models)) for one in ledger.architectures()]


def test_results_come_as_they_end_and_more_may_be_submitted(cluster):
    with connected(cluster) as executor:
        assert executor.room == 2
        for number in range(3):
            executor.submit(number, lambda cancelled, number=number: number**2, Resources())
        seen = dict([next(executor.results())])
        executor.submit(3, lambda cancelled: 9, Resources())
        assert seen | dict(executor.results()) == {0: 0, 1: 1, 2: 4, 3: 9}


def test_an_exception_of_a_task_is_raised(cluster):
    with connected(cluster) as executor:
        executor.submit("divided", lambda cancelled: 1 / 0, Resources())
        with pytest.raises(ZeroDivisionError):
            list(executor.results())


def test_a_task_that_asks_for_more_memory_than_any_node_has_runs(cluster):
    with connected(cluster) as executor:
        executor.submit("large", lambda cancelled: "done", Resources(memory=1 << 60))
        assert list(executor.results()) == [("large", "done")]


def test_a_task_that_kills_its_worker_is_lost_and_the_others_are_not(cluster):
    with connected(cluster) as executor:
        executor.submit("killer", lambda cancelled: os.kill(os.getpid(), signal.SIGKILL), Resources())
        executor.submit("other", lambda cancelled: "done", Resources())
        assert dict(executor.results()) == {"killer": "killer is lost", "other": "done"}


def test_what_runs_on_a_node_that_goes_away_runs_again_elsewhere(cluster, tmp_path):
    third = cluster.add_node(num_cpus=1, resources={"third": 1})

    def task(number, cancelled):
        (tmp_path / f"{number} on {ray.get_runtime_context().get_node_id()}").touch()
        time.sleep(3)
        return number

    with connected(cluster) as executor:
        cluster.wait_for_nodes()
        for number in range(3):
            executor.submit(number, lambda cancelled, number=number: task(number, cancelled), Resources())
        while not list(tmp_path.glob(f"* on {third.node_id}")):
            time.sleep(0.1)
        cluster.remove_node(third)
        assert sorted(executor.results()) == [(0, 0), (1, 1), (2, 2)]
    assert len(list(tmp_path.iterdir())) > 3


def test_conversions_give_the_ledger_that_they_give_here(cluster, tmp_path):
    with Ledger(tmp_path / "here") as here, Ledger(tmp_path / "there") as there:
        assert collect(here, [MODELS]) == {Outcome.OK: 3}
        assert collect(there, [MODELS], address=cluster.address) == {Outcome.OK: 3}
        assert skeletons(there) == skeletons(here)


# A driver that dies before it enters what was finished.
DRIVER = """
import sys, time
from builders.ledger import Ledger
from builders.pipeline import collect
Ledger.finish = lambda *_, **__: time.sleep(1000)
with Ledger(sys.argv[1]) as ledger:
    collect(ledger, sys.argv[2:3], address=sys.argv[3], store=sys.argv[4])
"""


def test_what_a_dead_driver_had_finished_is_not_converted_again(cluster, tmp_path):
    store = ConversionStore(f"file://{tmp_path}/store")
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "work"), MODELS, cluster.address, store.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not store.names():
        assert driver.poll() is None
        time.sleep(0.1)
    driver.kill()
    driver.wait()
    time.sleep(1)  # for a worker in the middle of writing
    with Ledger(tmp_path / "work") as ledger:
        finished = store.names()
        for number, opset in ledger.unconverted():
            if name_of(request := ledger.request(number, opset)) in finished:
                store.put(request, [replace(one, message="as kept") for one in store.take(name_of(request))])
        assert collect(ledger, [MODELS], address=cluster.address, store=store.url) == {Outcome.OK: 3}
        kept = [attempt.message for attempt in ledger.attempts()].count("as kept")
    assert 1 <= kept == len(finished)
    assert store.names() == set()


def test_an_address_without_a_cluster_is_told():
    with pytest.raises(YoungerError, match=r"no Ray cluster at 127\.0\.0\.1:1"), RayExecutor(str, "127.0.0.1:1"):
        pass


def test_nothing_is_left_in_the_directory_for_temporary_files(cluster, tmp_path):
    def found():
        return set(Path(tempfile.gettempdir()).glob("younger-hf-*"))

    before = found()
    with Ledger(tmp_path / "work") as ledger:
        collect(ledger, ["onnx-package:squeezenet"], address=cluster.address)
    ends = time.monotonic() + 60
    while found() - before and time.monotonic() < ends:
        time.sleep(0.5)
    assert found() - before == set()


def test_an_ordered_map_gives_results_in_the_order_of_the_items_and_says_when_a_worker_is_lost(cluster):
    with RayMap(cluster.address) as mapped:
        assert list(mapped(math.factorial, range(20))) == [math.factorial(number) for number in range(20)]
        with pytest.raises(ValueError, match="factorial"):
            list(mapped(math.factorial, [3, -1]))
        with pytest.raises(LostError):
            list(mapped(lambda number: os.kill(os.getpid(), number), [signal.SIGKILL]))


def test_a_release_that_is_assembled_on_a_cluster_has_the_same_bytes(cluster, tmp_path):
    with Ledger(tmp_path / "work") as ledger:
        record(ledger, ["resnet50", "squeezenet"])
        assemble(ledger, tmp_path / "here")
        assemble(ledger, tmp_path / "there", address=cluster.address)
    assert files(tmp_path / "there") == files(tmp_path / "here")
