"""The addresses of the explorer: `make_app` for any ASGI server, and `serve`, which runs it.

In goes a release; out comes a web application. Every answer forbids scripts but its own, and says no path of this
machine. Handlers are plain functions, which Starlette runs on threads.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from younger_hf.errors import UsageError, YoungerError
from younger_hf.explore.answers import (
    architecture,
    browse,
    compare,
    difference,
    download,
    drawing,
    embedded,
    figure,
    leaderboard,
    missing,
    modules,
    plotly,
    preview,
    refuse,
    relatives,
    suggestions,
)
from younger_hf.explore.answers import release as the_release
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.explorer import Explorer, client_of
from younger_hf.explore.handing_in import ModelReader
from younger_hf.explore.known_page import contribute, hand_in, known, near_by_vectors, suggest
from younger_hf.explore.learned import Learned
from younger_hf.explore.login import CALLBACK, Contributing
from younger_hf.explore.login_page import come_back, log_in, log_out
from younger_hf.explore.visitors import RateLimit
from younger_hf.release import Release

_COMPRESSION: Final = 4
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co"
    ),
    # Other sites are told nothing. With "no-referrer" a browser would not tell this one where a form is from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def make_app(
    release: Release,
    reader: ModelReader | None = None,
    *,
    shared: bool = False,
    behind_proxy: bool = False,
    limit: RateLimit | None = None,
    handing_in: RateLimit | None = None,
    run: Path | None = None,
    embeddings: Path | None = None,
    contributing: Contributing | None = None,
) -> Starlette:
    """The explorer of a release as an ASGI application.

    Args:
        release: on disk or on the Hub.
        reader: reads models that visitors hand in; without one, they can hand in texts alone.
        shared: whether others than this machine's user can reach it: then no private address is read for them.
        behind_proxy: whether a proxy stands before it, which adds the client's address to X-Forwarded-For.
        limit: how much a client may ask; 200 requests at once and 600 a minute if left out.
        handing_in: how many models a client may hand in; 10 at once and 6 a minute if left out.
        run: suggests operators; the encoder of the release if left out.
        embeddings: what `younger-hf embed --level graph` wrote of this release; what the encoder makes if left out.
        contributing: how visitors log in and contribute; without it, they are shown the command that does.

    Raises:
        ReleaseError: the release cannot be read.
    """
    explorer = Explorer(
        Catalogue.of(release),
        behind_proxy,
        limit or RateLimit(at_once=200, a_minute=600),
        reader or _NoReader(),
        shared or behind_proxy,
        handing_in or RateLimit(at_once=10, a_minute=6),
        Learned(release, run),
        embeddings,
        contributing,
    )

    def at(path: str, handler: Callable[[Explorer, Request], Response | Awaitable[Response]], **options: Any) -> Route:
        return Route(path, partial(handler, explorer), **options)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        explorer.embedded.stop()
        explorer.learned.aside.stop()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            at("/", browse),
            at("/architecture/{fingerprint}", architecture),
            at("/architecture/{fingerprint}/preview.png", preview),
            at("/architecture/{fingerprint}/drawing.svg", drawing),
            at("/architecture/{fingerprint}/modules", modules),
            at("/architecture/{fingerprint}/relatives", relatives),
            at("/architecture/{fingerprint}/embedded", embedded),
            at("/architecture/{fingerprint}/suggestions", suggestions),
            at("/architecture/{fingerprint}/{download}", download),
            at("/compare", compare),
            at("/compare/difference", difference),
            at("/known", known),
            at("/known", hand_in, methods=["POST"]),
            at("/known/embedded", near_by_vectors, methods=["POST"]),
            at("/known/suggestions", suggest, methods=["POST"]),
            at("/contribute", contribute, methods=["POST"]),
            at("/login", log_in),
            at(CALLBACK, come_back),
            at("/logout", log_out, methods=["POST"]),
            at("/release", the_release),
            at("/release/leaderboard", leaderboard),
            at("/release/{figure}.json", figure),
            at("/static/plotly.js", plotly),
            Mount("/static", StaticFiles(directory=str(files("younger_hf.explore") / "static"))),
        ],
        middleware=[
            Middleware(_Guard, explorer=explorer),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=_COMPRESSION),
        ],
        exception_handlers={YoungerError: partial(refuse, explorer), HTTPException: partial(missing, explorer)},
    )
    app.state.explorer = explorer
    return app


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes a free one.

    Raises:
        UsageError: another program has it.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen()  # who opens the page too early waits
    except OSError as error:
        opened.close()
        raise UsageError(f"port {port} cannot be taken ({error.strerror}): choose another with --port") from None
    return opened


def serve(app: Starlette, opened: socket.socket) -> None:
    """Run an application that `make_app` has made at a port until it is interrupted."""
    import uvicorn

    Thread(target=app.state.explorer.warm_up, name="warm up", daemon=True).start()

    config = uvicorn.Config(app, log_level="warning", proxy_headers=False, server_header=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[opened])


class _Guard:
    """Counts what a client asks, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, explorer: Explorer) -> None:
        self._app = app
        self._explorer = explorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *named]
            await send(message)

        if scope["path"].startswith("/static/") or self._explorer.limit.admits(client_of(self._explorer, scope)):
            await self._app(scope, receive, send_with_headers)
        else:
            answer = PlainTextResponse("Too many requests: wait a minute.", 429, {"Retry-After": "60"})
            await answer(scope, receive, send_with_headers)


class _NoReader:
    """Reads nothing."""

    def read_file(self, file: Path) -> bytes:  # noqa: ARG002
        raise YoungerError("this server reads no files")

    def read_url(self, url: str, *, public_only: bool) -> bytes:  # noqa: ARG002
        raise YoungerError("this server reads no addresses")
