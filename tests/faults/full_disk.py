"""A disk that is full at some point of a build: a file system in memory, in a namespace of its own, of a given size.

The build ends with a sentence; what was there stays whole; with room, the same command gives the same release.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from counted import Try
from killed import FIRST
from processes import DONE, SAID, left, run_forked
from support.light import record
from support.releases import files

import builders.assemble.assembly  # noqa: F401 - so that not every fork has to
from builders.convert.isolation import system_calls as calls
from builders.ledger import Ledger
from builders.pipeline import build

FAULT = "disk full while a build converts and assembles over an earlier release"
_MS_REMOUNT = 32  # linux/mount.h
_AMPLE = 64 << 20  # bytes
_NOT_POSSIBLE = 5


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Build on disks of sizes between what is there at first and twice what a build needs, drawn by seed."""
    place.mkdir(parents=True)
    filled = place / "filled"
    filled.mkdir()
    if run_forked(partial(_prepare, filled), place / "printed") != DONE:
        raise RuntimeError((place / "printed").read_text())
    needed = place / "needed"
    code = run_forked(partial(_measure, filled, place / "disk", needed), place / "printed")
    if code == _NOT_POSSIBLE:
        yield Try(FAULT, 0, "not possible: this system mounts no file system for us")
        return
    if code != DONE:
        raise RuntimeError((place / "printed").read_text())
    least, most = map(int, needed.read_text().split())
    for seed in seeds:
        size = random.Random(f"disk {seed}").randint(least, most)
        said = place / f"said-{seed}"
        run_forked(partial(_build_on_disk, size, filled, place / "disk", said), place / "printed")
        ended, broken = said.read_text().split("\n", 1) if said.exists() else ("ended without a word", "no word")
        yield Try(FAULT, seed, ended, broken or left())


def _prepare(place: Path) -> None:
    with Ledger(place / "work") as ledger:
        record(ledger, FIRST)
    build([], place / "younger", place / "work")
    with Ledger(place / "work") as ledger:
        record(ledger, ["vgg19", "shufflenet"])


def _build(place: Path) -> None:
    tempfile.tempdir = os.environ["TMPDIR"] = str(place)
    build([], place / "younger", place / "work")


def _measure(filled: Path, disk: Path, needed: Path) -> None:
    """Build where there is room, and note how much a disk must hold at first and what it held in the end."""
    _mount(disk, _AMPLE)
    shutil.copytree(filled, disk / "here")
    least = _used(disk)
    _build(disk / "here")
    # The earlier release stays until the new one is whole, and the spool and the new files are there besides.
    needed.write_text(f"{least} {4 * _used(disk)}")


def _build_on_disk(size: int, filled: Path, disk: Path, said: Path) -> None:
    _mount(disk, _AMPLE)
    here = disk / "here"
    shutil.copytree(filled, here)
    before = files(here / "younger")
    _resize(disk, size)
    code = run_forked(partial(_build, here), said.with_suffix(".printed"))
    after = files(here / "younger")
    broken = "" if code in (DONE, SAID) else f"it ended with {code}: {said.with_suffix('.printed').read_text()[-300:]}"
    if code != DONE and after != before:
        broken = broken or "the earlier release is not what it was"
    _resize(disk, _AMPLE)
    again = run_forked(partial(_build, here), said.with_suffix(".printed"))
    if again != DONE:
        broken = broken or f"with room it ended with {again}"
    fresh = disk / "fresh"
    shutil.copytree(filled, fresh)
    if run_forked(partial(_build, fresh), said.with_suffix(".printed")) != DONE or files(fresh / "younger") != files(
        here / "younger"
    ):
        broken = broken or "another release"
    if extra := {path.name for path in here.iterdir()} - {"younger", "work"}:
        broken = broken or f"files left: {', '.join(sorted(extra))}"
    ended = "built in the room there was" if code == DONE else "ended with a sentence, then built"
    said.write_text(f"{ended}\n{broken}")


def _used(disk: Path) -> int:
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def _mount(disk: Path, size: int) -> None:
    """Mount a file system in memory for this process alone, which ends where that is not possible."""
    disk.mkdir(exist_ok=True)
    user, group = os.getuid(), os.getgid()
    try:
        calls.unshare(calls.CLONE_NEWNS | (calls.CLONE_NEWUSER if user else 0))
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        calls.mount("none", "/", flags=calls.MS_REC | calls.MS_PRIVATE)  # nobody else sees what is mounted
        calls.mount("tmpfs", str(disk), "tmpfs", options=f"size={size}")
    except OSError:
        os._exit(_NOT_POSSIBLE)


def _resize(disk: Path, size: int) -> None:
    calls.mount("none", str(disk), flags=_MS_REMOUNT, options=f"size={size}")
