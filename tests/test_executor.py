"""The local executor."""

from __future__ import annotations

import time
from threading import Lock

import pytest

from builders.executor import Cancelled, LocalExecutor


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_item_comes_back_once_with_its_result(jobs: int) -> None:
    results = dict(LocalExecutor(jobs).run(lambda item, cancelled: item * item, range(50)))
    assert results == {item: item * item for item in range(50)}


def test_no_more_than_jobs_run_at_a_time() -> None:
    running, most, lock = 0, 0, Lock()

    def work(item: int, cancelled: Cancelled) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    list(LocalExecutor(2).run(work, range(10)))
    assert most == 2


def test_results_come_as_they_are_done_and_items_are_drawn_as_they_are_needed() -> None:
    drawn = []

    def items():
        for item in (0.3, 0.0, 0.0):
            drawn.append(item)
            yield item

    results = LocalExecutor(2).run(lambda item, cancelled: time.sleep(item), items())
    assert next(results)[0] == 0.0
    assert len(drawn) == 2


def test_giving_up_cancels_what_runs() -> None:
    def wait_until_cancelled(item: int, cancelled: Cancelled) -> None:
        deadline = time.monotonic() + 30
        while item and not cancelled():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    results = LocalExecutor(2).run(wait_until_cancelled, [0, 1])
    next(results)
    results.close()
