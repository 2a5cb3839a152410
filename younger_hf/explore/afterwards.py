"""What takes long to make, and is not needed at once: `Afterwards`."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Afterwards(Generic[Result]):
    """A result that is made once, on a thread that begins when it is first asked for.

    Args:
        make: makes it, and says for itself why it cannot: then it gives None.
        name: of the thread.
    """

    def __init__(self, make: Callable[[], Result | None], name: str) -> None:
        self._make = make
        self._name = name
        self._lock = Lock()
        self._thread: Thread | None = None
        self._result: Result | None = None

    def __call__(self) -> Result | None:
        """The result; None while it is made, which the first call begins."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return self._result

    def join(self) -> Result | None:
        """The result once what has begun has ended; None where nothing has."""
        if self._thread is not None:
            self._thread.join()
        return self._result

    def _run(self) -> None:
        self._result = self._make()
