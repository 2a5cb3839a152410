"""A function over items in processes: results in order, no more work ahead than needed, no orphans."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import psutil
import pytest

from builders.executor.ordered_map import ordered_map


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    # The first takes longest.
    items = [150_000, *range(30)]
    assert [result.bit_length() for result in ordered_map(math.factorial, items, jobs)] == [
        math.factorial(item).bit_length() for item in items
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_where_its_item_stands(jobs: int) -> None:
    results = ordered_map(math.factorial, [3, -1, 4], jobs)
    assert next(results) == 6
    with pytest.raises(ValueError, match="negative"):
        next(results)


def test_items_are_taken_a_few_ahead_only() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    results = ordered_map(math.factorial, items(), 2)
    next(results)
    assert taken < 20
    results.close()


def test_more_than_one_job_works_in_other_processes() -> None:
    assert os.getpid() not in set(ordered_map(eval, ["__import__('os').getpid()"] * 4, 2))


def test_workers_die_with_a_killed_parent() -> None:
    script = """
        from builders.executor.ordered_map import ordered_map
        results = ordered_map(eval, ["1"] + ["__import__('time').sleep(60)"] * 40, 2)
        print(next(results), flush=True)
        next(results)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "1\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert children
    deadline = time.monotonic() + 120
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.1)
