"""The local executor: N tasks at once, results as they end, nothing left running."""

from __future__ import annotations

import threading
import time

import pytest

from builders.executor import LocalExecutor, Resources


def run(jobs, tasks):
    with LocalExecutor(jobs) as executor:
        for key, task in tasks.items():
            executor.submit(key, task, Resources())
        return list(executor.results())


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


def test_no_more_than_the_jobs_run_at_once():
    running, most = [], []

    def task(cancelled):
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    run(3, dict.fromkeys(range(12), task))
    assert max(most) == 3


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
