"""The page "Is mine known?": its forms, and what is answered to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from younger_hf.errors import YoungerError
from younger_hf.explore.answers import near, position, suggested
from younger_hf.explore.explorer import Explorer, client_of
from younger_hf.explore.handing_in import MOST_BYTES, ManyFilesError, limited
from younger_hf.explore.known import MOST_TEXT, Verdict
from younger_hf.identity import fingerprint
from younger_hf.interop.text_form import from_text, to_text
from younger_hf.release import HUB_ID


def known(explorer: Explorer, request: Request) -> Response:  # noqa: ARG001 - the form is the same for all
    """The forms."""
    return _known_page(explorer)


def _known_page(
    explorer: Explorer, verdict: Verdict | None = None, sentence: str = "", status: int = 200, **values: Any
) -> Response:
    text, why_not = "", explorer.learned.why_not
    if verdict is not None and (not why_not or explorer.embedded.is_there):
        text = to_text(verdict.graph)
        if len(text) > MOST_TEXT:
            text, why_not = (
                "",
                why_not or "It is too large to be asked about here: younger-hf suggest takes it where you are.",
            )
    shown = None if verdict is None else replace(verdict, drawing=Markup(verdict.drawing))  # noqa: S704 - it is escaped
    return explorer.page(
        "known",
        "/known",
        status,
        verdict=shown,
        operators=[] if verdict is None else list(verdict.graph.operator_counts().items()),
        sentence=sentence,
        text=text,
        why_not=why_not,
        has_vectors=bool(text) and explorer.embedded.is_there,
        most_mib=MOST_BYTES >> 20,
        repo_id=explorer.source if "/" in explorer.source else HUB_ID,
        **{"choices": [], "contributed": "MODEL.onnx --id ORG/NAME --license LICENCE", **values},
    )


async def suggest(explorer: Explorer, request: Request) -> Response:
    """What could stand in the place of an operator of a model that was handed in."""
    text, node = await _sent(request)
    asked = position(node)
    return await run_in_threadpool(explorer.desk.in_turn, lambda: suggested(explorer, from_text(text), asked))


async def near_by_vectors(explorer: Explorer, request: Request) -> Response:
    """The rows near a model that was handed in, by the vectors of an encoder."""
    text, _ = await _sent(request)

    def look() -> Response:
        graph = from_text(text)
        return near(explorer, graph, fingerprint(graph))

    return await run_in_threadpool(explorer.desk.in_turn, look)


async def _sent(request: Request) -> tuple[str, str]:
    """The graph that a page sends along, since the server has not kept it, and which node it asks about."""
    request = Request(request.scope, limited(request.receive, 8 * MOST_TEXT))
    async with request.form(max_files=0, max_fields=2, max_part_size=4 * MOST_TEXT) as form:
        text, node = str(form.get("text", "")), str(form.get("node", ""))
    if len(text) > MOST_TEXT:
        raise HTTPException(413)
    return text, node


async def hand_in(explorer: Explorer, request: Request) -> Response:
    """What is said of a model that was handed in."""
    if not explorer.handing_in.admits(client_of(explorer, request.scope)):
        return _known_page(explorer, sentence="You have handed in many models: wait a minute.", status=429)
    try:
        request = Request(request.scope, limited(request.receive, MOST_BYTES + MOST_TEXT))
        async with request.form(max_files=1, max_fields=3, max_part_size=4 * MOST_TEXT) as form:
            file, address, text = form.get("file"), form.get("address"), form.get("text")
            values: dict[str, Any] = {}
            if isinstance(file, UploadFile) and file.size:
                verdict = await run_in_threadpool(explorer.desk.file, file.file, file.filename or "the file")
            elif isinstance(address, str) and address.strip():
                verdict = await run_in_threadpool(explorer.desk.address, address.strip())
                if "://" not in address:
                    values["contributed"] = "/".join(address.strip().split("/")[:2])
            elif isinstance(text, str) and text.strip():
                verdict = await run_in_threadpool(explorer.desk.text, text)
            else:
                return _known_page(explorer, sentence="Nothing was handed in.", status=400)
    except ManyFilesError as error:
        return _known_page(explorer, sentence=str(error), status=300, choices=error.choices)
    except YoungerError as error:
        return _known_page(explorer, sentence=f"It cannot be looked at: {error}", status=422)
    except HTTPException as error:
        sentence = f"This is more than {MOST_BYTES >> 20} MiB: give its address, or use younger-hf inspect --release."
        return _known_page(
            explorer, sentence=sentence if error.status_code == 413 else error.detail, status=error.status_code
        )
    return _known_page(explorer, verdict, **values)
