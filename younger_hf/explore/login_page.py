"""Logging in and out: the handlers, and who it is that asks.

Cookies are for this server's own pages at the top of a window. In the frame that a Space is shown in, browsers leave
them out, so that nobody is logged in there, whatever a page around it makes them click.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from younger_hf.explore.explorer import Explorer, client_of
from younger_hf.explore.handing_in import limited
from younger_hf.explore.login import Contributing, LoginError, Session, is_same

_PAGE: Final = "/known"
_LONGEST_LOGIN: Final = 600  # seconds from the first click to the Hub's answer
_MOST_FORM: Final = 1 << 10  # bytes

NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""What has to do with one visitor."""

Cookie = Literal["login", "session"]


def visitor(explorer: Explorer, request: Request) -> Session | None:
    """Who asks, if they are logged in."""
    if (contributing := explorer.contributing) is None:
        return None
    return contributing.sessions.find(request.cookies.get(_name(contributing, "session"), ""))


def check_form(explorer: Explorer, request: Request, form_secret: str) -> Session:
    """Who sends a form; it has to be one of this server's pages for them.

    Raises:
        LoginError: they are not logged in any more.
        HTTPException: it is a form of another site.
    """
    contributing = _contributing(explorer)
    if request.headers.get("origin") != contributing.provider.address:
        raise HTTPException(403)
    session = visitor(explorer, request)
    if session is None:
        raise LoginError("You are not logged in any more: log in, and hand the model in again.")
    if not is_same(session.form_secret, form_secret):
        raise HTTPException(403)
    return session


def log_in(explorer: Explorer, request: Request) -> Response:  # noqa: ARG001 - it is the same for all
    """To the Hub."""
    contributing = _contributing(explorer)
    where, begun = contributing.provider.begin()
    answer = RedirectResponse(where, 303, NOT_KEPT)
    _set(contributing, answer, "login", begun, _LONGEST_LOGIN)
    return answer


def come_back(explorer: Explorer, request: Request) -> Response:
    """From the Hub: to the page where models are handed in, and nowhere else."""
    contributing = _contributing(explorer)
    answer: Response
    if not explorer.handing_in.admits(client_of(explorer, request.scope)):
        return explorer.page("error", status=429, title="The login has failed", sentence="Wait a minute.")
    try:
        begun = request.cookies.get(_name(contributing, "login"), "")
        granted = contributing.provider.finish(begun, request.query_params)
    except LoginError as error:
        answer = explorer.page("error", status=403, title="The login has failed", sentence=str(error))
    else:
        contributing.sessions.end(request.cookies.get(_name(contributing, "session"), ""))
        answer = RedirectResponse(_PAGE, 303)
        _set(contributing, answer, "session", contributing.sessions.begin(granted))
    answer.headers.update(NOT_KEPT)
    _set(contributing, answer, "login", "", 0)
    return answer


async def log_out(explorer: Explorer, request: Request) -> Response:
    """Forget who asks."""
    contributing = _contributing(explorer)
    request = Request(request.scope, limited(request.receive, _MOST_FORM))
    async with request.form(max_files=0, max_fields=1) as form:
        with suppress(LoginError):  # then they are logged out already
            check_form(explorer, request, str(form.get("form_secret", "")))
    contributing.sessions.end(request.cookies.get(_name(contributing, "session"), ""))
    answer = RedirectResponse(_PAGE, 303, NOT_KEPT)
    _set(contributing, answer, "session", "", 0)
    return answer


def _contributing(explorer: Explorer) -> Contributing:
    if explorer.contributing is None:
        raise HTTPException(404)
    return explorer.contributing


def _name(contributing: Contributing, cookie: Cookie) -> str:
    """A name by which a browser takes the cookie from this host alone, and by HTTPS; on this machine there is none."""
    return f"{'__Host-' if _is_secure(contributing) else ''}younger-{cookie}"


def _set(contributing: Contributing, answer: Response, cookie: Cookie, value: str, seconds: int | None = None) -> None:
    """Give a browser a cookie for so long, or until it is closed."""
    answer.set_cookie(
        _name(contributing, cookie),
        value,
        max_age=seconds,
        path="/",
        secure=_is_secure(contributing),
        httponly=True,
        samesite="lax",  # "strict" would leave it out on the way back from the Hub
    )


def _is_secure(contributing: Contributing) -> bool:
    return contributing.provider.address.startswith("https://")
