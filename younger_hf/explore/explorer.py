"""`Explorer`: what the handlers of the explorer's addresses work with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from younger_hf.compiled import INTERPRETED, runs_compiled
from younger_hf.errors import YoungerError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.comparison import Comparisons
from younger_hf.explore.embedded import Embedded
from younger_hf.explore.facts import Architectures
from younger_hf.explore.figures import Atlas
from younger_hf.explore.handing_in import Desk, ModelReader
from younger_hf.explore.known import of_skeleton
from younger_hf.explore.learned import Learned
from younger_hf.explore.login import Contributing
from younger_hf.explore.pages import render
from younger_hf.explore.pictures import Pictures
from younger_hf.explore.relatives import Relatives
from younger_hf.explore.remembered import Remembered
from younger_hf.explore.standings import Standings
from younger_hf.explore.visitors import RateLimit
from younger_hf.identity import canonicalize


@dataclass(frozen=True, eq=False)
class Explorer:
    """What the handlers work with.

    Attributes:
        catalogue: the rows of the release.
        behind_proxy: whether a proxy stands before the server and says whose requests it hands on.
        limit: how much a client may ask.
        reader: reads models that visitors hand in.
        shared: whether others than this machine's user can reach the server.
        handing_in: how many models a client may hand in.
        learned: the encoder that suggests operators.
        embeddings: a file of an encoder's vectors of the rows; None for those that `learned` makes.
        contributing: how visitors log in and contribute; None where they cannot.
    """

    catalogue: Catalogue
    behind_proxy: bool
    limit: RateLimit
    reader: ModelReader
    shared: bool
    handing_in: RateLimit
    learned: Learned
    embeddings: Path | None = None
    contributing: Contributing | None = None

    def __post_init__(self) -> None:
        # Now, and not by whichever of several threads comes first; none of these reads anything yet.
        _ = (self.pictures, self.comparisons, self.relatives, self.embedded, self.atlas, self.standings, self.desk)

    @cached_property
    def architectures(self) -> Architectures:
        """The rows that are opened."""
        return Architectures(self.catalogue)

    @cached_property
    def pictures(self) -> Pictures:
        """Their drawings."""
        return Pictures(self.architectures)

    @cached_property
    def relatives(self) -> Relatives:
        """The rows near one."""
        return Relatives(self.catalogue)

    @cached_property
    def atlas(self) -> Atlas:
        """The map of the release."""
        return Atlas(self.catalogue, self.relatives, Remembered.in_cache("maps"))

    @cached_property
    def embedded(self) -> Embedded:
        """The rows near one by an encoder's vectors."""
        return Embedded(self.catalogue, self.learned, self.embeddings, Remembered.in_cache("vectors"))

    @cached_property
    def standings(self) -> Standings:
        """The leaderboard of the release."""
        return Standings(self.catalogue.release)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Two rows compared."""
        return Comparisons(self.architectures)

    @cached_property
    def desk(self) -> Desk:
        """Where models are handed in."""
        return Desk(self.catalogue, self.relatives, self.reader, shared=self.shared)

    def warm_up(self) -> None:
        """Do what the first visitors would wait for: compile what draws and compares, and read rows ahead.

        Compiling takes a while the first time after an installation. For a thread: what fails here is said to whoever
        asks for it.
        """
        if not len(self.catalogue):
            return
        from younger_hf.communities import find_communities

        with suppress(YoungerError):
            runs_compiled(INTERPRETED + 1)
            middle = len(self.catalogue) // 2
            first, *others = list(self.catalogue.positions)[middle : middle + 2]
            self.pictures.draw(first)
            opened = self.architectures.open(first)
            find_communities(canonicalize(opened.graph).graph)
            if opened.skeleton is not None:
                of_skeleton(self.catalogue, self.relatives, opened.weightless_onnx(), first)
            for other in others:
                self.comparisons.of(first, other)
            self.architectures.fill()

    @property
    def source(self) -> str:
        """What `load` takes for the release, as far as visitors may know."""
        return self.catalogue.name

    def page(self, template: str, here: str = "", status: int = 200, **values: Any) -> HTMLResponse:
        """A page with what all pages have."""
        return HTMLResponse(render(template, here=here, release=self.source, **values), status)


def client_of(explorer: Explorer, scope: Scope) -> str:
    """The address that a request came from; behind a proxy what that has added, and nothing that the client says."""
    if explorer.behind_proxy:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        if forwarded:
            return str(forwarded[-1].decode("latin-1").rpartition(",")[2].strip())
    return str(scope["client"][0]) if scope.get("client") else ""


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, and not a script for a part of one."""
    return "text/html" in request.headers.get("accept", "")
