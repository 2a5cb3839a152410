"""The tests' Hub as a provider of logins: OAuth's authorization code (RFC 6749) with PKCE by S256 (RFC 7636).

Who sits at the browser is `hub.logins.user`, and they agree to whatever an application asks for: a test that wants a no
sets `agrees`. An application is one of `apps`, as a Space with `hf_oauth: true` is.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from hub.answers import Answer, json_answer
from hub.repositories import Content

if TYPE_CHECKING:
    from hub.server import Hub, Request

ALWAYS = frozenset({"openid", "profile"})


@dataclass(frozen=True)
class App:
    """What people log in to.

    Attributes:
        secret: what it proves with that it is itself.
        redirect_uri: where people are sent back to.
        scopes: what it may ask for, besides who they are.
    """

    secret: str
    redirect_uri: str
    scopes: frozenset[str] = frozenset({"write-discussions"})


@dataclass(frozen=True)
class Code:
    """What stands behind a code until it is used."""

    client_id: str
    challenge: str
    scopes: frozenset[str]
    user: str


@dataclass
class Logins:
    """Who logs in to what.

    Attributes:
        user: who sits at the browser.
        agrees: whether they do.
        apps: by client id.
        seconds: how long a token lasts, as applications are told.
        codes: that nobody has used yet.
        granted: the scopes of the tokens that applications were given.
    """

    user: str = "ada"
    agrees: bool = True
    apps: dict[str, App] = field(default_factory=dict)
    seconds: int = 3600
    codes: dict[str, Code] = field(default_factory=dict)
    granted: dict[str, frozenset[str]] = field(default_factory=dict)

    def allow(self, token: str, scope: str) -> bool:
        """Whether a token may do this; people's own are not bound to scopes."""
        return token not in self.granted or scope in self.granted[token]


def authorize(hub: Hub, request: Request) -> Answer:
    """Ask who sits at the browser, and send them back."""
    logins, app = hub.logins, hub.logins.apps.get(request.one("client_id"))
    if app is None or request.one("redirect_uri") != app.redirect_uri:
        return _failure(400, "invalid_client")  # is shown here, since nobody knows where it would be sent to
    scopes = frozenset(request.one("scope").split())
    answer = {"state": request.one("state")}
    if request.one("response_type") != "code" or request.one("code_challenge_method") != "S256":
        answer["error"] = "invalid_request"
    elif not scopes <= ALWAYS | app.scopes:
        answer["error"] = "invalid_scope"
    elif not logins.agrees:
        answer["error"] = "access_denied"
    else:
        answer["code"] = token_urlsafe()
        challenge = request.one("code_challenge")
        logins.codes[answer["code"]] = Code(request.one("client_id"), challenge, scopes, logins.user)
    return Answer(302, {"Location": f"{app.redirect_uri}?{urlencode(answer)}"})


def token(hub: Hub, request: Request) -> Answer:
    """Give an application a token for a code, once."""
    asked = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    basic = request.headers.get("Authorization", "").removeprefix("Basic ")
    client_id, _, secret = base64.b64decode(basic).decode().partition(":")
    app = hub.logins.apps.get(client_id)
    if app is None or secret != app.secret:
        return _failure(401, "invalid_client")
    code = hub.logins.codes.pop(asked.get("code", ""), None)
    digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
    if (
        code is None
        or asked.get("grant_type") != "authorization_code"
        or code.client_id != client_id
        or asked.get("redirect_uri") != app.redirect_uri
        or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge
    ):
        return _failure(400, "invalid_grant")
    made = f"hf_oauth_{token_urlsafe()}"
    hub.users[made], hub.logins.granted[made] = code.user, code.scopes
    return json_answer(
        {
            "access_token": made,
            "token_type": "bearer",
            "expires_in": hub.logins.seconds,
            "scope": " ".join(sorted(code.scopes)),
            "id_token": "not looked at",
        }
    )


def userinfo(hub: Hub, request: Request) -> Answer:
    """Who a token is of."""
    if request.user is None or not hub.logins.allow(request.token, "profile"):
        return _failure(401, "invalid_token")
    return json_answer({"sub": f"id of {request.user}", "preferred_username": request.user, "name": request.user})


def _failure(status: int, error: str) -> Answer:
    body: dict[str, Any] = {"error": error}
    return Answer(status, {"Content-Type": "application/json"}, Content(json.dumps(body).encode()))
