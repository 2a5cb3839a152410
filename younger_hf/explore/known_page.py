"""The page "Is mine known?": its forms, and what is answered to them."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from functools import partial
from typing import Any, Final

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
from younger_hf.explore.login import Contribute, LoginError, Session
from younger_hf.explore.login_page import NOT_KEPT, check_form, visitor
from younger_hf.identity import fingerprint
from younger_hf.interop.text_form import from_text, to_text
from younger_hf.release import HUB_ID

_MOST_SKELETON: Final = 2 << 20  # bytes that a page sends along, to be contributed
_MANY: Final = "You have handed in many models: wait a minute."
_SAID: Final = ("id", "license", "task", "family")  # of a model, by who contributes it


def known(explorer: Explorer, request: Request) -> Response:
    """The forms."""
    return _known_page(explorer, visitor(explorer, request))


def _known_page(
    explorer: Explorer,
    session: Session | None,
    verdict: Verdict | None = None,
    sentence: str = "",
    status: int = 200,
    **values: Any,
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
    contributing, why_no_form = explorer.contributing, _why_no_form(session, verdict)
    page = explorer.page(
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
        log_in=f"{contributing.provider.address}/login" if contributing else "",
        hub=f"{contributing.provider.url}/" if contributing else "",
        session=session,
        skeleton="" if verdict is None or why_no_form else base64.b64encode(verdict.skeleton).decode(),
        why_no_form=why_no_form,
        **{
            "choices": [],
            "contributed": "MODEL.onnx --id ORG/NAME --license LICENCE",
            "said": dict.fromkeys(_SAID, ""),
            "opened": None,
            **values,
        },
    )
    if contributing:
        page.headers.update(NOT_KEPT)
    return page


def _why_no_form(session: Session | None, verdict: Verdict | None) -> str:
    """Why a model is not contributed from here; "" where it is."""
    if session is None:
        return "Who is logged in opens it from here."
    if verdict is None or not verdict.skeleton:
        return "A text has no shapes of parameters, which a contribution needs: hand in the ONNX file instead."
    if verdict.same:
        return "The release has the same network by another export. This one, too, is proposed by the command alone."
    if len(verdict.skeleton) > _MOST_SKELETON:
        return "It is too large to be proposed from here."
    return ""


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
    session = visitor(explorer, request)
    if not explorer.handing_in.admits(client_of(explorer, request.scope)):
        return _known_page(explorer, session, sentence=_MANY, status=429)
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
                    model = "/".join(address.strip().split("/")[:2])
                    values = {"contributed": model, "said": {**dict.fromkeys(_SAID, ""), "id": model}}
            elif isinstance(text, str) and text.strip():
                verdict = await run_in_threadpool(explorer.desk.text, text)
            else:
                return _known_page(explorer, session, sentence="Nothing was handed in.", status=400)
    except ManyFilesError as error:
        return _known_page(explorer, session, sentence=str(error), status=300, choices=error.choices)
    except YoungerError as error:
        return _known_page(explorer, session, sentence=f"It cannot be looked at: {error}", status=422)
    except HTTPException as error:
        sentence = f"This is more than {MOST_BYTES >> 20} MiB: give its address, or use younger-hf inspect --release."
        return _known_page(
            explorer,
            session,
            sentence=sentence if error.status_code == 413 else error.detail,
            status=error.status_code,
        )
    return _known_page(explorer, session, verdict, **values)


async def contribute(explorer: Explorer, request: Request) -> Response:
    """Propose a model that was handed in, in the name of who is logged in.

    Its skeleton comes back from the page, and is not believed: it is read again as any file is.
    """
    if (contributing := explorer.contributing) is None:
        raise HTTPException(404)
    if not explorer.handing_in.admits(client_of(explorer, request.scope)):
        return _known_page(explorer, visitor(explorer, request), sentence=_MANY, status=429)
    request = Request(request.scope, limited(request.receive, 4 * _MOST_SKELETON))
    async with request.form(max_files=0, max_fields=len(_SAID) + 2, max_part_size=2 * _MOST_SKELETON) as form:
        sent = {name: str(form.get(name, "")).strip() for name in (*_SAID, "skeleton", "form_secret")}
    try:
        session = check_form(explorer, request, sent["form_secret"])
    except LoginError as error:
        return _known_page(explorer, None, sentence=str(error), status=401)
    return await run_in_threadpool(_contribute, explorer, contributing.contribute, session, sent)


def _contribute(explorer: Explorer, propose: Contribute, session: Session, sent: dict[str, str]) -> Response:
    said = {name: sent[name] for name in _SAID}
    try:
        content = io.BytesIO(base64.b64decode(sent["skeleton"], validate=True))
    except ValueError:
        return _known_page(explorer, session, sentence="The model did not come along: hand it in again.", status=400)
    verdict = None
    try:
        verdict = explorer.desk.file(content, said["id"] or "the model")
        if verdict.row or verdict.same:
            return _known_page(explorer, session, verdict, status=409)
        done = explorer.desk.in_turn(partial(propose, verdict.skeleton, said, session.token))
    except YoungerError as error:
        return _known_page(explorer, session, verdict, f"It is not proposed: {error}.", 422, said=said)
    if not (done.is_new and done.url):
        return _known_page(explorer, session, verdict, f"It is not proposed: {done.verdict}.", 409, said=said)
    return _known_page(explorer, session, verdict, opened=done)
