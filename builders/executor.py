"""Where work runs: on this machine, several at a time. A cluster would be another class with the same method.

In go a function and items; out come items with their results, in the order in which they are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Cancelled = Callable[[], bool]


class Executor(Protocol):
    """Runs pure functions; `builders.pipeline` knows no more of it."""

    def run(
        self, function: Callable[[Item, Cancelled], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Apply the function to every item.

        Args:
            function: takes an item, and something to ask now and then: once it says True, nobody waits any more.
            items: drawn as they are needed, so there may be any number.

        Yields:
            Each item with its result, as soon as it is there.
        """
        ...


class LocalExecutor:
    """Runs functions in threads: what they do must wait for child processes rather than compute.

    Args:
        jobs: how many run at a time.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def run(
        self, function: Callable[[Item, Cancelled], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """See `Executor.run`. When the iteration is given up, what runs is cancelled and awaited."""
        cancelled = Event()
        source = iter(items)
        running: dict[Future[Result], Item] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    while len(running) < self.jobs:
                        try:
                            item = next(source)
                        except StopIteration:
                            break
                        running[pool.submit(function, item, cancelled.is_set)] = item
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield running.pop(future), future.result()
            finally:
                cancelled.set()
