"""Results that are kept while there is room: `Kept`.

In goes a function; out comes one that remembers its latest results. Who asks for the same at the same time waits for
one computation, and only so many are made at once, so that cheap pages are not behind twenty dear ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import BoundedSemaphore, Lock
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Kept(Generic[Result]):
    """A function of hashable arguments that remembers its latest results; safe to call from threads.

    Args:
        make: the function; what it raises is raised to all that wait for it, and not kept.
        most: how much is kept; of the latest result, as much as it takes.
        weigh: how much of `most` a result takes; without, each takes one.
        at_once: how many results are made at a time.
    """

    def __init__(
        self, make: Callable[..., Result], most: int, weigh: Callable[[Result], int] | None = None, *, at_once: int = 2
    ) -> None:
        self._make = make
        self._most = most
        self._weigh = weigh or (lambda _: 1)
        self._turns = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Hashable, ...], Future[Result]] = OrderedDict()
        self._weight = 0

    @property
    def is_full(self) -> bool:
        """Whether an earlier result makes room for the next one."""
        return self._weight >= self._most

    def __call__(self, *asked: Hashable) -> Result:
        """The function's result."""
        with self._lock:
            future = self._kept.get(asked)
            is_first = future is None
            if future is None:
                future = self._kept[asked] = Future()
            self._kept.move_to_end(asked)
        if is_first:
            self._answer(asked, future)
        return future.result()

    def _answer(self, asked: tuple[Hashable, ...], future: Future[Result]) -> None:
        try:
            with self._turns:
                made = self._make(*asked)
        except BaseException as error:
            with self._lock:
                del self._kept[asked]
            future.set_exception(error)
            return
        future.set_result(made)
        with self._lock:
            self._weight += self._weigh(made)
            finished = [key for key, one in self._kept.items() if one.done() and key != asked]
            while self._weight > self._most and finished:
                self._weight -= self._weigh(self._kept.pop(finished.pop(0)).result())
