"""A Hub on this machine, for the tests: huggingface_hub, unmodified, talks to it through `HF_ENDPOINT`.

    with hub(Repository.of_directory("org/younger", directory, kind="datasets")) as served:
        ...  # HF_ENDPOINT=served.endpoint
        served.repositories["org/younger"].commit({"README.md": b"new"})
        served.faults.add("GET */config.json", Fault(status=503), times=2)
        served.sent("GET *.onnx")  # bytes of bodies, as served.received("PUT *") are of what was uploaded

`repositories` says what it holds, `faults` how it fails, `answers` what an answer is, `logins` who logs in to
applications; here are the routes.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from hub import writing
from hub.answers import Answer, Exchange, failure, file_answer, json_answer
from hub.faults import Fault, Faults
from hub.logins import Logins, authorize, token, userinfo
from hub.quota import Quota
from hub.repositories import Commit, Content, Repository, is_lfs

CHUNK = 1 << 16


class Hub:
    """The server's state, which a test may change while it runs.

    Attributes:
        endpoint: for `HF_ENDPOINT`.
        cdn: where large files are, which is not the same origin.
        repositories: by id.
        users: name by token; any other token is refused.
        read_only: those of the tokens that may not write.
        organisations: where every user may write, as in a namespace of their own.
        logins: applications that people log in to, and what they grant these.
        faults: what goes wrong.
        quotas: the rate limits of the API and of the files.
        page_size: entries on a page of a list, at most.
        log: every request in the order of arrival.
    """

    def __init__(self, *repositories: Repository) -> None:
        self.endpoint = self.cdn = ""
        self.repositories = {repository.id: repository for repository in repositories}
        self.users: dict[str, str] = {}
        self.read_only: set[str] = set()
        self.organisations = {"org"}
        self.logins = Logins()
        self.faults = Faults()
        self.quotas = {name: Quota(name) for name in ("api", "resolvers")}
        self.page_size = 1000
        self.log: list[Exchange] = []

    def requests(self, pattern: str = "*") -> list[Exchange]:
        """The requests so far whose `METHOD /path?query` fits a shell pattern."""
        return [exchange for exchange in self.log if fnmatchcase(exchange.request, pattern)]

    def sent(self, pattern: str = "*") -> int:
        """Bytes of the bodies that were sent in answer to these requests."""
        return sum(exchange.sent for exchange in self.requests(pattern))

    def received(self, pattern: str = "*") -> int:
        """Bytes of the bodies of these requests."""
        return sum(exchange.received for exchange in self.requests(pattern))

    def get(self, request: Request) -> Answer:
        return self._answer(request, _GET)

    def post(self, request: Request) -> Answer:
        return self._answer(request, _POST)

    def put(self, request: Request) -> Answer:
        return self._answer(request, _PUT)

    def _answer(self, request: Request, routes: dict[re.Pattern[str], _Route]) -> Answer:
        for route, answer in routes.items():
            if match := route.fullmatch(request.path_only):
                return answer(self, request, *(unquote(part) if part else "" for part in match.groups()))
        return failure(404, "", "no such route")

    # Routes of the API

    def whoami(self, request: Request) -> Answer:
        if request.user is None:
            return failure(401, "", "Invalid username or password.")
        token = {"displayName": "tests", "role": "read" if request.token in self.read_only else "write"}
        orgs = [{"type": "org", "name": name} for name in sorted(self.organisations)]
        auth = {"type": "access_token", "accessToken": token}
        return json_answer({"type": "user", "name": request.user, "orgs": orgs, "auth": auth})

    def list(self, request: Request, kind: str) -> Answer:
        asked = request.query
        rows = [
            repository.described(repository.commits[repository.sha]) | {"id": repository.id}
            for repository in list(self.repositories.values())
            if repository.kind == kind and repository.branches and self._visible(repository, request)
        ]
        for i, row in enumerate(rows):
            row["trendingScore"] = -i
        sort = request.one("sort") or "trendingScore"
        found = [row for row in rows if _matches(row, asked)]
        keys = [(row[sort], row["id"]) for row in found]
        return self._paged(request, found, keys, descending=True, show=lambda row: _shown(row, asked))

    def info(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        place = self.find(request, kind, name, revision or "main")
        if isinstance(place, Answer):
            return place
        repository, commit = place
        row = {**repository.described(commit), "id": repository.id, "modelId": repository.id}
        if "blobs" in request.query:
            row["siblings"] = [
                {"rfilename": path, "size": content.size, "blobId": content.sha1, **_lfs(path, content)}
                for path, content in commit.files.items()
            ]
        expand = request.query.get("expand")
        return json_answer({"id": row["id"], **{name: row.get(name) for name in expand}} if expand else row)

    def refs(self, request: Request, kind: str, name: str) -> Answer:
        place = self.find(request, kind, name)
        if isinstance(place, Answer):
            return place
        repository, _ = place
        pulls = {name: sha for name, sha in repository.branches.items() if name.startswith(writing.PULL)}
        branches = {name: sha for name, sha in repository.branches.items() if name not in pulls}
        groups = {
            "branches": ("refs/heads/", branches),
            "tags": ("refs/tags/", repository.tags),
            "converts": ("refs/convert/", {}),
            **({"pullRequests": ("", pulls)} if "include_prs" in request.query else {}),
        }
        return json_answer(
            {
                group: [{"name": ref, "ref": prefix + ref, "targetCommit": sha} for ref, sha in refs.items()]
                for group, (prefix, refs) in groups.items()
            }
        )

    def discussions(self, request: Request, kind: str, name: str) -> Answer:
        """The pull requests, the newest first; the Hub has no other discussions here."""
        place = self.find(request, kind, name)
        if isinstance(place, Answer):
            return place
        repository, _ = place
        pulls = [
            (int(ref[len(writing.PULL) :]), sha) for ref, sha in repository.branches.items() if writing.PULL in ref
        ]
        found = [
            {
                "title": repository.commits[sha].title,
                "num": number,
                "author": {"name": repository.commits[sha].author or "ada"},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": "merged" if number in repository.merged else "open",
                "repo": {"name": name, "type": kind.removesuffix("s")},
                "isPullRequest": True,
            }
            for number, sha in sorted(pulls, reverse=True)
        ]
        chosen = [one for one in found if request.one("status") in ("", "all", one["status"])]
        start = int(request.one("p") or 0) * self.page_size
        page = chosen[start : start + self.page_size]
        return json_answer({"discussions": page, "count": len(chosen), "start": start})

    def tree(self, request: Request, kind: str, name: str, revision: str, folder: str) -> Answer:
        place = self.find(request, kind, name, revision)
        if isinstance(place, Answer):
            return place
        entries = _entries(place[1], folder, recursive=request.one("recursive").lower() in ("true", "1"))
        if folder and not entries:
            return failure(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        return self._paged(request, entries, [entry["path"] for entry in entries])

    def paths_info(self, request: Request, kind: str, name: str, revision: str) -> Answer:
        place = self.find(request, kind, name, revision)
        if isinstance(place, Answer):
            return place
        known = {entry["path"]: entry for entry in _entries(place[1], "", recursive=True)}
        return json_answer([known[path] for path in parse_qs(request.body.decode())["paths"] if path in known])

    # Files

    def resolve(self, request: Request, kind: str, name: str, revision: str, path: str) -> Answer:
        place = self.find(request, kind.rstrip("/") or "models", name, revision)
        if isinstance(place, Answer):
            return place
        repository, commit = place
        if repository.gated and request.user not in repository.readers:
            return failure(401 if request.user is None else 403, "GatedRepo", f"Access to {name} is restricted.")
        content = commit.files.get(path)
        if content is None:
            return failure(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit.sha})
        headers = {"X-Repo-Commit": commit.sha}
        if not is_lfs(path, content):
            return file_answer(content, content.sha1, headers)
        headers |= {"X-Linked-Size": str(content.size), "X-Linked-ETag": f'"{content.sha256}"'}
        where = f"{self.cdn}/cdn/{repository.kind}/{name}/{commit.sha}/{quote(path)}"
        return Answer(302, {**headers, "Location": where, "ETag": f'"{content.sha1}"'})

    def download(self, request: Request, kind: str, name: str, sha: str, path: str) -> Answer:
        """What the Hub's content delivery network answers; its URLs are signed, so that nobody is asked for a token."""
        content = self.repositories[name].commits[sha].files[path]
        return file_answer(content, content.sha256, {})

    # What the routes share

    def _visible(self, repository: Repository, request: Request) -> bool:
        return not repository.private or request.user in repository.readers

    def find(
        self, request: Request, kind: str, name: str, revision: str = "main"
    ) -> tuple[Repository, Commit] | Answer:
        repository = self.repositories.get(name)
        if repository is None or repository.kind != kind or not self._visible(repository, request):
            # As the Hub does: who is not known is not told whether it is hidden or not there.
            return failure(401 if request.user is None else 404, "RepoNotFound", "Repository not found")
        commit = repository.at(revision)
        if commit is None:
            return failure(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, commit

    def _paged(
        self,
        request: Request,
        items: list[dict[str, Any]],
        keys: list[Any],
        descending: bool = False,
        show: Callable[[dict[str, Any]], dict[str, Any]] = lambda item: item,
    ) -> Answer:
        """A page of items in the order of their keys; the cursor is the last key, whatever joins meanwhile."""
        keys = json.loads(json.dumps(keys))
        ordered = sorted(zip(keys, range(len(items)), strict=True), reverse=descending)
        if cursor := request.one("cursor"):
            after = json.loads(base64.b64decode(cursor))
            ordered = [entry for entry in ordered if (entry[0] < after if descending else entry[0] > after)]
        size = min(int(request.one("limit") or self.page_size), self.page_size)
        page = list(islice(ordered, size))
        answer = json_answer([show(items[i]) for _, i in page])
        if len(ordered) > size:
            cursor = base64.b64encode(json.dumps(page[-1][0]).encode()).decode()
            query = urlencode({**request.query, "cursor": cursor}, doseq=True)
            answer.headers["Link"] = f'<{self.endpoint}{request.path_only}?{query}>; rel="next"'
        return answer


_T = r"(models|datasets|spaces)"
_ID = r"([^/]+/[^/]+)"
_Route = Callable[..., Answer]
_GET: dict[re.Pattern[str], _Route] = {
    re.compile("/api/whoami-v2"): Hub.whoami,
    re.compile(f"/api/{_T}"): Hub.list,
    re.compile(f"/api/{_T}/{_ID}/refs"): Hub.refs,
    re.compile(f"/api/{_T}/{_ID}/discussions"): Hub.discussions,
    re.compile(f"/api/{_T}/{_ID}/tree/([^/]+)/?(.*)"): Hub.tree,
    re.compile(f"/api/{_T}/{_ID}(?:/revision/([^/]+))?"): Hub.info,
    re.compile(f"/cdn/{_T}/{_ID}/([^/]+)/(.+)"): Hub.download,
    re.compile("/oauth/authorize"): authorize,
    re.compile("/oauth/userinfo"): userinfo,
    re.compile(f"/(datasets/|spaces/|){_ID}/resolve/([^/]+)/(.+)"): Hub.resolve,
}
_POST: dict[re.Pattern[str], _Route] = {
    re.compile("/oauth/token"): token,
    re.compile(f"/api/{_T}/{_ID}/paths-info/([^/]+)"): Hub.paths_info,
    re.compile("/api/repos/create"): writing.create,
    re.compile("/api/validate-yaml"): writing.validate,
    re.compile(f"/api/{_T}/{_ID}/preupload/([^/]+)"): writing.preupload,
    re.compile(f"/api/{_T}/{_ID}/commit/([^/]+)"): writing.commit,
    re.compile(rf"/api/{_T}/{_ID}/discussions/(\d+)/merge"): writing.merge,
    re.compile(f"/api/{_T}/{_ID}/branch/([^/]+)"): writing.branch,
    re.compile(f"/api/{_T}/{_ID}/tag/([^/]+)"): writing.tag,
    re.compile(rf"/(datasets/|spaces/|){_ID}\.git/info/lfs/objects/batch"): writing.batch,
}
_PUT: dict[re.Pattern[str], _Route] = {
    re.compile(f"/upload/{_ID}/([0-9a-f]+)"): writing.upload,
}


@contextmanager
def hub(*repositories: Repository) -> Iterator[Hub]:
    """Serve these repositories on two free ports of this machine: the Hub, and where it sends one for large files."""
    served = Hub(*repositories)
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Request,), {"hub": served})) for _ in range(2)]
    served.endpoint, served.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield served
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub

    def do_GET(self) -> None:
        self._handle(self.hub.get)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def do_POST(self) -> None:
        self._handle(self.hub.post)

    def do_PUT(self) -> None:
        self._handle(self.hub.put)

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    @property
    def user(self) -> str | None:
        """The user whose token came with the request."""
        return self.hub.users.get(self.token)

    def one(self, name: str) -> str:
        """The last value of a query parameter, "" without one."""
        return self.query.get(name, [""])[-1]

    def _handle(self, route: Callable[[Request], Answer]) -> None:
        parts = urlsplit(self.path)
        self.path_only, self.query = parts.path, parse_qs(parts.query)
        exchange = Exchange(
            f"{self.command} {unquote(self.path)}",
            range=self.headers.get("Range", ""),
            authorization=self.headers.get("Authorization", ""),
        )
        self.hub.log.append(exchange)
        refused = self.hub.faults.take_refusal(exchange.request)
        self.body = self._read(refused.cut_request)
        exchange.received = len(self.body)
        if refused.cut_request is not None:
            self._hang_up()
            return
        allowed, limits = self.hub.quotas["api" if parts.path.startswith("/api/") else "resolvers"].take()
        if refused.status:
            answer, fault = Answer(refused.status), refused
        else:
            answer = route(self) if allowed else failure(429, "", "Too many requests")
            fault = self.hub.faults.take(exchange.request, has_body=answer.status == 200)
        answer.headers.update(limits)
        fault.then()
        if fault.lose_answer:
            self._hang_up()
            return
        if fault.status:
            answer = Answer(fault.status, {**limits, "Content-Type": "text/plain"})
        if fault.body is not None:
            answer.content = Content(fault.body)
        answer.headers.update(fault.headers)
        time.sleep(fault.stall)
        # A client that has had enough, or that has waited long enough, hangs up.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._send(answer, exchange, fault)

    def _read(self, limit: int | None) -> bytes:
        """The body of the request, or so many bytes of it."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            size = int(self.headers.get("Content-Length", 0))
            return self.rfile.read(size if limit is None else min(size, limit))
        body = bytearray()
        while (limit is None or len(body) < limit) and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        if limit is None:
            self.rfile.readline()
        return bytes(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, answer: Answer, exchange: Exchange, fault: Fault) -> None:
        start, end = answer.part("" if fault.ignore_range else exchange.range)
        exchange.status = answer.status
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(end - start), **fault.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.cut is not None:
            end = min(end, start + fault.cut)
            self.close_connection = True
        with answer.content.open() as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(CHUNK, end - start))
                start += len(chunk)
                exchange.sent += len(chunk)
                self.wfile.write(chunk)

    def log_message(self, *_: Any) -> None:
        pass


def _matches(row: dict[str, Any], asked: dict[str, list[str]]) -> bool:
    wanted = [tag for part in asked.get("filter", []) for tag in part.split(",")]
    wanted += asked.get("library", [])
    return (
        all(tag in row["tags"] for tag in wanted)
        and all(row["author"] == author for author in asked.get("author", []))
        and all(text.lower() in row["id"].lower() for text in asked.get("search", []))
        and all(row["pipeline_tag"] == task for task in asked.get("pipeline_tag", []))
        and all(bool(row["gated"]) == (gated.lower() == "true") for gated in asked.get("gated", []))
    )


def _shown(row: dict[str, Any], asked: dict[str, list[str]]) -> dict[str, Any]:
    names = asked.get("expand")
    if names is None:
        names = "createdAt downloads library_name likes pipeline_tag private tags".split()
        if "full" in asked:
            names += "author gated lastModified sha siblings".split()
        names += [name for name in ("cardData", "config") if name in asked]
    return {"id": row["id"], "modelId": row["id"], **{name: row[name] for name in names if row.get(name) is not None}}


def _entries(commit: Commit, folder: str, recursive: bool) -> list[dict[str, Any]]:
    """What the tree of a commit holds below a folder, directories too."""
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for path, content in commit.files.items():
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts)):
            directory = prefix + "/".join(parts[:depth])
            found[directory] = {"type": "directory", "path": directory, "size": 0, "oid": commit.sha}
        found[path] = {
            "type": "file",
            "path": path,
            "size": content.size,
            "oid": content.sha1,
            **_lfs(path, content),
        }
    return [found[path] for path in sorted(found) if recursive or "/" not in path[len(prefix) :]]


def _lfs(path: str, content: Content) -> dict[str, Any]:
    if not is_lfs(path, content):
        return {}
    return {"lfs": {"oid": content.sha256, "sha256": content.sha256, "size": content.size, "pointerSize": 134}}
