"""A Hub that fails in twelve ways, at a request drawn by seed, while it is crawled, published to, contributed to.

The thirteenth is that the client is killed once the Hub has done what was asked, and before it says so.

Whatever is done to it ends well or with a sentence; the repository is as it was or as it was to become; without the
fault, the same command gives what it would have given at once.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from counted import Try
from hub.client import client
from hub.faults import Fault
from hub.listed import listed
from hub.repositories import Repository
from hub.server import Hub, hub
from huggingface_hub import constants
from processes import left, run_forked
from support.contributions import contribution
from support.light import built

from builders import contribute as contributing
from builders.contribute import Provenance
from builders.crawl import hub_client, hub_repository, huggingface
from builders.ledger import Ledger
from builders.pipeline import crawl
from builders.publish import publish
from younger_hf.errors import YoungerError

NAME: Final = "org/younger"
_HTML = b"<html><body>Please log in to the network of the hotel</body></html>"
_PATIENCE = 2.0  # seconds for an answer, so that a stalled one costs no more

KILLED: Final = "kill -9 of the client"

WAYS: Final[dict[str, Callable[[Hub], Fault]]] = {
    "503": lambda _: Fault(status=503),
    "500": lambda _: Fault(status=500),
    "429 with Retry-After": lambda _: Fault(status=429, headers={"Retry-After": "0"}),
    "403": lambda _: Fault(status=403),
    "404": lambda _: Fault(status=404),
    "an answer that does not come": lambda _: Fault(stall=2 * _PATIENCE),
    "an answer that is cut": lambda _: Fault(cut=20),
    "a request that is cut": lambda _: Fault(cut_request=20),
    "an answer that is lost": lambda _: Fault(lose_answer=True),
    "JSON that ends early": lambda _: Fault(body=b'{"id": "org/you'),
    "the page of a proxy": lambda _: Fault(body=_HTML, headers={"Content-Type": "text/html"}),
    "a commit between two requests": lambda served: Fault(then=partial(_commit, served)),
    KILLED: lambda _: Fault(then=_kill_clients),
}


@dataclass(frozen=True)
class Operation:
    """Something that is done with a Hub.

    Attributes:
        name: as the report has it.
        repositories: what the Hub holds at first.
        act: what is done, given a directory.
        state: what the Hub, or a ledger in the directory, then holds, in parts each of which is to be whole.
    """

    name: str
    repositories: Callable[[], list[Repository]]
    act: Callable[[Path], object]
    state: Callable[[Hub, Path], tuple[Any, ...]]


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Let the Hub fail once for each seed: ways take turns, and operations, and the request is drawn."""
    place.mkdir(parents=True)
    first = built(place / "first", ("resnet50", "squeezenet"))
    second = built(place / "second", ("resnet50", "squeezenet", "vgg19"), previous=first)
    operations = _operations(first, second)
    with _impatient():
        undisturbed = [_undisturbed(operation, place / operation.name) for operation in operations]
        for seed in seeds:
            way = list(WAYS)[seed % len(WAYS)]
            turn = seed // len(WAYS) % len(operations)
            yield _try(operations[turn], way, seed, *undisturbed[turn], place / f"try-{seed}")


def _try(
    operation: Operation,
    way: str,
    seed: int,
    before: tuple[Any, ...],
    expected: tuple[Any, ...],
    requests: int,
    place: Path,
) -> Try:
    fault = f"the Hub, while one does {operation.name}: {way}"
    place.mkdir()
    ended, broken = "done in spite of it", ""
    with hub(*operation.repositories()) as served, _client(served, place / "home"):
        served.faults.add("*", WAYS[way](served), after=random.Random(f"hub {seed}").randrange(requests))
        try:
            if way != KILLED:
                operation.act(place)
            elif run_forked(partial(operation.act, place), place / "printed") == -signal.SIGKILL:
                ended = "killed, then done"
        except YoungerError as error:
            ended = "ended with a sentence, then done"
            if "\n" in str(error):
                broken = f"no sentence: {error}"
        except Exception as error:
            ended, broken = "ended with a traceback", f"{type(error).__name__}: {error}"
        served.faults.clear()
        parts = zip(operation.state(served, place), before, expected, strict=True)
        if operation.act is not _crawl and any(now not in (then, soon) for now, then, soon in parts):
            broken = broken or "the repository is neither as it was nor as it was to be"
        try:
            operation.act(place)
        except YoungerError as error:
            ended, broken = "not done afterwards", broken or str(error)
        if operation.state(served, place) != expected:
            broken = broken or "in the end it is not as it was to be"
    broken = broken or left()
    return Try(fault, seed, ended, broken)


def _undisturbed(operation: Operation, place: Path) -> tuple[tuple[Any, ...], tuple[Any, ...], int]:
    """The states before and after, and how many requests it takes."""
    place.mkdir()
    with hub(*operation.repositories()) as served, _client(served, place / "home"):
        before = operation.state(served, place)
        served.log.clear()
        operation.act(place)
        return before, operation.state(served, place), len(served.log)


def _operations(first: Path, second: Path) -> list[Operation]:
    prepared = contribution("shufflenet")
    facts = contributing.measure(prepared.skeleton).facts

    def with_first() -> list[Repository]:
        return [Repository.of_directory(NAME, first, "datasets")]

    def propose(_: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contributing, "find_model", lambda *_: prepared.model)
            patch.setattr(contributing, "prepare", lambda *_, **__: (prepared, facts))
            contributing.contribute("shufflenet.onnx", NAME, Provenance())

    def published(served: Hub, _: Path) -> tuple[Any, ...]:
        return _files(served, "main"), sorted(served.repositories[NAME].tags)

    def proposed(served: Hub, _: Path) -> tuple[Any, ...]:
        pulls = [name for name in served.repositories[NAME].branches if name.startswith("refs/pr/")]
        return _files(served, "main"), [_files(served, name) for name in pulls]

    return [
        Operation("a crawl", listed, _crawl, _crawled),
        Operation("a publication", with_first, lambda _: publish(second, NAME, tag="v2"), published),
        Operation("a contribution", with_first, propose, proposed),
    ]


def _crawl(place: Path) -> None:
    with Ledger(place / "work") as ledger:
        crawl(ledger, "huggingface")


def _crawled(_: Hub, place: Path) -> tuple[Any, ...]:
    with Ledger(place / "work") as ledger:
        # A model that somebody has changed meanwhile is there at both revisions.
        return ({(one.model.id, one.model.component, one.model.task) for one in ledger.entries()},)


def _files(served: Hub, revision: str) -> dict[str, bytes]:
    """The files of a release, without what others have committed between."""
    commit = served.repositories[NAME].at(revision)
    found = commit.files if commit else {}
    return {
        path: content.open().read() for path, content in found.items() if path not in (".gitattributes", "notes.md")
    }


def _commit(served: Hub) -> None:
    """Somebody else commits something."""
    served.repositories[next(iter(served.repositories))].commit({"notes.md": b"mine"})


def _kill_clients() -> None:
    for process in psutil.Process().children():
        process.kill()


@contextmanager
def _client(served: Hub, home: Path) -> Iterator[None]:
    served.users = {"hf_ada": "ada"}
    with client(served, home, token="hf_ada"):
        yield


@contextmanager
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_client, "BACKOFF", 0.01)
        patch.setattr(hub_client, "TIMEOUT", _PATIENCE)
        patch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", _PATIENCE)
        patch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", _PATIENCE)
        patch.setattr(huggingface, "PAGE_SIZE", 3)
        patch.setattr(hub_repository, "_timm_families", dict)
        yield
