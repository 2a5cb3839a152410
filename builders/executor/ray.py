"""Work on a cluster: `RayExecutor`, by Ray's tasks.

A task travels pickled by Ray, and so does its result; no file system needs to be shared. Ray repeats what a worker or
a node takes with it when it dies, a few times; after that the caller says what stands for the result.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Generic, TypeVar

from builders.executor import Key, Resources, Result, Task
from builders.executor.ordered_map import AHEAD, LostError
from younger_hf.errors import MissingExtraError, YoungerError

# What a cluster reports about itself to its makers is for those to decide who run it, not for a library.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise MissingExtraError(error.name or "ray", "ray") from error

Item = TypeVar("Item")
Mapped = TypeVar("Mapped")

LOCAL: Final = "local"
"""The address of a cluster of this machine alone, which starts and ends with the executor."""
RETRIES: Final = 2
"""How often a task is begun again whose worker or node died."""
# Ray repeats for ever, if nothing is said, what its memory monitor ended, and has workers stand back for all else.
_HINT: Final = "; where a cluster asks for its token, put that into ~/.ray/auth_token and set RAY_AUTH_MODE=token"
_SETTINGS: Final = {"task_oom_retries": RETRIES, "worker_niceness": 0}
_CONNECT: Final = 10.0  # seconds
_PATIENCE: Final = 30.0  # seconds that cancelled tasks have to end in


class RayExecutor(Generic[Key, Result]):
    """Tasks on a Ray cluster, each with the processors and the memory that it asks for.

    Args:
        lost: what stands for the result of a task that took its worker with it each time, given its key and the reason.
        address: of the cluster: "auto" for the one that this machine is part of, HOST:PORT, or LOCAL.
        jobs: processors of a cluster that is started here; others have what they have.
    """

    def __init__(self, lost: Callable[[Key, str], Result], address: str = LOCAL, jobs: int = 1) -> None:
        self._lost = lost
        self._address = address
        self._jobs = jobs
        self._keys: dict[Any, Key] = {}  # by the reference to the result

    def __enter__(self) -> RayExecutor[Key, Result]:
        """Connect.

        Raises:
            YoungerError: there is no cluster at the address.
        """
        _connect(self._address, self._jobs)
        return self

    @property
    def room(self) -> int:
        """How many tasks of one processor it runs at once, as things stand; nodes come and go."""
        return max(1, int(_resources().get("CPU", 1)))

    def submit(self, key: Key, task: Task[Result], resources: Resources) -> None:
        """Take on a task; returns at once."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        reference = _perform.options(
            num_cpus=resources.processors,
            # What asks for more than any node has would wait for ever; it runs alone on one of the largest.
            memory=min(resources.memory, _largest_memory()),
            max_retries=RETRIES,
            scheduling_strategy=here if resources.here else "DEFAULT",
        ).remote(task)
        self._keys[reference] = key

    def results(self) -> Iterator[tuple[Key, Result]]:
        """Each task's key and result, in the order they end, until no task is left."""
        while self._keys:
            (ended,), _ = ray.wait(list(self._keys), num_returns=1)
            key = self._keys.pop(ended)
            try:
                result = ray.get(ended)
            except RayTaskError:  # an exception of the task itself, as which it is raised as well
                raise
            except RayError as error:
                result = self._lost(key, str(error).strip().partition("\n")[0])
            yield key, result

    def __exit__(self, *exception: object) -> None:
        """Cancel what has not ended, wait until it has, and leave the cluster."""
        for reference in self._keys:
            ray.cancel(reference)
        if self._keys:
            ray.wait(list(self._keys), num_returns=len(self._keys), timeout=_PATIENCE)
        self._keys.clear()
        ray.shutdown()


class RayMap:
    """An `OrderedMap` of a Ray cluster: items and results travel through its object store.

    Args:
        address: as for `RayExecutor`.
        jobs: as for `RayExecutor`.
    """

    def __init__(self, address: str = LOCAL, jobs: int = 1) -> None:
        self._address = address
        self._jobs = jobs

    def __enter__(self) -> RayMap:
        """Connect.

        Raises:
            YoungerError: there is no cluster at the address.
        """
        _connect(self._address, self._jobs)
        return self

    def __call__(self, function: Callable[[Item], Mapped], items: Iterable[Item]) -> Iterator[Mapped]:
        """The results, in the order of the items.

        Raises:
            LostError: a worker died, each time that it was begun again.
        """
        applied = ray.put(function)
        pending: deque[Any] = deque()
        try:
            for item in items:
                pending.append(_apply.options(max_retries=RETRIES).remote(applied, item))
                # Nodes may have joined or gone.
                while len(pending) > AHEAD * max(1, int(_resources().get("CPU", 1))):
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())
        finally:
            for reference in pending:
                ray.cancel(reference)

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster."""
        ray.shutdown()


def _connect(address: str, jobs: int) -> None:
    """Join the cluster at an address, or start one of this machine alone."""
    is_local = address == LOCAL
    try:
        host, separator, port = address.rpartition(":")
        if separator and port.isdecimal():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), _CONNECT).close()
        ray.init(
            address=address,
            num_cpus=jobs if is_local else None,
            include_dashboard=False if is_local else None,
            _system_config=_SETTINGS if is_local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, OverflowError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        # Ray tells the log alone that it was a token that is missing.
        hint = "" if is_local or "RAY_AUTH_MODE" in os.environ else _HINT
        raise YoungerError(f"there is no Ray cluster at {address}: {reason}{hint}") from error


@ray.remote
def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    """A function of one item, in a worker."""
    return function(item)


def _result(reference: Any) -> Any:
    """What a worker gives; an exception of the function itself is raised as it is."""
    try:
        return ray.get(reference)
    except RayTaskError:
        raise
    except RayError as error:
        raise LostError(str(error).strip().partition("\n")[0]) from error


@ray.remote
def _perform(task: Task[Any]) -> Any:
    """A task, in a worker; Ray cancels it by an exception, so that it need not ask."""
    return task(lambda: False)


def _resources() -> dict[str, float]:
    """What all nodes have together, by name."""
    return ray.cluster_resources()  # type: ignore[no-untyped-call, no-any-return]


def _largest_memory() -> int:
    """The bytes that the node gives to tasks that has the most for them."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    offers = (node["Resources"] for node in nodes if node["Alive"])
    # Where no node has a processor yet, the task waits for one.
    return int(max((offer.get("memory", 0) for offer in offers if offer.get("CPU", 0) >= 1), default=0))
