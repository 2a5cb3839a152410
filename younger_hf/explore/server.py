"""The addresses of the explorer: `make_app` for any ASGI server, and `serve`, which runs it.

In goes a release; out comes a web application. Every answer forbids scripts but its own, and says no path of this
machine. Handlers are plain functions, which Starlette runs on threads.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from younger_hf.communities import find_communities
from younger_hf.errors import UsageError, YoungerError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.comparison import MOST_COMPARED, Comparisons
from younger_hf.explore.facts import (
    MOST_RUNNABLE,
    Architecture,
    Architectures,
    model_link,
    module_outline,
    python_lines,
)
from younger_hf.explore.pages import number, render, words
from younger_hf.explore.pictures import MOST_IN_FULL, Pictures
from younger_hf.explore.query import Query
from younger_hf.explore.relatives import Relatives
from younger_hf.explore.visitors import RateLimit
from younger_hf.identity import canonicalize
from younger_hf.release import Release

COLUMNS: Final = (
    ("name", "Name"),
    ("num_nodes", "Operators"),
    ("depth", "Depth"),
    ("num_parameters", "Parameters"),
    ("macs", "MACs"),
    ("num_models", "Models"),
    ("downloads", "Downloads"),
)
"""The columns of the table that can be sorted by, and what they are called."""

COMPARED: Final = (
    ("Family", "family"),
    ("Source", "source"),
    ("Task", "task"),
    ("Licence", "license"),
    ("Exporter", "exporter"),
    ("Operators", "num_nodes"),
    ("Operator types", "num_operator_types"),
    ("Data flows", "num_edges"),
    ("Depth", "depth"),
    ("Parameters", "num_parameters"),
    ("MACs", "macs"),
    ("Most frequent", "summary"),
)
"""The facts that are shown side by side."""

_MOST_MODELS: Final = 100
_RELATIVES: Final = 6
_KEEP: Final = {"Cache-Control": "public, max-age=3600"}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self' https://huggingface.co"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ONNX: Final = "application/octet-stream"
_DOWNLOADS: Final[Mapping[str, tuple[str, Callable[[Architecture], str | bytes]]]] = {
    "weightless.onnx": (_ONNX, Architecture.weightless_onnx),
    "runnable.onnx": (_ONNX, Architecture.runnable_onnx),
    "graph.json": ("application/json", Architecture.to_json),
    "graph.txt": ("text/plain; charset=utf-8", Architecture.to_text),
    "graph.graphml": ("application/xml", Architecture.to_graphml),
}


@dataclass(frozen=True, eq=False)
class Explorer:
    """What the handlers work with.

    Attributes:
        catalogue: the rows of the release.
        behind_proxy: whether a proxy stands before the server and says whose requests it hands on.
        limit: how much a client may ask.
    """

    catalogue: Catalogue
    behind_proxy: bool
    limit: RateLimit

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
    def comparisons(self) -> Comparisons:
        """Two rows compared."""
        return Comparisons(self.architectures)

    @property
    def source(self) -> str:
        """What `load` takes for the release, as far as visitors may know."""
        return self.catalogue.name

    def page(self, template: str, here: str = "", status: int = 200, **values: Any) -> HTMLResponse:
        """A page with what all pages have."""
        return HTMLResponse(render(template, here=here, release=self.source, **values), status)


def make_app(release: Release, *, behind_proxy: bool = False, limit: RateLimit | None = None) -> Starlette:
    """The explorer of a release as an ASGI application.

    Args:
        release: on disk or on the Hub.
        behind_proxy: whether a proxy stands before it, which adds the client's address to X-Forwarded-For.
        limit: how much a client may ask; 200 requests at once and 600 a minute if left out.

    Raises:
        ReleaseError: the release cannot be read.
    """
    explorer = Explorer(Catalogue.of(release), behind_proxy, limit or RateLimit(at_once=200, a_minute=600))

    def at(path: str, handler: Callable[[Explorer, Request], Response], **options: Any) -> Route:
        return Route(path, partial(handler, explorer), **options)

    return Starlette(
        routes=[
            at("/", _browse),
            at("/architecture/{fingerprint}", _architecture),
            at("/architecture/{fingerprint}/preview.png", _preview),
            at("/architecture/{fingerprint}/drawing.svg", _drawing),
            at("/architecture/{fingerprint}/modules", _modules),
            at("/architecture/{fingerprint}/relatives", _relatives),
            at("/architecture/{fingerprint}/{download}", _download),
            at("/compare", _compare),
            at("/compare/difference", _difference),
            Mount("/static", StaticFiles(directory=str(files("younger_hf.explore") / "static"))),
        ],
        middleware=[Middleware(_Guard, explorer=explorer), Middleware(GZipMiddleware, minimum_size=2000)],
        exception_handlers={YoungerError: partial(_refuse, explorer), HTTPException: partial(_missing, explorer)},
    )


def listen(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes a free one.

    Raises:
        UsageError: another program has it.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise UsageError(f"port {port} cannot be taken ({error.strerror}): choose another with --port") from None
    return opened


def serve(app: Starlette, opened: socket.socket) -> None:
    """Run an application at a port until it is interrupted."""
    import uvicorn

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


def _refuse(explorer: Explorer, request: Request, error: Exception) -> Response:
    sentence = str(error)
    status = 404 if isinstance(error, UsageError) else 502
    if not wants_page(request):
        return PlainTextResponse(sentence, status)
    title = "This cannot be shown" if status == 404 else "The release cannot be read"
    return explorer.page("error", status=status, title=title, sentence=sentence)


def _missing(explorer: Explorer, request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = "There is no such page." if status == 404 else "This cannot be answered."
    if not wants_page(request):
        return PlainTextResponse(sentence, status)
    return explorer.page("error", status=status, title=sentence.rstrip("."), sentence=f"Status {status}.")


def _browse(explorer: Explorer, request: Request) -> Response:
    query = Query.parse(request.query_params.multi_items())
    catalogue = explorer.catalogue
    return explorer.page(
        "browse",
        "/",
        query=query,
        found=catalogue.select(query),
        size=len(catalogue),
        choices=catalogue.choices,
        operators=catalogue.used_operators[:300],
        columns=COLUMNS,
        wide=True,
    )


def _architecture(explorer: Explorer, request: Request) -> Response:
    opened = explorer.architectures.open(request.path_params["fingerprint"])
    facts = opened.facts
    models = facts["models"] or []
    listed = {
        "Source": words(facts["source"]),
        "Origin": words(facts["origin"]),
        "Licence": words(facts["license"]),
        "Library": words(facts["library"]),
        "Exporter": words(facts["exporter"]),
        "Opset": number(facts["opset"]),
        "Operators": f"{number(facts['num_nodes'])} of {number(facts['num_operator_types'])} types",
        "Data flows": number(facts["num_edges"]),
        "Depth": number(facts["depth"]),
        "Parameters": number(facts["num_parameters"]),
        "MACs": number(facts["macs"]),
        "Models": number(facts["num_models"]),
        "Skeletons": number(facts["num_skeletons"]),
        "Split": f"{facts['split']} (paper's: {words(facts['paper_split'])})",
    }
    return explorer.page(
        "architecture",
        facts=facts,
        listed=list(listed.items()),
        operators=list(opened.graph.operator_counts().items()),
        models=[(model, model_link(model)) for model in models[:_MOST_MODELS]],
        more_models=max(0, len(models) - _MOST_MODELS),
        evaluations=(facts["evaluations"] or [])[:20],
        has_skeleton=opened.skeleton is not None,
        runnable=(facts["num_parameters"] or 0) <= MOST_RUNNABLE,
        most_in_full=MOST_IN_FULL,
        python=python_lines(facts, explorer.source),
    )


def _preview(explorer: Explorer, request: Request) -> Response:
    image = explorer.catalogue.preview(request.path_params["fingerprint"])
    if image is None:
        return PlainTextResponse("There is no preview.", 404)
    return Response(image, media_type="image/png", headers=_KEEP)


def _drawing(explorer: Explorer, request: Request) -> Response:
    module = request.query_params.get("module", "")
    if module and not (module.isascii() and module.isdecimal() and len(module) < 9):
        raise UsageError("a module is named by its number")
    svg = explorer.pictures.draw(
        request.path_params["fingerprint"], int(module) if module else None, full="full" in request.query_params
    )
    return Response(svg, media_type="image/svg+xml", headers=_KEEP)


def _modules(explorer: Explorer, request: Request) -> Response:
    opened = explorer.architectures.open(request.path_params["fingerprint"])
    graph = canonicalize(opened.graph).graph
    community = find_communities(graph)
    found = [Counter[str]() for _ in range(int(community.max(initial=-1)) + 1)]
    for operator, number_ in zip(graph.operator, community.tolist(), strict=True):
        found[number_][operator.type_label] += 1
    found.sort(key=lambda counts: -counts.total())
    summed = [(counts.total(), " ".join(f"{name}×{n}" for name, n in counts.most_common(6))) for counts in found]
    return HTMLResponse(render("modules", modules=module_outline(opened), communities=summed))


def _relatives(explorer: Explorer, request: Request) -> Response:
    fingerprint = request.path_params["fingerprint"]
    opened = explorer.architectures.open(fingerprint)
    normal = opened.facts["normal_fingerprint"]
    return HTMLResponse(
        render(
            "relatives",
            fingerprint=fingerprint,
            same=[row for row in explorer.catalogue.same_network(normal) if row["fingerprint"] != fingerprint],
            near=explorer.relatives.of_row(fingerprint, _RELATIVES),
            similar=explorer.relatives.by_operators(opened.graph, _RELATIVES, fingerprint),
        )
    )


def _compare(explorer: Explorer, request: Request) -> Response:
    asked = [one.strip()[:300] for one in request.query_params.getlist("with")][:2]
    found = [explorer.catalogue.named(one) for one in asked]
    return explorer.page(
        "compare",
        "/compare",
        asked=[*asked, "", ""][:2],
        pair=[row for row in found if row is not None],
        missing=[one for one, row in zip(asked, found, strict=True) if row is None and one],
        names=explorer.catalogue.prominent,
        facts=COMPARED,
    )


def _difference(explorer: Explorer, request: Request) -> Response:
    asked = request.query_params.getlist("with")
    if len(asked) != 2:
        raise UsageError("two architectures are compared")
    compared = explorer.comparisons.of(*asked)
    return HTMLResponse(render("difference", compared=compared, most=MOST_COMPARED))


def _download(explorer: Explorer, request: Request) -> Response:
    name = request.path_params["download"]
    if name not in _DOWNLOADS:
        raise HTTPException(404)
    opened = explorer.architectures.open(request.path_params["fingerprint"])
    kind, make = _DOWNLOADS[name]
    file_name = f"{opened.file_name}.{name.partition('.')[2]}"
    disposition = f"attachment; filename*=UTF-8''{quote(file_name)}"
    return Response(make(opened), media_type=kind, headers={"Content-Disposition": disposition})
