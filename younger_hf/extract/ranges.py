"""A file on a web server, read in ranges: `RangedFile`, and `RemoteError` for all that can go wrong with it.

In: an http(s) URL. Out: its bytes from here to there, each range one GET on a connection that is kept. Redirects are
followed once and the place they lead to is asked from then on, until it refuses: what the Hub gives are signed URLs
that expire. Every range must come from the version that the first one came from. Whatever the server does, a range
costs bounded time and not many more bytes than it has. Requests are anonymous.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import Final, Literal, NoReturn
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

from younger_hf.errors import MissingExtraError, YoungerError

try:
    from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Retry, Timeout
    from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError
    from urllib3.util import parse_url
except ModuleNotFoundError as error:
    raise MissingExtraError("urllib3", "inspect") from error

MAX_WHOLE: Final = 4 << 20  # bytes of a body that is taken though a range of it was asked for
MAX_FETCHED: Final = 1 << 29  # bytes of one file

_MAX_REDIRECTS: Final = 5
_ANSWERS: Final = {200, 206, 416}
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_RATE_LIMIT_RESET: Final = re.compile(r";\s*t=(\d{1,9})")  # seconds, as the Hub's RateLimit header gives them

Kind = Literal["gated", "not_found", "too_large", "error"]


class RemoteError(YoungerError):
    """A file on a web server cannot be read.

    Attributes:
        kind: what keeps it from being read: leave is needed, it is not there, too much would have to be fetched,
            or any other trouble.
    """

    def __init__(self, message: str, kind: Kind = "error") -> None:
        super().__init__(message)
        self.kind: Kind = kind


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for; all in seconds but `tries`.

    Attributes:
        tries: how often a range is asked for before it is given up.
        connect: for a connection.
        silence: for the next byte.
        request: for one range in all.
        pause: before the second try; it doubles from try to try, where the server does not say how long it is to be.
        longest_pause: the most that a server may ask for. The Hub counts requests in windows of five minutes.
    """

    tries: int = 5
    connect: float = 10.0
    silence: float = 30.0
    request: float = 120.0
    pause: float = 0.5
    longest_pause: float = 300.0


