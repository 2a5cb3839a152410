"""GitHub on this machine, as far as PyTorch Hub needs it: files and archives of repositories at one commit."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from threading import Thread

from hub.answers import Answer, failure
from hub.repositories import Content
from hub.server import Hub, Request

COMMIT = "0123456789abcdef0123456789abcdef01234567"

HUBCONF = '''
"""Nets for the senses."""
dependencies = ["torch"]
import os
import torch
from typing import cast
from nets.ears import ears as ears, Helper, _private
from torch.hub import load_state_dict_from_url


def eyes(pretrained=True, weights="IMAGENET", **options):
    """A small network for images."""
    if pretrained:
        raise AssertionError("weights were wanted")
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(1)]
    return torch.nn.Sequential(*layers)


def words(weights="LARGE"):
    assert weights is None
    return torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 2))


def greedy():
    load_state_dict_from_url("https://example.com/weights.pt")


def picky(size, depth=3):
    return torch.nn.Linear(size, size)


def _hidden():
    pass
'''


class GitHub(Hub):
    """The server's state.

    Attributes:
        contents: the files of each repository, `org/name`, by path.
    """

    def __init__(self, contents: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__()
        self.contents = dict(contents)

    def get(self, request: Request) -> Answer:
        owner, name, kind, rest = request.path_only.removeprefix("/").split("/", 3)
        files = self.contents.get(f"{owner}/{name}", {})
        if kind == "archive" and rest == f"{COMMIT}.tar.gz" and files:
            return Answer(
                200, content=Content(archive({f"{name}-{COMMIT}/{path}": text for path, text in files.items()}))
            )
        commit, _, path = rest.partition("/")
        if kind == "raw" and commit == COMMIT and path in files:
            return Answer(200, content=Content(files[path].encode()))
        return failure(404, "", "Not Found")


@contextmanager
def github(contents: Mapping[str, Mapping[str, str]]) -> Iterator[GitHub]:
    """Serve these repositories on a free port of this machine."""
    served = GitHub(contents)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Request,), {"hub": served}))
    served.endpoint = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def archive(files: Mapping[str, str]) -> bytes:
    """A `.tar.gz` with these texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as content:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            content.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
