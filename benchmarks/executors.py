"""What does an executor cost over a plain loop of conversions, and what do two workers gain over one?

    python benchmarks/executors.py [ROUNDS]

Each way converts the same models of torchvision with warm templates: a loop that knows no executor, `LocalExecutor`
with one job and with two, `RayExecutor` on a cluster of one processor and of two of this machine. Every round takes all
ways in turn, so that a slow spell of the machine is not one way's alone, and of each the least of the rounds counts; in
a round a way converts the models once to warm its workers, and once more, which counts. Time is wall-clock, so measure
on a machine that is at rest; two jobs need two cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from math import inf
from pathlib import Path

from builders.convert import Outcome, Request
from builders.convert.isolation import Limits
from builders.convert.isolation.workplace import Workplace
from builders.executor import Cancelled, Executor
from builders.executor.local import LocalExecutor
from builders.executor.ray import LOCAL, RayExecutor
from builders.model_ref import ModelRef
from builders.pipeline import MEMORY_LIMIT, Attempts, _run, _try_exporters

NAMES = ("squeezenet1_1", "resnet18", "alexnet", "vgg11", "resnet34", "mnasnet0_5", "shufflenet_v2_x0_5", "vgg13")


def requests() -> list[Request]:
    return [Request(ModelRef("torchvision", name, library="torchvision", origin="registry")) for name in NAMES]


def lost(request: Request, reason: str) -> Attempts:
    raise AssertionError(f"{request.model.id}: {reason}")


def converted(
    task: Callable[[Request, Cancelled], Attempts], executor: Executor[Request, Attempts] | None
) -> list[Attempts]:
    """What comes of all models."""
    if executor is None:
        return [task(request, lambda: False) for request in requests()]
    return [attempts for _, attempts in _run(task, executor, MEMORY_LIMIT, iter(requests()))]


def seconds(run: Callable[[], list[Attempts]]) -> float:
    """How long one run takes."""
    started = time.perf_counter()
    ended = run()
    taken = time.perf_counter() - started
    assert [attempts[-1].outcome for attempts in ended] == [Outcome.OK] * len(NAMES)
    return taken


def main(rounds: int) -> None:
    ways: dict[str, Callable[[], Executor[Request, Attempts]] | None] = {
        "a loop": None,
        "local, 1 job": lambda: LocalExecutor(1),
        "local, 2 jobs": lambda: LocalExecutor(2),
        "ray, 1 worker": lambda: RayExecutor(lost, LOCAL, 1),
        "ray, 2 workers": lambda: RayExecutor(lost, LOCAL, 2),
    }
    found = dict.fromkeys(ways, inf)
    for _ in range(rounds):
        for way, make in ways.items():
            with (
                tempfile.TemporaryDirectory() as scratch,
                Workplace(Path(scratch, "scratch")) as workplace,
                make() if make else nullcontext() as executor,
            ):
                run = partial(converted, partial(_try_exporters, Limits(), workplace, False, None), executor)
                run()
                found[way] = min(found[way], seconds(run))
    for way, least in found.items():
        print(f"{way:16}{least:8.2f} s {least / found['a loop']:8.3f} times the loop")
    for kind in ("local", "ray"):
        one = found[f"{kind}, 1 {'job' if kind == 'local' else 'worker'}"]
        two = found[f"{kind}, 2 {'jobs' if kind == 'local' else 'workers'}"]
        print(f"{kind}: two are {one / two:.2f} times one")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
