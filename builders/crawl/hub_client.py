"""GET from the Hugging Face Hub, patiently: a path goes in, a whole answer of bounded size comes out.

The connection, its proxies and the user's token are huggingface_hub's, of either generation (requests before 1, httpx
since). What is added is patience: an answer that is refused for now, cut short or spoilt is asked for again, when the
Hub says or after a growing pause, and nothing is asked for while the Hub says that nothing is left of a quota. The
token goes to the Hub alone, and into no answer, cursor or message.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Event
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, fix_hf_endpoint_in_url, get_session  # type: ignore[attr-defined]

from younger_hf.errors import YoungerError
from younger_hf.unreachable import UNREACHABLE

TIMEOUT: Final = 60.0  # seconds without a byte
RETRIES: Final = 6
BACKOFF: Final = 1.0  # seconds before the second try, and up to twice as many before each after it
MAX_WAIT: Final = 900.0  # seconds that the Hub may ask for; its windows are of 300
MAX_BODY: Final = 64 << 20  # bytes; a page of a listing has one or two MB

_FOR_NOW: Final = {408, 429, 500, 502, 503, 504}

Parameters = Mapping[str, "str | Sequence[str]"]
_Value = TypeVar("_Value")

_log = logging.getLogger(__name__)


class HubRefusedError(YoungerError):
    """The Hub does not give this: `status` of HTTP, and what it says of it in `X-Error-Code`, as `GatedRepo`."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Entries:
    """A page of a listing, and the cursor of the next one; "" where there is none."""

    entries: list[Any]
    cursor: str


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    next_page: str
    body: bytes
    is_whole: bool


@dataclass
class HubClient:
    """The Hub that `HF_ENDPOINT` names, for one user; threads may share it. On leaving it nothing is waited for.

    Attributes:
        endpoint: where it is.
    """

    endpoint: str = field(default_factory=lambda: str(HfApi().endpoint).rstrip("/"))
    _quiet_until: dict[str, float] = field(default_factory=dict)  # monotonic seconds, by what a quota is of
    _closed: Event = field(default_factory=Event)

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def model(self, name: str, parameters: Parameters) -> dict[str, Any]:
        """What the API says of one repository.

        Raises:
            HubRefusedError: there is none, or not for this user.
            YoungerError: the Hub does not answer.
        """
        described, _ = self._get(f"/api/models/{quote(name)}", partial(_parse_json, dict), parameters)
        return described

    def models(self, parameters: Parameters) -> Entries:
        """A page of the listing.

        Raises:
            YoungerError: the Hub does not answer, or says that the next page is at another place than its own.
        """
        entries, answer = self._get("/api/models", partial(_parse_json, list), parameters)
        return Entries(entries, self._cursor(answer.next_page) if answer.next_page else "")

    def file(self, name: str, revision: str, path: str, limit: int) -> bytes:
        """The content of a small file.

        Raises:
            HubRefusedError: there is none, or not for this user, or it has more bytes than `limit`.
            YoungerError: the Hub does not answer.
        """
        where = f"/{quote(name)}/resolve/{quote(revision, safe='')}/{quote(path)}"
        content, answer = self._get(where, bytes, limit=limit)
        if not answer.is_whole:
            raise HubRefusedError(f"{path} of {name} has more than {limit} bytes", answer.status, "")
        return content

    def _get(
        self, path: str, parse: Callable[[bytes], _Value], parameters: Parameters | None = None, limit: int = MAX_BODY
    ) -> tuple[_Value, _Answer]:
        """An answer that can be parsed, however often it takes to get one."""
        quota = "api" if path.startswith("/api/") else "resolvers"
        reason = ""
        for attempt in range(RETRIES + 1):
            if self._closed.wait(max(self._quiet_until.get(quota, 0.0) - time.monotonic(), 0.0)):
                raise YoungerError(f"the crawl ended before the Hub gave {path}")
            wait = BACKOFF * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - so that crawls part
            try:
                answer = _ask(self.endpoint + path, parameters, limit)
                if answer.status == 200:
                    if (rest := _window(answer.headers, spent=True)) is not None:
                        _log.info("the Hub wants no more requests for %.0f seconds", rest)
                        self._hold(quota, min(rest, MAX_WAIT))
                    return parse(answer.body), answer
                if answer.status not in _FOR_NOW:
                    raise _refusal(path, answer)
                reason = f"it answers with status {answer.status}"
                wait = max(wait, _asked_for(answer))
            except OfflineModeIsEnabled:
                raise YoungerError("HF_HUB_OFFLINE is set: unset it to crawl the Hub") from None
            except UNREACHABLE as error:
                reason = f"it does not answer ({type(error).__name__})"
            except (ValueError, RecursionError):
                reason = "its answer cannot be read"
            if wait > MAX_WAIT:
                raise YoungerError(f"the Hub wants no requests for {wait:.0f} seconds: run this again after that")
            if attempt < RETRIES:
                _log.info("the Hub does not give %s: %s; in %.0f seconds again", path, reason, wait)
                self._hold(quota, wait)
        raise YoungerError(f"the Hub at {self.endpoint} does not give {path}: {reason}; run this again later")

    def _cursor(self, link: str) -> str:
        """The cursor in the address of the next page, which is not followed."""
        here = urlsplit(f"{self.endpoint}/api/models")
        try:
            next_page = urlsplit(fix_hf_endpoint_in_url(link, self.endpoint))  # a mirror may name what it mirrors
            (cursor,) = parse_qs(next_page.query)["cursor"]
        except (ValueError, KeyError):
            cursor = ""
        if not cursor or next_page[:3] != here[:3]:
            raise YoungerError(f"the Hub at {self.endpoint} says that its next page is elsewhere: it is not asked for")
        return cursor

    def _hold(self, quota: str, seconds: float) -> None:
        """Ask for nothing more under this quota for so long, in any thread."""
        self._quiet_until[quota] = max(time.monotonic() + seconds, self._quiet_until.get(quota, 0.0))


