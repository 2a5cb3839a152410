"""Work on this machine: `LocalExecutor`."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic

import psutil

from builders.executor import Key, Resources, Result, Task


@dataclass(frozen=True)
class _Waiting(Generic[Key, Result]):
    key: Key
    task: Task[Result]
    resources: Resources


class LocalExecutor(Generic[Key, Result]):
    """As many tasks at once as there is room for on this machine, in the order in which they were submitted.

    The tasks that run ask for no more processors than `jobs` and no more bytes than `memory` together; one that asks
    for more than all of it runs alone. A task never overtakes another, so that a large one comes to its turn.

    Args:
        jobs: tasks at once.
        memory: bytes for all of them; None for what the machine has left now.
    """

    def __init__(self, jobs: int, memory: int | None = None) -> None:
        self._jobs = jobs
        self._memory = psutil.virtual_memory().available if memory is None else memory
        # A thread outlives the child process that its task started: Linux ends a child with the thread it came from.
        self._pool = ThreadPoolExecutor(max_workers=jobs)
        self._done: queue.SimpleQueue[tuple[Key, Future[Result]]] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._lock = threading.RLock()  # again by the same thread where a task ends before its submission does
        self._waiting: deque[_Waiting[Key, Result]] = deque()
        self._running: list[Resources] = []
        self._unread = 0

    @property
    def room(self) -> int:
        """How many tasks it runs at once."""
        return self._jobs

    def submit(self, key: Key, task: Task[Result], resources: Resources) -> None:
        """Take on a task; returns at once."""
        with self._lock:
            self._unread += 1
            self._waiting.append(_Waiting(key, task, resources))
            self._start()

    def results(self) -> Iterator[tuple[Key, Result]]:
        """Each task's key and result, in the order they end, until no task is left."""
        while self._unread:
            key, future = self._done.get()
            self._unread -= 1
            yield key, future.result()

    def _start(self) -> None:
        """Begin what there is room for."""
        while self._waiting and not self._cancelled.is_set() and self._has_room(self._waiting[0].resources):
            first = self._waiting.popleft()
            self._running.append(first.resources)
            future = self._pool.submit(first.task, self._cancelled.is_set)
            future.add_done_callback(partial(self._end, first))

    def _has_room(self, wanted: Resources) -> bool:
        if not self._running:
            return True
        together = [*self._running, wanted]
        return (
            len(together) <= self._jobs
            and sum(task.processors for task in together) <= self._jobs
            and sum(task.memory for task in together) <= self._memory
        )

    def _end(self, ended: _Waiting[Key, Result], future: Future[Result]) -> None:
        with self._lock:
            self._running.remove(ended.resources)
            self._start()
        self._done.put((ended.key, future))

    def __enter__(self) -> LocalExecutor[Key, Result]:
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel what has not ended, and wait until it has."""
        self._cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
