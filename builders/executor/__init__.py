"""Where work runs: tasks go in with the resources they ask for, results come out as they are ready.

`Executor` is the interface, `LocalExecutor` this machine. A task is a function of one argument, a question that
it asks now and then: whether it has been cancelled. What it runs in a child process is its own affair.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")
Cancelled = Callable[[], bool]
Task = Callable[[Cancelled], Result]


@dataclass(frozen=True)
class Resources:
    """What a task asks for.

    Attributes:
        processors: how many cores it keeps busy.
        memory: the resident bytes that it may come to use.
    """

    processors: float = 1.0
    memory: int = 0


class Executor(Protocol[Key, Result]):
    """A place where work runs. Used in a `with` statement; leaving it cancels what has not ended."""

    def submit(self, key: Key, task: Task[Result], resources: Resources) -> None:
        """Take on a task; returns at once."""

    def results(self) -> Iterator[tuple[Key, Result]]:
        """Each task's key and result, in the order they end, until no task is left; more may be submitted meanwhile.

        An exception of a task is raised here.
        """

    def __enter__(self) -> Executor[Key, Result]: ...

    def __exit__(self, *exception: object) -> None: ...


class LocalExecutor(Generic[Key, Result]):
    """At most `jobs` tasks at once on this machine.

    What a task asks for is not weighed here: a conversion enforces its own limits, and `jobs` is the user's word
    on how many of them this machine can carry.
    """

    def __init__(self, jobs: int) -> None:
        # A thread outlives the child process that its task started: Linux ends a child with the thread it came from.
        self._pool = ThreadPoolExecutor(max_workers=jobs)
        self._done: queue.SimpleQueue[tuple[Key, Future[Result]]] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._running = 0

    def submit(self, key: Key, task: Task[Result], resources: Resources) -> None:  # noqa: ARG002
        """Take on a task; returns at once."""
        self._running += 1
        future = self._pool.submit(task, self._cancelled.is_set)
        future.add_done_callback(partial(self._report, key))

    def _report(self, key: Key, future: Future[Result]) -> None:
        self._done.put((key, future))

    def results(self) -> Iterator[tuple[Key, Result]]:
        """Each task's key and result, in the order they end, until no task is left."""
        while self._running:
            key, future = self._done.get()
            self._running -= 1
            yield key, future.result()

    def __enter__(self) -> LocalExecutor[Key, Result]:
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel what has not ended, and wait until it has."""
        self._cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
