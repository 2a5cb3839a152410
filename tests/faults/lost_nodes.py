"""A node of a Ray cluster that goes away, with all its processes, at a drawn moment of a build on the cluster.

The build ends on the node that stays, with the bytes of a build on this machine; no conversion is entered twice, and
no process, scratch file or shared memory is left. The moment is a share, drawn by seed, of what an undisturbed build
takes.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from counted import Try
from killed import SOURCE
from processes import DONE, left, run_forked
from support.releases import lasting

import builders.assemble.assembly  # noqa: F401 - so that the fork has it too
from builders.ledger import Ledger
from builders.pipeline import build
from younger_hf.errors import YoungerError

FAULT = "a node of a Ray cluster goes away while a build converts and measures there"
_NODES = 2


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Build on a cluster of two nodes for each seed, of which one goes away."""
    here = place / "here"
    here.mkdir(parents=True)
    if run_forked(partial(_build, here), place / "printed") != DONE:
        raise RuntimeError((place / "printed").read_text())
    expected = lasting(here / "younger")
    undisturbed = place / "undisturbed"
    undisturbed.mkdir()
    with cluster(undisturbed) as whole:
        started = time.monotonic()
        _build(undisturbed, whole.address)
        seconds = time.monotonic() - started
    broken = left(undisturbed / "tmp")
    if lasting(undisturbed / "younger") != expected:
        broken = broken or "a release of a cluster is not what this machine makes"
    for seed in seeds:
        one = _try(seed, seconds, expected, place / str(seed))
        yield Try(one.fault, one.seed, one.ended, one.broken or broken)
        broken = ""


def _try(seed: int, seconds: float, expected: dict[str, object], place: Path) -> Try:
    place.mkdir()
    drawn = random.Random(f"node {seed}")
    moment, number = drawn.uniform(0, seconds), drawn.randrange(_NODES)
    ended, broken = "", ""
    with cluster(place) as nodes:
        lost = sorted(nodes.worker_nodes, key=lambda node: str(node.node_id))[number]
        built = threading.Event()

        def strike() -> None:
            nonlocal ended
            ended = "built before it went" if built.wait(moment) else "built without it"
            nodes.remove_node(lost, allow_graceful=False)

        striker = threading.Thread(target=strike)
        striker.start()
        try:
            _build(place, nodes.address)
        except YoungerError as error:
            broken = str(error)
        built.set()
        striker.join()
    broken = broken or left(place / "tmp")
    if not broken and lasting(place / "younger") != expected:
        broken = "another release"
    with Ledger(place / "work", read_only=True) as ledger:
        converted = [attempt.id for attempt in ledger.attempts()]
    if not broken and len(converted) != len(set(converted)):
        broken = "a model was entered twice"
    return Try(FAULT, seed, ended, broken)


def _build(place: Path, address: str | None = None) -> None:
    build([SOURCE], place / "younger", place / "work", address=address)


@contextmanager
def cluster(place: Path, nodes: int = _NODES) -> Iterator[Any]:
    """A cluster of this machine whose head has no processor, and each other node one; its scratch is in `place/tmp`."""
    scratch = place / "tmp"
    scratch.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own,
        pytest.MonkeyPatch.context() as at,
    ):
        for name, value in {
            "TMPDIR": str(scratch),
            "RAY_TMPDIR": own,  # sockets are there, whose paths must be short
            "RAY_worker_niceness": "0",
            "PYTHONPATH": os.pathsep.join(map(str, sys.path)),
        }.items():
            at.setenv(name, value)
        at.setattr(tempfile, "tempdir", str(scratch))
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            for _ in range(nodes):
                made.add_node(num_cpus=1)
            made.wait_for_nodes()
            yield made
        finally:
            made.shutdown()
