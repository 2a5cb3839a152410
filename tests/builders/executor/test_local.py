"""The local executor: N tasks at once, results as they end, nothing left running."""

from __future__ import annotations

import json
import threading
import time

import pytest

from builders.convert.memory import expected_memory
from builders.executor import Resources
from builders.executor.local import LocalExecutor
from builders.model_ref import ModelRef

GIB = 1 << 30


def run(jobs, tasks, resources=Resources()):  # noqa: B008
    with LocalExecutor(jobs, memory=10 * GIB) as executor:
        for key, task in tasks.items():
            executor.submit(key, task, resources)
        return list(executor.results())


class Gate:
    """A task that goes on only when as many of it are inside as there is room for, and counts whether more are."""

    def __init__(self, room):
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.full = threading.Barrier(room)

    def pass_through(self, cancelled):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.full.wait(30)
        time.sleep(0.01)  # for one that should not have been let in
        with self.lock:
            self.inside -= 1


def test_results_come_in_the_order_they_end():
    first_may_end = threading.Event()

    def first(cancelled):
        assert first_may_end.wait(10)
        return 1

    def second(cancelled):
        first_may_end.set()
        return 2

    with LocalExecutor(2) as executor:
        executor.submit("first", first, Resources())
        executor.submit("second", second, Resources())
        assert {next(executor.results()) for _ in range(2)} == {("first", 1), ("second", 2)}


def test_as_many_small_tasks_as_jobs_run_beside_each_other():
    together = threading.Barrier(100)
    tasks = dict.fromkeys(range(100), lambda cancelled: together.wait(30))
    assert sorted(position for _, position in run(100, tasks, Resources(memory=1 << 20))) == list(range(100))


def test_no_more_than_the_jobs_run_at_once():
    gate = Gate(3)
    assert len(run(3, dict.fromkeys(range(12), gate.pass_through))) == 12
    assert gate.most == 3


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        (Resources(memory=3 * GIB), 3),
        (Resources(memory=6 * GIB), 1),
        (Resources(memory=99 * GIB), 1),  # more than there is
        (Resources(processors=2), 2),
        (Resources(processors=99), 1),
    ],
)
def test_tasks_run_beside_each_other_while_there_is_room(wanted, most):
    gate = Gate(most)
    assert len(run(4, dict.fromkeys(range(6), gate.pass_through), wanted)) == 6
    assert gate.most == most


def test_two_models_of_70_billion_parameters_do_not_run_beside_each_other():
    config = {"hidden_size": 8192, "num_hidden_layers": 80, "intermediate_size": 28672, "vocab_size": 128256}
    model = ModelRef("huggingface", "org/large", library="transformers", config=json.dumps(config))
    gate = Gate(1)
    run(4, dict.fromkeys(range(3), gate.pass_through), Resources(memory=expected_memory(model, limit=8 * GIB)))
    assert gate.most == 1


def test_a_large_task_is_not_overtaken_and_what_comes_after_it_fills_the_room():
    order, first_may_end, pair = [], threading.Event(), threading.Barrier(2)

    def first(cancelled):
        assert first_may_end.wait(10)
        order.append("first")

    with LocalExecutor(4, memory=10 * GIB) as executor:
        executor.submit("first", first, Resources(memory=GIB))
        executor.submit("large", lambda cancelled: order.append("large"), Resources(memory=10 * GIB))
        for name in ("small", "smaller"):
            executor.submit(name, lambda cancelled: order.append("small") or pair.wait(10), Resources(memory=GIB))
        assert order == []
        first_may_end.set()
        assert len(list(executor.results())) == 4
    assert order == ["first", "large", "small", "small"]


def test_a_task_may_be_submitted_while_results_are_read():
    with LocalExecutor(1) as executor:
        executor.submit(0, lambda cancelled: 0, Resources())
        seen = []
        for key, result in executor.results():
            seen.append(result)
            if key < 4:
                executor.submit(key + 1, lambda cancelled, value=key + 1: value, Resources())
    assert seen == [0, 1, 2, 3, 4]


def test_an_exception_of_a_task_is_raised_to_the_reader():
    with pytest.raises(ZeroDivisionError):
        run(1, {"bad": lambda cancelled: 1 / 0})


def test_leaving_cancels_what_runs_and_drops_what_waits():
    ended, started = [], threading.Event()

    def task(cancelled):
        started.set()
        while not cancelled():
            time.sleep(0.01)
        ended.append(1)

    with LocalExecutor(1) as executor:
        for key in range(5):
            executor.submit(key, task, Resources())
        assert started.wait(5)
    assert ended == [1]