def _ask(url: str, parameters: Parameters | None, limit: int) -> _Answer:
    """One request and its answer, of which at most `limit` bytes are read."""
    with _stream(url, parameters) as (response, chunks):
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
        following = response.links.get("next", {}).get("url", "")
        return _Answer(response.status_code, response.headers, following, bytes(body[:limit]), len(body) <= limit)


@contextmanager
def _stream(url: str, parameters: Parameters | None) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """The response of requests or httpx, which agree on what is used of it, and the chunks of its body."""
    session: Any = get_session()
    options = {"params": parameters, "headers": build_hf_headers(library_name="younger-hf"), "timeout": TIMEOUT}
    if callable(session.stream):  # httpx
        with session.stream("GET", url, **options) as response:
            yield response, response.iter_bytes()
    else:
        with session.get(url, stream=True, **options) as response:
            yield response, response.iter_content(1 << 16)


def _refusal(path: str, answer: _Answer) -> HubRefusedError:
    code = answer.headers.get("X-Error-Code", "")
    told = code or ("is the token still valid?" if answer.status == 401 else "")
    message = f"the Hub does not give {path}: status {answer.status}{f', {told}' if told else ''}"
    return HubRefusedError(message, answer.status, code)


def _asked_for(answer: _Answer) -> float:
    """Seconds without requests that a refusal asks for."""
    asked = _retry_after(answer.headers)
    if asked is None and answer.status == 429:
        asked = _window(answer.headers)
    return asked or 0.0


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, which `Retry-After` gives as such or as a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _window(headers: Mapping[str, str], spent: bool = False) -> float | None:
    """Seconds to the end of the window of `RateLimit: "api";r=0;t=55`; with `spent` only if r, what is left, is 0."""
    found = re.search(r"r\s*=\s*(\d+)\s*;\s*t\s*=\s*(\d+)", headers.get("RateLimit", ""))
    return float(found[2]) if found and not (spent and int(found[1])) else None


def _parse_json(kind: type[_Value], body: bytes) -> _Value:
    value = json.loads(body)
    if not isinstance(value, kind):
        raise ValueError(f"no {kind.__name__}")
    return value
