"""What is answered at each address but "Is mine known?": functions of an `Explorer` and a request."""

from __future__ import annotations

import gzip
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from younger_hf.errors import UsageError
from younger_hf.explore.comparison import MOST_COMPARED
from younger_hf.explore.explorer import Explorer, wants_page
from younger_hf.explore.facts import MOST_RUNNABLE, Architecture, model_link, module_outline, python_lines
from younger_hf.explore.figures import FIGURES
from younger_hf.explore.learned import NothingLearnedError
from younger_hf.explore.pages import number, render, words
from younger_hf.explore.pictures import MOST_IN_FULL
from younger_hf.explore.query import Query
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize

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
_ONNX: Final = "application/octet-stream"
_DOWNLOADS: Final[Mapping[str, tuple[str, Callable[[Architecture], str | bytes]]]] = {
    "weightless.onnx": (_ONNX, Architecture.weightless_onnx),
    "runnable.onnx": (_ONNX, Architecture.runnable_onnx),
    "graph.json": ("application/json", Architecture.to_json),
    "graph.txt": ("text/plain; charset=utf-8", Architecture.to_text),
    "graph.graphml": ("application/xml", Architecture.to_graphml),
}


def browse(explorer: Explorer, request: Request) -> Response:
    """The table of rows that pass a query."""
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
        columns=[one for one in COLUMNS if catalogue.is_known(one[0])],
        wide=True,
    )


def architecture(explorer: Explorer, request: Request) -> Response:
    """The page of a row."""
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
        why_not=explorer.learned.why_not,
        has_vectors=explorer.embedded.is_there,
    )


def preview(explorer: Explorer, request: Request) -> Response:
    """The preview of a row."""
    image = explorer.catalogue.preview(request.path_params["fingerprint"])
    if image is None:
        return PlainTextResponse("There is no preview.", 404)
    return Response(image, media_type="image/png", headers=_KEEP)


def drawing(explorer: Explorer, request: Request) -> Response:
    """The drawing of a row, or of a module of it."""
    module = position(request.query_params.get("module", ""))
    svg = explorer.pictures.draw(request.path_params["fingerprint"], module, full="full" in request.query_params)
    return _gzipped(request, svg, "image/svg+xml")


def position(given: str) -> int | None:
    """A position that a client gives; None for none."""
    if given and not (given.isascii() and given.isdecimal() and len(given) < 9):
        raise UsageError("operators and modules are named by their numbers")
    return int(given) if given else None


def suggestions(explorer: Explorer, request: Request) -> Response:
    """What could stand in the place of an operator of a row: a part of its page."""
    asked = request.query_params
    node, module = position(asked.get("node", "")), position(asked.get("module", ""))
    opened = explorer.architectures.open(request.path_params["fingerprint"])
    if module is not None and node is not None:
        _, nodes = opened.inside(module)
        node = int(nodes[node]) if node < len(nodes) else opened.graph.num_nodes
    return suggested(explorer, opened.graph, node)


def suggested(explorer: Explorer, graph: OperatorGraph, node: int | None) -> Response:
    """The part of a page that says what could stand in the place of an operator."""
    if node is None:
        raise UsageError("name an operator by its number")
    try:
        place = explorer.learned.suggest(graph, node)
    except NothingLearnedError as error:
        return HTMLResponse(render("suggestions", why_not=str(error)))
    return HTMLResponse(render("suggestions", why_not="", place=place, node=node))


def embedded(explorer: Explorer, request: Request) -> Response:
    """The rows near a row by the vectors of an encoder: a part of its page."""
    fingerprint = request.path_params["fingerprint"]
    return near(explorer, explorer.architectures.open(fingerprint).graph, fingerprint)


def near(explorer: Explorer, graph: OperatorGraph, fingerprint: str) -> Response:
    """The part of a page with the rows near a graph by vectors; status 202 while they are made."""
    found = explorer.embedded.near(graph, _RELATIVES, fingerprint)
    if found is None:
        return PlainTextResponse("The encoder reads the release.", 202)
    return HTMLResponse(render("embedded", near=found))


