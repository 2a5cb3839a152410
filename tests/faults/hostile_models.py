"""What hostile models try (`tests/hostile/` has the table of it), each in a conversion of a Ray worker.

Each ends in one of the outcomes that it may end in, as on one machine, and leaves no file, process or shared memory;
the worker is not lost, and goes on with the next.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from counted import Try
from lost_nodes import cluster
from processes import left, shared_left

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "hostile"), str(_TESTS / "builders" / "convert" / "isolation")]

from attack import HOSTILE, Finding, attack
from tries import TRIES

from builders.convert import Request
from builders.convert.isolation import convert
from builders.convert.isolation.workplace import Workplace
from builders.executor import Cancelled, Resources
from builders.model_ref import ModelRef

FAULT = "a hostile model in a conversion on Ray"


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Submit the tries of these numbers to a cluster of one processor, where no two see what the other leaves."""
    place.mkdir(parents=True)
    walls = convert(Request(ModelRef("hostile", "behave")), HOSTILE).isolated
    with cluster(place, nodes=1) as made, Workplace(place / "scratch") as workplace:
        from builders.executor.ray import RayExecutor

        with RayExecutor(_lost, made.address) as executor:
            for number in seeds:
                here = place / str(number)
                here.mkdir()
                executor.submit(number, partial(_attack, number, walls, workplace, here), Resources())
            for number, found in executor.results():
                escaped = found.escaped or shared_left()
                yield Try(FAULT, number, found.outcome, escaped and f"{TRIES[number].what}: {escaped}")
    if broken := left(place / "tmp"):
        yield Try(FAULT, len(TRIES), "the cluster ended", broken)


def _attack(number: int, walls: bool, workplace: Workplace, place: Path, _: Cancelled) -> Finding:
    if TRIES[number].walls and not walls:
        return Finding("not tried: this system allows no namespaces", "", "", 0.0)
    return attack(TRIES[number], workplace.templates, place)


def _lost(_: int, reason: str) -> Finding:
    return Finding("lost", reason, f"its worker died: {reason}", 0.0)