class RangedFile:
    """A file on a web server, and what is known of it after the first range: a context manager.

    Args:
        url: where it is, http:// or https://.
        patience: how long the server is waited for.
        pool: makes the connections; if left out, by way of the proxy that the environment names.

    Attributes:
        name: the URL without its query, which may hold a signature: what errors call the file.
        size: bytes; None before the first range.
        fetched: bytes of its content that have come, in tries that failed too.
        requests: how many were sent.
    """

    def __init__(self, url: str, patience: Patience | None = None, pool: PoolManager | None = None) -> None:
        self.name = url.partition("?")[0]
        self.size: int | None = None
        self.fetched = 0
        self.requests = 0
        self._url = url
        self._patience = patience or Patience()
        self._place = ""  # where the redirects lead; "" while that is to be asked
        self._tag: str | None = None  # the version, as that place names it
        self._linked_tag = ""  # the version, as a redirect of the Hub names it
        self._headers = {"Accept-Encoding": "identity", "User-Agent": f"younger-hf/{version('younger-hf')}"}
        try:
            self._pool = pool or _pool(url, self._patience)
        except HTTPError as error:
            self._fail(f"its address, or that of the proxy, makes no sense ({error})")

    def __enter__(self) -> RangedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.clear()

    def read(self, start: int, stop: int, tries: int = 0) -> bytes:
        """The bytes from `start` to `stop`: less where the file ends before, more where the server gave all of it.

        Args:
            start: the first of them.
            stop: the first behind them.
            tries: how many have failed already.

        Raises:
            RemoteError: they cannot be had.
        """
        if self.fetched + stop - start > MAX_FETCHED:
            self._fail(f"more than {MAX_FETCHED >> 20} MiB of it would have to be fetched", "too_large")
        try:
            return self._try(start, stop)
        except _TransientError as trouble:
            self._wait(trouble, tries + 1)
        return self.read(start, stop, tries + 1)

    def _wait(self, trouble: _TransientError, tries: int) -> None:
        """Wait before the next try, if there is to be one."""
        patience = self._patience
        if tries == patience.tries:
            self._fail(f"{trouble}, {tries} times in a row; try again later")
        pause = patience.pause * 2 ** (tries - 1) if trouble.pause is None else trouble.pause
        if pause > patience.longest_pause:
            self._fail(f"{trouble} and asks to wait for {pause:.0f} seconds; try again then")
        time.sleep(pause)

    def _try(self, start: int, stop: int) -> bytes:
        try:
            response = self._answer(start, stop)
            try:
                return self._content(response, start, stop)
            finally:
                response.close()  # a connection whose answer was read to its end is back in the pool already
        except LocationValueError as error:
            self._fail(f"its address makes no sense ({error})")
        except HTTPError as error:
            self._place = ""  # the redirects may lead to another server now
            raise _TransientError(f"the connection fails ({type(error).__name__})") from error

    def _answer(self, start: int, stop: int) -> BaseHTTPResponse:
        """The answer to the request for a range, from where the redirects lead."""
        if self._place:
            response = self._get(self._place, start, stop)
            if response.status in _ANSWERS or response.status in _TRANSIENT:
                return response
            response.close()  # a signed URL has expired
        url, linked_tag = self._url, ""
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._get(url, start, stop)
            linked_tag = linked_tag or response.headers.get("X-Linked-Etag", "")
            if response.status not in _REDIRECTS:
                break
            response.close()
            url = self._redirected(url, response.headers.get("Location", ""))
        else:
            self._fail(f"it is redirected more than {_MAX_REDIRECTS} times")
        if response.status in _ANSWERS:
            if self._linked_tag and linked_tag:
                if linked_tag != self._linked_tag:
                    self._changed()
                self._tag = None  # another place may have another name for the same version
            self._place, self._linked_tag = url, linked_tag or self._linked_tag
        return response

    def _get(self, url: str, start: int, stop: int) -> BaseHTTPResponse:
        self.requests += 1
        asked = {**self._headers, "Range": f"bytes={start}-{stop - 1}"}
        return self._pool.request(
            "GET", url, headers=asked, redirect=False, retries=False, preload_content=False, decode_content=False
        )

    def _redirected(self, url: str, location: str) -> str:
        target = ""
        with suppress(ValueError):  # what is no address
            target = urljoin(url, location)
        if not location or not target.startswith("https:" if url.lower().startswith("https:") else ("http:", "https:")):
            self._fail(f"it is redirected to {location.partition('?')[0]!r}, which is not followed")
        return target

    def _content(self, response: BaseHTTPResponse, start: int, stop: int) -> bytes:
        """The bytes that were asked for, out of an answer that is checked to hold just these."""
        status, headers = response.status, response.headers
        if status in _TRANSIENT:
            raise _TransientError(f"the server answers with status {status}", _asked_pause(response))
        if headers.get("Content-Encoding", "identity") != "identity" and status in (200, 206):
            self._fail("the server compresses it, which makes ranges of it meaningless")
        if status == 200:
            return self._whole(response, start)
        if status == 416 and headers.get("Content-Range") == "bytes */0":
            self._same_version(headers, 0)
            return b""
        if status == 416 and self.size is not None:
            self._changed()
        if status != 206:
            self._refused(status, headers.get("X-Error-Code", ""))
        given = headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(given)
        first, last, size = map(int, match.groups()) if match else (-1, -1, -1)
        if match is None or (first, last) != (start, min(stop, size) - 1):
            self._fail(f"the server answers a request for bytes {start}-{stop - 1} with {given or 'no range'!r}")
        self._same_version(headers, size)
        return self._body(response, last + 1 - first)

    def _whole(self, response: BaseHTTPResponse, start: int) -> bytes:
        """The whole file, from a server that does not know ranges, if it is small."""
        size = response.length_remaining
        announced_too_large = size is not None and size > MAX_WHOLE
        body = b"" if announced_too_large else self._body(response, size, MAX_WHOLE + 1)
        if announced_too_large or len(body) > MAX_WHOLE:
            self._fail(
                f"the server does not answer range requests, and it has more than {MAX_WHOLE >> 20} MiB; download it",
                "too_large",
            )
        self._same_version(response.headers, len(body))
        return body[start:]

    def _body(self, response: BaseHTTPResponse, size: int | None, limit: int = 0) -> bytes:
        """The body, of `size` bytes; where that is unknown, what there is of it up to `limit`."""
        latest = time.monotonic() + self._patience.request
        content = bytearray()
        while chunk := response.read1((limit if size is None else size) - len(content), decode_content=False):
            content += chunk
            self.fetched += len(chunk)
            if len(content) != size and time.monotonic() > latest:
                raise _TransientError(f"a range takes longer than {self._patience.request:g} seconds")
        if size is not None and len(content) < size:
            raise _TransientError("the server sends less than it has announced")
        response.read(1, decode_content=False)  # beyond the end: this is what gives the connection back
        return bytes(content)

    def _same_version(self, headers: Mapping[str, str], size: int) -> None:
        """Note the version that an answer is of, or see that it is the one that was noted."""
        tag = headers.get("ETag", headers.get("Last-Modified", "")).removeprefix("W/")
        if self.size not in (None, size) or self._tag not in (None, tag):
            self._changed()
        self.size, self._tag = size, tag

    def _changed(self) -> NoReturn:
        self._fail("the file changed while it was read; read it again, best at a fixed revision")

    def _refused(self, status: int, code: str) -> NoReturn:
        answer = f"HTTP {status} {code}".rstrip()
        # The Hub answers a stranger alike for a repository that is private and for one that is not.
        if status in (404, 410) or code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
            self._fail(f"there is no such file, or a private one ({answer})", "not_found")
        if status in (401, 403):
            self._fail(f"it is only given to those who have asked for access ({answer})", "gated")
        self._fail(f"the server refuses it ({answer})")

    def _fail(self, reason: str, kind: Kind = "error") -> NoReturn:
        raise RemoteError(f"{self.name} cannot be read: {reason}", kind)


class _TransientError(Exception):
    """Trouble that may pass, after a pause of so many seconds if the server has said so."""

    def __init__(self, trouble: str, pause: float | None = None) -> None:
        super().__init__(trouble)
        self.pause = pause


def _asked_pause(response: BaseHTTPResponse) -> float | None:
    """Seconds that the server wants to be left alone, as Retry-After or RateLimit says."""
    with suppress(InvalidHeader, ValueError, OverflowError):
        pause = Retry().get_retry_after(response)
        if pause is not None:
            return min(pause, 1e9)
    reset = _RATE_LIMIT_RESET.search(response.headers.get("RateLimit", ""))
    return float(reset[1]) if reset and response.status == 429 else None


def _pool(url: str, patience: Patience) -> PoolManager:
    """Kept connections, by way of the proxy that the environment names."""
    timeout = Timeout(connect=patience.connect, read=patience.silence)
    certificates = os.environ.get("REQUESTS_CA_BUNDLE")  # as those expect who have set it for huggingface_hub
    parts = parse_url(url)
    proxy = getproxies().get(parts.scheme or "") or getproxies().get("all")
    if proxy and not proxy_bypass(parts.host or ""):
        return ProxyManager(proxy, timeout=timeout, ca_certs=certificates)
    return PoolManager(timeout=timeout, ca_certs=certificates)
