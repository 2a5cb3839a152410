"""The explorer at an address of this machine: `with served(make_app(release)) as address`."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import uvicorn

from younger_hf.explore.server import listen


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a thread; gives its address."""
    with served_at(lambda _: app) as address:
        yield address


@contextmanager
def served_at(make: Callable[[str], Any]) -> Iterator[str]:
    """Serve an application that has to be told its address."""
    with listen("127.0.0.1", 0) as opened:
        address = f"http://127.0.0.1:{opened.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(make(address), log_level="warning", proxy_headers=False))
        thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def page(self) -> Elements:
        return Elements(self.text)


def ask(url: str, data: bytes | None = None, **headers: str) -> Answer:
    """Ask as a browser does; an error is an answer, too."""
    named = {"Accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, data, named)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


class Elements(HTMLParser):
    """The elements and the text of a page, as a browser takes them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def every(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
