"""Two builders at once on one work directory: one builds, the other is told so, and nothing is entered twice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from counted import Try
from killed import SOURCE
from processes import DONE, SAID, left, run_forked
from support.releases import lasting

import builders.assemble.assembly  # noqa: F401 - so that not every fork has to
from builders.ledger import Ledger
from builders.pipeline import build

FAULT = "two builders on one work directory"


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Start two at once; whoever comes second builds afterwards."""
    place.mkdir(parents=True)
    expected: dict[str, object] = {}
    for seed in seeds:
        here = place / str(seed)
        here.mkdir()
        other = os.fork()
        if other == 0:
            os._exit(run_forked(partial(_build, here), here / "other"))
        mine = run_forked(partial(_build, here), here / "mine")
        theirs = os.waitstatus_to_exitcode(os.waitpid(other, 0)[1])
        broken = left()
        if not {mine, theirs} <= {DONE, SAID} or DONE not in (mine, theirs):
            broken = broken or f"they ended with {mine} and {theirs}"
        if run_forked(partial(_build, here), here / "again") != DONE:
            broken = broken or f"afterwards: {(here / 'again').read_text()[-300:]}"
        with Ledger(here / "work", read_only=True) as ledger:
            attempts = [attempt.id for attempt in ledger.attempts()]
        if len(attempts) != len(set(attempts)):
            broken = broken or "a model was converted twice"
        expected = expected or lasting(here / "younger")
        if lasting(here / "younger") != expected:
            broken = broken or "another release"
        yield Try(FAULT, seed, "one built, one was told" if SAID in (mine, theirs) else "both built", broken)


def _build(here: Path) -> None:
    build([SOURCE], here / "younger", here / "work")
