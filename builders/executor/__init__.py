"""Where work runs: tasks go in with the resources they ask for, results come out as they are ready.

`Executor` is the interface, `local.LocalExecutor` this machine, `ray.RayExecutor` a cluster. A task is a function of
one argument, a question that it asks now and then: whether it has been cancelled. What it runs in a child process is
its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
        here: whether it needs files of the machine that it is submitted on.
    """

    processors: float = 1.0
    memory: int = 0
    here: bool = False


class Executor(Protocol[Key, Result]):
    """A place where work runs. Used in a `with` statement; leaving it cancels what has not ended."""

    @property
    def room(self) -> int:
        """How many tasks of one processor it runs at once, as things stand."""

    def submit(self, key: Key, task: Task[Result], resources: Resources) -> None:
        """Take on a task; returns at once."""

    def results(self) -> Iterator[tuple[Key, Result]]:
        """Each task's key and result, in the order they end, until no task is left; more may be submitted meanwhile.

        An exception of a task is raised here.
        """

    def __enter__(self) -> Executor[Key, Result]: ...

    def __exit__(self, *exception: object) -> None: ...
