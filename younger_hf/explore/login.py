"""Logging in with the Hub, so that a visitor can contribute: `Provider`, which says who they are, and `Sessions`.

The flow is OAuth's authorization code (RFC 6749) with PKCE (RFC 7636). A token is kept in this process alone: pages,
cookies and messages never have it. The name comes from the Hub itself, asked with the token; so the ID token, which
would have to be verified, is not looked at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from secrets import token_urlsafe
from threading import Lock
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from urllib3 import PoolManager, make_headers
from urllib3.exceptions import HTTPError

from younger_hf.errors import YoungerError
from younger_hf.text import plain

SCOPES: Final = "openid profile write-discussions"
"""Who the visitor is, and pull requests in their name: what the Hub needs for one on a public repository."""
CALLBACK: Final = "/login/callback"

_SECRET_BYTES: Final = 32
_TIMEOUT: Final = 10.0  # seconds that the Hub may take for an answer
_MOST_BYTES: Final = 1 << 20  # of it
_LONGEST_NAME: Final = 100
_LONGEST_SESSION: Final = 8 * 3600.0  # seconds, whatever the Hub says
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_NO_ANSWER: Final = "The Hub does not confirm the login: log in again."


class LoginError(YoungerError):
    """A login has failed; the message is for whoever looks at the page."""


def is_same(one: str, other: str) -> bool:
    """Whether two secrets are equal, and not empty; how long it takes does not depend on where they differ."""
    return bool(one) and compare_digest(one.encode(), other.encode())


@dataclass(frozen=True)
class Granted:
    """What a login gives.

    Attributes:
        user: who logged in.
        token: for the Hub, in their name.
        seconds: for how long.
    """

    user: str
    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True)
class Provider:
    """The Hub as a provider of logins, and this server as its client.

    Attributes:
        url: of the Hub.
        address: of this server as its visitors have it, without a path.
        client_id: what the Hub knows this server by.
        client_secret: and what it proves that with.
    """

    url: str
    address: str
    client_id: str
    client_secret: str = field(repr=False)

    @classmethod
    def of_space(cls, environment: Mapping[str, str]) -> Provider | None:
        """What a Space with `hf_oauth: true` is told; None elsewhere."""
        names = ("OPENID_PROVIDER_URL", "SPACE_HOST", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET")
        url, hosts, client_id, client_secret = (environment.get(name, "") for name in names)
        if not (url and hosts and client_id and client_secret):
            return None
        # A Space with a domain of its own has several hosts: visitors log in at the first.
        return cls(url.rstrip("/"), f"https://{hosts.split(',')[0].strip()}", client_id, client_secret)

    def begin(self) -> tuple[str, str]:
        """Where to send a visitor, and a secret that their browser has to bring back: the state and the verifier."""
        state, verifier = token_urlsafe(_SECRET_BYTES), token_urlsafe(_SECRET_BYTES)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": f"{self.address}{CALLBACK}",
            "scope": SCOPES,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.url}/oauth/authorize?{urlencode(asked)}", f"{state}.{verifier}"

    def finish(self, begun: str, answer: Mapping[str, str]) -> Granted:
        """What the Hub grants to a visitor who comes back.

        Args:
            begun: the secret that their browser brings.
            answer: what the Hub has sent them back with.

        Raises:
            LoginError: this browser has begun no such login, or the visitor or the Hub refuses.
        """
        state, _, verifier = begun.partition(".")
        if not is_same(state, answer.get("state", "")):
            raise LoginError("This browser has begun no such login, or over ten minutes ago: log in again.")
        if answer.get("error") or not answer.get("code"):
            raise LoginError("The Hub grants no login, or you did not allow it.")
        given = self._ask(
            "POST",
            "token",
            {**make_headers(basic_auth=f"{self.client_id}:{self.client_secret}"), **_FORM},
            urlencode(
                {
                    "grant_type": "authorization_code",
                    "code": answer["code"],
                    "redirect_uri": f"{self.address}{CALLBACK}",
                    "client_id": self.client_id,
                    "code_verifier": verifier,
                }
            ),
        )
        token, seconds = given.get("access_token"), given.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise LoginError(_NO_ANSWER)
        user = self._ask("GET", "userinfo", {"Authorization": f"Bearer {token}"}).get("preferred_username")
        if not isinstance(user, str) or not user:
            raise LoginError(_NO_ANSWER)
        if not isinstance(seconds, int | float) or not 0 < seconds < _LONGEST_SESSION:
            seconds = _LONGEST_SESSION
        return Granted(plain(user, _LONGEST_NAME), token, seconds)

    def _ask(self, method: str, what: str, headers: Mapping[str, str], body: str | None = None) -> dict[str, Any]:
        """A JSON object that the Hub answers with; no error says more than that there is none."""
        try:
            with (
                PoolManager(timeout=_TIMEOUT, retries=False) as pool,
                pool.request(
                    method, f"{self.url}/oauth/{what}", body, headers=headers, redirect=False, preload_content=False
                ) as answer,
            ):
                said = json.loads(answer.read(_MOST_BYTES))
        except (HTTPError, ValueError, RecursionError):
            raise LoginError(_NO_ANSWER) from None
        if answer.status != 200 or not isinstance(said, dict):
            raise LoginError(_NO_ANSWER)
        return said


@dataclass
class Session:
    """A visitor who is logged in.

    Attributes:
        user: their name.
        token: for the Hub, in their name.
        ends: when it does at the latest.
        used: when it was, last.
        form_secret: what their pages' forms have, and no other site's.
    """

    user: str
    token: str = field(repr=False)
    ends: float
    used: float
    form_secret: str = field(default_factory=lambda: token_urlsafe(_SECRET_BYTES), repr=False)


@dataclass
class Sessions:
    """Who is logged in, each under a secret that their browser has.

    Attributes:
        most: how many there are at once; beyond them the one that was not used for longest ends.
        idle: seconds without use after which one ends.
        clock: seconds.
    """

    most: int = 1000
    idle: float = 1800.0
    clock: Callable[[], float] = time.monotonic
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, granted: Granted) -> str:
        """Remember a visitor; gives the secret for their browser."""
        key = token_urlsafe(_SECRET_BYTES)
        with self._lock:
            now = self._forget()
            self._sessions[key] = Session(granted.user, granted.token, now + granted.seconds, now)
            while len(self._sessions) > self.most:
                self._sessions.popitem(last=False)
        return key

    def find(self, key: str) -> Session | None:
        """The visitor whose browser has this secret."""
        with self._lock:
            now = self._forget()
            if (found := self._sessions.get(key)) is not None:
                found.used = now
                self._sessions.move_to_end(key)
            return found

    def end(self, key: str) -> None:
        """Forget a visitor."""
        with self._lock:
            self._sessions.pop(key, None)

    def _forget(self) -> float:
        """Forget all whose time is over; gives the time."""
        now = self.clock()
        over = [key for key, one in self._sessions.items() if now >= min(one.ends, one.used + self.idle)]
        for key in over:
            del self._sessions[key]
        return now


class Proposed(Protocol):
    """What became of a contribution; as text, all that was proposed."""

    @property
    def is_new(self) -> bool:
        """Whether there was something to propose."""
        ...

    @property
    def url(self) -> str:
        """Of the pull request."""
        ...

    @property
    def verdict(self) -> str:
        """What the repository has of it, as a sentence."""
        ...


class Contribute(Protocol):
    """Opens pull requests on the repository of the release."""

    def __call__(self, skeleton: bytes, said: Mapping[str, str], token: str) -> Proposed:
        """Propose a skeleton in the name of whose token it is.

        Args:
            skeleton: as a `ModelReader` has made it.
            said: what the visitor says of it: id, license, task, family.
            token: of the visitor, for the Hub.

        Raises:
            YoungerError: what is said makes no sense, or the Hub refuses.
        """
        ...


@dataclass(frozen=True)
class Contributing:
    """How visitors contribute.

    Attributes:
        provider: where they log in.
        contribute: what is done then.
        sessions: who is logged in.
    """

    provider: Provider
    contribute: Contribute
    sessions: Sessions = field(default_factory=Sessions)
