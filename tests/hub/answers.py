"""What the tests' Hub answers, and what it writes down of each request."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hub.repositories import Content

NOTHING = Content(b"")


@dataclass
class Answer:
    """An answer before it is sent, as a whole; `part` makes it the part that was asked for.

    Attributes:
        status: of HTTP.
        headers: without Content-Length.
        content: the body.
        ranges: whether a part of it may be asked for.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: Content = NOTHING
    ranges: bool = False

    def part(self, asked: str) -> tuple[int, int]:
        """Where the part that a Range header asks for begins and ends in the content: the whole without one."""
        size = self.content.size
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
        if not (self.ranges and self.status == 200 and match and any(match.groups())):
            return 0, size
        if match[1]:
            start, end = int(match[1]), min(int(match[2] or size) + 1, size)
        else:
            start, end = max(size - int(match[2]), 0), size
        if start >= size or start >= end:
            self.status, self.content = 416, NOTHING
            self.headers["Content-Range"] = f"bytes */{size}"
            return 0, 0
        self.status = 206
        self.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return start, end


@dataclass
class Exchange:
    """A request and what was sent for it.

    Attributes:
        request: `METHOD /path?query`, unquoted.
        range: its Range header.
        authorization: its Authorization header.
        status: of the answer; 0 until it is sent.
        sent: bytes of the body that were sent so far.
        received: bytes of the request's own body.
    """

    request: str
    range: str = ""
    authorization: str = ""
    status: int = 0
    sent: int = 0
    received: int = 0


def json_answer(value: Any) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, Content(json.dumps(value).encode()))


def file_answer(content: Content, etag: str, headers: dict[str, str]) -> Answer:
    return Answer(200, {**headers, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}, content, ranges=True)


def failure(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error as the Hub tells it: by code, in a header."""
    told = {"X-Error-Code": code, "X-Error-Message": message} if code else {"X-Error-Message": message}
    body = Content(json.dumps({"error": message}).encode())
    return Answer(status, {"Content-Type": "application/json", **told, **(headers or {})}, body)
