"""A Hub that answers garbage, lies about lengths, leads elsewhere, never ends: a sentence, and no token to others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub
from huggingface_hub import HfApi

from builders.assemble.previous import read_removals
from builders.publish import publish
from builders.publish.dataset_repository import DatasetRepository, check_token, find_repository, refusals
from younger_hf.errors import YoungerError
from younger_hf.release import SCHEMA_VERSION_KEY, open_release
from younger_hf.schema import SCHEMA_VERSION

NAME = "org/younger"
TOKEN = "hf_ada"


CARD = f"---\n{SCHEMA_VERSION_KEY}: {SCHEMA_VERSION}\nconfigs: []\n---\n".encode()


@pytest.fixture
def committed(served: Hub) -> None:
    """A repository that holds a file."""
    repository = served.repositories[NAME] = Repository(NAME, kind="datasets")
    repository.commit({"README.md": CARD})


@contextmanager
def stranger(answer: bytes = b"{}") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Another host: its address, and the headers of every request that it got."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append({"request": f"{self.command} {self.path}", **dict(self.headers)})
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.2", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.2:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


GARBAGE = [b"<html>no</html>", b"\xff" * 100, b"[1, 2]", b"null", b'{"id": 5, "sha": []}', b"[" * 100_000]
OTHER_UPLOADS = json.dumps({"transfer": "basic", "objects": [{"oid": "0" * 64, "size": 1, "actions": {}}]}).encode()
READS = ["GET /api/whoami*", f"GET /api/datasets/{NAME}", "GET */tree/*", "GET */refs*"]


def look() -> DatasetRepository | None:
    """What publishing asks first."""
    with refusals(NAME):
        api = HfApi()
        check_token(api, NAME)
        return find_repository(api, NAME)


@pytest.mark.parametrize("asked", READS)
def test_garbage_is_a_sentence_or_says_nothing(served, committed, asked):
    for body in GARBAGE:
        served.faults.clear()
        served.faults.add(asked, Fault(body=body), times=100)
        with suppress(YoungerError):  # of a user nothing is believed but that a token is for reading alone
            found = look()
            assert found is not None
            assert "whoami" in asked or not found.files.keys() - {".gitattributes", "README.md"}


@pytest.mark.parametrize("asked", READS)
def test_a_lie_about_a_length_is_a_sentence(served, committed, asked):
    served.faults.add(asked, Fault(cut=5), times=100)
    with pytest.raises(YoungerError):
        look()


@pytest.mark.parametrize("asked", READS)
def test_another_host_gets_no_token(served, committed, asked):
    with stranger() as (place, seen):
        served.faults.add(asked, Fault(status=307, headers={"Location": f"{place}/api/x"}), times=100)
        with suppress(YoungerError):
            look()
        assert seen
        assert all(TOKEN not in json.dumps(request) for request in seen)


def test_a_list_without_end_is_an_end(served, committed, monkeypatch):
    monkeypatch.setattr("builders.publish.dataset_repository.MOST_FILES", 100)
    tree = json.dumps([{"type": "file", "path": f"{i}", "size": 1, "oid": "0" * 40} for i in range(30)]).encode()
    link = f'<{served.endpoint}/api/datasets/{NAME}/tree/main?cursor=IiI%3D>; rel="next"'
    served.faults.add("GET */tree/*", Fault(status=200, body=tree, headers={"Link": link}), times=1000)
    with pytest.raises(YoungerError, match="lists more than 100 files"):
        look()


@pytest.mark.slow  # each is a release that is published
@pytest.mark.parametrize("asked", ["POST */preupload/*", "POST */info/lfs/*", "POST */commit/*"])
@pytest.mark.parametrize("body", [b"<html>no</html>", b"[1, 2]", b"null", OTHER_UPLOADS])
def test_garbage_while_writing_is_a_sentence_or_the_commit_is_there(served, first, asked, body):
    served.faults.add(asked, Fault(body=body), times=100)
    with suppress(YoungerError):
        assert publish(first, NAME).commit == served.repositories[NAME].sha


@pytest.mark.parametrize("asked", ["POST */commit/*", "POST */info/lfs/*", "PUT *"])
def test_what_is_uploaded_by_way_of_another_host_carries_no_token_and_counts_as_nothing(served, first, asked):
    answer = json.dumps({"commitOid": "0" * 40, "commitUrl": "u", "hookOutput": "", "success": True, "objects": []})
    with stranger(answer.encode()) as (place, seen):
        served.faults.add(asked, Fault(status=307, headers={"Location": f"{place}/x"}), times=100)
        with pytest.raises(YoungerError):
            publish(first, NAME)
        assert seen
        assert all(TOKEN not in json.dumps(request) for request in seen)
    commit = served.repositories[NAME].at("main")
    assert commit is not None
    assert set(commit.files) == {".gitattributes"}


@pytest.mark.parametrize("body", [b"\xff" * 100, b"*/*\n", b"\x1b[2J*\n", b"a\0b\n" * 1000])
def test_removals_that_are_garbage_are_a_sentence_or_lines(served, committed, tmp_path, body):
    served.repositories[NAME].commit({"removals.txt": body, "README.md": CARD})
    with suppress(YoungerError):
        assert read_removals(NAME, tmp_path).lines


@pytest.mark.parametrize("body", [b"", b"---\ntags: " + b"[" * 2_000 + b"\n---\n", b"\xff\xfe", b"x" * 100])
def test_a_card_that_is_garbage_is_a_sentence(served, committed, body):
    served.repositories[NAME].commit({"README.md": body})
    with pytest.raises(YoungerError):
        open_release(NAME)