def modules(explorer: Explorer, request: Request) -> Response:
    """Modules and communities of a row: a part of its page."""
    from younger_hf.communities import find_communities  # with igraph, as what draws

    opened = explorer.architectures.open(request.path_params["fingerprint"])
    graph = canonicalize(opened.graph).graph
    community = find_communities(graph)
    found = [Tally[str]() for _ in range(int(community.max(initial=-1)) + 1)]
    for operator, number_ in zip(graph.operator, community.tolist(), strict=True):
        found[number_][operator.type_label] += 1
    found.sort(key=lambda counts: -counts.total())
    summed = [(counts.total(), " ".join(f"{name}×{n}" for name, n in counts.most_common(6))) for counts in found]
    return HTMLResponse(render("modules", modules=module_outline(opened), communities=summed))


def relatives(explorer: Explorer, request: Request) -> Response:
    """The rows near a row: a part of its page."""
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


def compare(explorer: Explorer, request: Request) -> Response:
    """Two rows side by side."""
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


def difference(explorer: Explorer, request: Request) -> Response:
    """What two rows have in common and what not: a part of the page."""
    asked = request.query_params.getlist("with")
    if len(asked) != 2:
        raise UsageError("two architectures are compared")
    compared = explorer.comparisons.of(*asked)
    return HTMLResponse(render("difference", compared=compared, most=MOST_COMPARED))


def download(explorer: Explorer, request: Request) -> Response:
    """A row as a file."""
    name = request.path_params["download"]
    if name not in _DOWNLOADS:
        raise HTTPException(404)
    opened = explorer.architectures.open(request.path_params["fingerprint"])
    kind, make = _DOWNLOADS[name]
    file_name = f"{opened.file_name}.{name.partition('.')[2]}"
    disposition = f"attachment; filename*=UTF-8''{quote(file_name)}"
    return Response(make(opened), media_type=kind, headers={"Content-Disposition": disposition})


def refuse(explorer: Explorer, request: Request, error: Exception) -> Response:
    """An error of ours as a sentence."""
    sentence = str(error)
    status = 404 if isinstance(error, UsageError) else 502
    if not wants_page(request):
        return PlainTextResponse(sentence, status)
    title = "This cannot be shown" if status == 404 else "The release cannot be read"
    return explorer.page("error", status=status, title=title, sentence=sentence)


_REFUSED: Final = {403: "This was not asked by a page of yours here.", 404: "There is no such page."}


def missing(explorer: Explorer, request: Request, error: Exception) -> Response:
    """An address that is not there."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = _REFUSED.get(status, "This cannot be answered.")
    if not wants_page(request):
        return PlainTextResponse(sentence, status)
    return explorer.page("error", status=status, title=sentence.rstrip("."), sentence=f"Status {status}.")


def release(explorer: Explorer, request: Request) -> Response:  # noqa: ARG001 - the page is the same for all
    """The release as a whole."""
    models = explorer.catalogue.table.column("num_models").to_pylist()
    return explorer.page(
        "release",
        "/release",
        size=len(explorer.catalogue),
        families=len(explorer.catalogue.choices["family"]),
        models=sum(filter(None, models)),
        has_entries=explorer.standings.has_entries,
        is_here=explorer.standings.is_here,
        figures=[(name, name.capitalize()) for name in FIGURES],
    )


def leaderboard(explorer: Explorer, request: Request) -> Response:  # noqa: ARG001
    """The entries of the leaderboard: a part of the page of the release; status 202 while they are scored."""
    scored = explorer.standings.scored()
    if scored is None:
        return PlainTextResponse("The entries are scored.", 202)
    return HTMLResponse(render("leaderboard", scored=scored))


def figure(explorer: Explorer, request: Request) -> Response:
    """A figure of the release; the map with status 202 while it is made."""
    name = request.path_params["figure"]
    if name == "map":
        found = explorer.atlas.figure()
        if found is None:
            failed = explorer.atlas.failed
            return PlainTextResponse(failed or "The map is drawn.", 404 if failed else 202)
        return JSONResponse(found, headers=_KEEP)
    if name not in FIGURES:
        raise HTTPException(404)
    return JSONResponse(FIGURES[name](explorer.catalogue), headers=_KEEP)


def plotly(explorer: Explorer, request: Request) -> Response:  # noqa: ARG001
    """Plotly's own script, from its package: nothing is fetched from elsewhere."""
    return _gzipped(request, _plotly(), "text/javascript")


def _gzipped(request: Request, content: bytes, kind: str) -> Response:
    """What is kept compressed, as the client takes it."""
    headers = {**_KEEP, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(gzip.decompress(content), media_type=kind, headers=headers)
    return Response(content, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})


@cache
def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 6)
