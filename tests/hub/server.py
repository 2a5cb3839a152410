"""A Hub on this machine that serves directories as dataset repositories, read-only: enough to load from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SHA = hashlib.sha1(b"the only commit").hexdigest()


@contextmanager
def hub(repositories: dict[str, Path]) -> Iterator[str]:
    """Serve each directory under its repository id (`org/name`); gives the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"repositories": repositories}))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    repositories: dict[str, Path]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if api := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(/revision/([^/]+)|/tree/([^/]+)/?(.*))?", path):
            repository = self._repository(api[1], api[3] or api[4] or "main")
            if repository and api[4]:
                self._json(self._entries(repository, api[5]))
            elif repository:
                files = [{"rfilename": str(f.relative_to(repository))} for f in self._files(repository)]
                self._json({"id": api[1], "sha": SHA, "siblings": files, "private": False, "gated": False, "tags": []})
        elif file := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = self._repository(file[1], file[2])
            if repository:
                self._file(repository / file[3])
        else:
            self._error("EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = unquote(urlsplit(self.path).path)
        if api := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)", path):
            repository = self._repository(api[1], api[2])
            wanted = [value for key, value in parse_qsl(body) if key == "paths"]
            if repository:
                self._json([self._entry(repository, repository / p) for p in wanted if (repository / p).exists()])
        else:
            self._error("EntryNotFound")

    def _repository(self, name: str, revision: str) -> Path | None:
        if name not in self.repositories:
            self._error("RepoNotFound")
        elif revision not in ("main", SHA):
            self._error("RevisionNotFound")
        else:
            return self.repositories[name]
        return None

    def _files(self, repository: Path) -> list[Path]:
        return sorted(path for path in repository.rglob("*") if path.is_file())

    def _entries(self, repository: Path, folder: str) -> list[dict[str, Any]]:
        recursive = "recursive=true" in self.path.lower()
        found = (repository / folder).rglob("*") if recursive else (repository / folder).glob("*")
        return [self._entry(repository, path) for path in sorted(found)]

    def _entry(self, repository: Path, path: Path) -> dict[str, Any]:
        kind = "directory" if path.is_dir() else "file"
        return {"type": kind, "path": str(path.relative_to(repository)), "size": path.stat().st_size, "oid": SHA}

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._error("EntryNotFound")
        content = path.read_bytes()
        etag = hashlib.sha1(content).hexdigest()
        start, end = 0, len(content)
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(end, int(asked[2] or end - 1) + 1)
        headers = {"X-Repo-Commit": SHA, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return self._answer(206 if asked else 200, content[start:end], headers)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, code: str) -> None:
        self._answer(404, b"{}", {"X-Error-Code": code})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
