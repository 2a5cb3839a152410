"""`kill -9` at seeded moments of a build and of a publication, of the driver or of what it started; then run again.

After each kill the release that was there is whole, old or new; after the next run the release is, byte for byte, that
of a build that nothing happened to (but for how long conversions took), and no process and no scratch file is left.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from counted import Try
from processes import DONE, kill_me, left, run_forked
from strikes import Moments
from support.light import record
from support.releases import files, lasting

import builders.assemble.assembly  # noqa: F401 - so that not every fork has to
from builders.convert import Outcome
from builders.ledger import Ledger
from builders.pipeline import build

SOURCE = "onnx-package:resnet50,squeezenet,vgg19"
FIRST = ("resnet50", "squeezenet")

Kill = Callable[[random.Random], None]


@dataclass(frozen=True)
class Stage:
    """Something that is killed.

    Attributes:
        name: as the report has it.
        prepare: fills a directory with what there is before.
        act: what is killed, given that directory, and then done again.
    """

    name: str
    prepare: Callable[[Path], object]
    act: Callable[[Path], object]


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Kill builds, one after the other: seeds take turns among stages, and moments within a stage are drawn by seed."""
    place.mkdir(parents=True)
    empty, filled = place / "nothing", place / "filled"
    empty.mkdir()
    _prepared(filled, place)
    convert = Stage("driver killed while it converts", partial(_copy, empty), _convert)
    assemble = Stage("driver killed while it assembles over an earlier release", partial(_copy, filled), _assemble)
    children = Stage("template, converting or checking process killed", partial(_copy, empty), _convert)
    undisturbed = {}
    for stage in (convert, assemble):
        undisturbed[stage.act] = _undisturbed(stage, place)
    turns = ((convert, _kill_driver), (assemble, _kill_driver), (assemble, _kill_driver), (children, _kill_one_below))
    for seed in seeds:
        stage, kill = turns[seed % len(turns)]
        expected, moments = undisturbed[stage.act]
        drawn = random.Random(f"{stage.name} {seed}")
        number = drawn.randint(1, moments)
        yield _kill_once(stage, kill, number, expected, place / f"kill-{seed}", seed)


def _kill_once(stage: Stage, kill: Kill, number: int, expected: dict[str, object], place: Path, seed: int) -> Try:
    stage.prepare(place)
    before = _release(place)
    temporary = place / "tmp"

    def disturbed() -> None:
        Moments(place, number, partial(kill, random.Random(seed)))
        stage.act(place)

    code = run_forked(disturbed, place / "printed")
    ended = "killed" if code == -signal.SIGKILL else "ended by itself"
    broken = left()
    if not broken and _release(place) not in (before, expected):
        broken = "a release that is neither the old one nor the new one"
    again = run_forked(partial(stage.act, place), place / "printed")
    broken = broken or left(temporary)
    if again != DONE:
        broken = broken or f"run again, it ended with {again}"
    elif _release(place) != expected:
        broken = broken or "another release"
    if extra := {path.name for path in place.iterdir()} - {"younger", "work", "tmp", "printed"}:
        broken = broken or f"files left: {', '.join(sorted(extra))}"
    if extra := {path.name for path in (place / "work").iterdir()} - {"ledger.sqlite", "ledger.lock"}:
        broken = broken or f"files left in the ledger's directory: {', '.join(sorted(extra))}"
    if not broken:
        shutil.rmtree(place)
    return Try(stage.name, seed, f"{ended}, then built" if again == DONE else f"{ended}, then not built", broken)


def _undisturbed(stage: Stage, place: Path) -> tuple[dict[str, object], int]:
    """The release that comes of a stage, and how many moments there are to strike at."""
    here = place / f"undisturbed-{stage.act.__name__}"
    stage.prepare(here)

    def counted() -> None:
        moments = Moments(here)
        stage.act(here)
        (here / "moments").write_text(str(moments.passed))

    code = run_forked(counted, here / "printed")
    if code != DONE:
        raise RuntimeError(f"{stage.name}, undisturbed: {(here / 'printed').read_text()}")
    return _release(here), int((here / "moments").read_text())


def _convert(place: Path) -> None:
    _use_temporary(place)
    build([SOURCE], place / "younger", place / "work", retry=[Outcome.CRASHED])


def _assemble(place: Path) -> None:
    _use_temporary(place)
    build([], place / "younger", place / "work")


def _use_temporary(place: Path) -> None:
    os.environ["TMPDIR"] = tempfile.tempdir = str(place / "tmp")


def _prepared(place: Path, scratch: Path) -> None:
    """A release of two models, and a ledger that has a third."""
    place.mkdir()
    (place / "tmp").mkdir()

    def first() -> None:
        with Ledger(place / "work") as ledger:
            record(ledger, FIRST)
        build([], place / "younger", place / "work")
        with Ledger(place / "work") as ledger:
            record(ledger, ["vgg19"])

    if run_forked(first, scratch / "prepared") != DONE:
        raise RuntimeError((scratch / "prepared").read_text())


def _copy(source: Path, place: Path) -> None:
    shutil.copytree(source, place)
    (place / "tmp").mkdir(exist_ok=True)


def _release(place: Path) -> dict[str, object]:
    release = place / "younger"
    if not release.exists():
        return {}
    try:
        return lasting(release)
    except OSError:  # a file of it is missing
        return dict(files(release))


def _kill_driver(_: random.Random) -> None:
    kill_me()


def _kill_one_below(drawn: random.Random) -> None:
    """Kill one of the processes that the driver has started, whichever there are."""
    below = psutil.Process().children(recursive=True)
    if below:
        with suppress(psutil.Error):
            drawn.choice(sorted(below, key=lambda process: process.pid)).kill()
