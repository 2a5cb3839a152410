"""A pure function over many items, in other processes, its results in the order of the items.

`ordered_map` has processes of this machine; `builders.executor.ray.RayMap` has those of a cluster. Both are an
`OrderedMap` once they are told how many or where.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 4
"""Items that are taken ahead of the results, for each process."""


class LostError(Exception):
    """A process died, and took what it was at with it."""


class OrderedMap(Protocol):
    """A pure function, importable by name, over items, which are taken as they are needed, a few ahead of the results.

    Raises:
        LostError: a process died.
    """

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results, in the order of the items."""


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """Apply a function to each item.

    Args:
        function: importable by name; must not depend on anything but its argument.
        items: taken as they are needed, a few ahead of the results.
        jobs: the number of processes; 1 works in this one.

    Raises:
        LostError: a process died.
    """
    if jobs <= 1:
        yield from map(function, items)
        return
    # A fresh interpreter: a fork would inherit the locks of whatever threads this process has.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(function,)) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > AHEAD * jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise LostError(str(error)) from error
        finally:
            for future in pending:
                future.cancel()


def _start(_: Callable[[Item], Result]) -> None:
    """Get a process ready; that it was handed the function means that the function's modules are imported."""
    # The garbage collector need not look through them again and again: a sixth of the time of many small objects.
    gc.freeze()
    _die_with_parent()


def _die_with_parent() -> None:
    """Leave no orphan behind when the parent is killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
