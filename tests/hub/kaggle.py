"""Kaggle on this machine, for the tests: kagglesdk and kagglehub, unmodified, talk to it in their TEST environment.

    with kaggle(Model("google/bit", (Instance("keras", "small", {"m.keras": path}),))) as served:
        ...  # KAGGLE_API_ENVIRONMENT=TEST
        served.faults.add("*/ListModels", Fault(status=503), times=2)
        served.sent("GET /storage/*")  # bytes of files

The address of that environment is fixed, so that two tests at once would want the same port: the second waits.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote

from hub.answers import Answer, file_answer, json_answer
from hub.repositories import Content
from hub.server import Hub, Request

PORT = 7777  # of kagglesdk's TEST environment
PATIENCE = 300.0  # seconds in which another test gives the port free


@dataclass(frozen=True)
class Instance:
    """A variation of a model in one framework, as Kaggle writes it (`tensorFlow2`); `gated` where users must agree."""

    framework: str
    slug: str
    files: Mapping[str, bytes | Path]
    version: int = 1
    license: str = "Apache 2.0"
    gated: bool = False

    def described(self) -> dict[str, Any]:
        return {
            "id": 1,
            "slug": self.slug,
            "framework": self.framework,
            "versionNumber": self.version,
            "licenseName": self.license,
            "totalUncompressedBytes": sum(Content(source).size for source in self.files.values()),
        }


@dataclass(frozen=True)
class Model:
    """A model; tags are full paths (`task > image classification`)."""

    ref: str
    instances: tuple[Instance, ...]
    tags: tuple[str, ...] = ()
    votes: int = 0

    def described(self) -> dict[str, Any]:
        return {
            "id": 1,
            "ref": self.ref,
            "title": self.ref,
            "slug": self.ref.rpartition("/")[2],
            "isPrivate": False,
            "instances": [instance.described() for instance in self.instances],
            "tags": [{"name": tag.rpartition(" > ")[2], "fullPath": tag} for tag in self.tags],
            "publishTime": "2023-03-21T18:02:58.467Z",
            "voteCount": self.votes,
        }


class Kaggle(Hub):
    """The server's state; faults, log and page size are those of `Hub`."""

    def __init__(self, *models: Model) -> None:
        super().__init__()
        self.endpoint = f"http://localhost:{PORT}"
        self.models = {model.ref: model for model in models}

    def post(self, handler: Request) -> Answer:
        call = handler.path_only.removeprefix("/api/v1/models.ModelApiService/")
        asked = json.loads(handler.body or b"{}")
        if call == "ListModels":
            return self._list(asked)
        model = self.models.get(f"{asked.get('ownerSlug')}/{asked.get('modelSlug')}")
        if model is None:
            return _refusal(404, "Not found")
        if call == "GetModel":
            return json_answer(model.described())
        instance = next((i for i in model.instances if _is(i, asked)), None)
        if instance is None or asked.get("versionNumber", instance.version) != instance.version:
            return _refusal(404, "Not found")
        if call == "GetModelInstance":
            return json_answer(instance.described())
        if instance.gated:
            return _refusal(403, "Permission 'modelInstanceVersions.use' was denied")
        if call == "ListModelInstanceVersionFiles":
            return self._files(instance, asked)
        if call == "DownloadModelInstanceVersion":
            path = asked.get("path", "")
            if path and path not in instance.files:
                return _refusal(404, "Not found")
            place = f"{model.ref}/{instance.framework}/{instance.slug}/{path or 'archive.tar.gz'}"
            return Answer(302, {"Location": f"{self.endpoint}/storage/{quote(place)}?X-Goog-Signature=a%2Fb"})
        return _refusal(404, "no such call")

    def get(self, handler: Request) -> Answer:
        """A file as Kaggle's storage gives it; its addresses are signed, so that nobody is asked for a token."""
        owner, name, framework, slug, path = unquote(handler.path_only).removeprefix("/storage/").split("/", 4)
        model = self.models[f"{owner}/{name}"]
        instance = next(i for i in model.instances if (i.framework, i.slug) == (framework, slug))
        if path == "archive.tar.gz":
            return file_answer(Content(_archive(instance.files)), path, {})
        return file_answer(Content(instance.files[path]), path, {})

    def _list(self, asked: dict[str, Any]) -> Answer:
        found = [
            model
            for model in self.models.values()
            if asked.get("owner", model.ref).split("/")[0] == model.ref.split("/")[0]
            and asked.get("search", "") in model.ref
        ]
        page, token = self._page(found, asked)
        return json_answer(
            {"models": [model.described() for model in page], "nextPageToken": token, "totalResults": len(found)}
        )

    def _files(self, instance: Instance, asked: dict[str, Any]) -> Answer:
        page, token = self._page(list(instance.files), asked)
        rows = [{"name": path, "size": Content(instance.files[path]).size} for path in page]
        return json_answer({"files": rows, "nextPageToken": token})

    def _page(self, items: list[Any], asked: dict[str, Any]) -> tuple[list[Any], str]:
        start = int(asked.get("pageToken") or 0)
        end = start + min(asked.get("pageSize", 20), self.page_size)
        return items[start:end], str(end) if end < len(items) else ""


@contextmanager
def kaggle(*models: Model) -> Iterator[Kaggle]:
    """Serve these models where the clients look for them."""
    served = Kaggle(*models)
    server = _bound(type("Bound", (Request,), {"hub": served}))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _bound(handler: type[Request]) -> ThreadingHTTPServer:
    """A server on the one port, as soon as nobody else has it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            return ThreadingHTTPServer(("127.0.0.1", PORT), handler)
        time.sleep(0.1)
    raise TimeoutError(f"port {PORT} was taken for {PATIENCE:g} seconds")


def _is(instance: Instance, asked: dict[str, Any]) -> bool:
    framework = asked["framework"].removeprefix("MODEL_FRAMEWORK_").replace("_", "")
    return (instance.framework.upper(), instance.slug) == (framework, asked["instanceSlug"])


def _refusal(status: int, message: str) -> Answer:
    body = json.dumps({"code": status, "message": message}).encode()
    return Answer(status, {"Content-Type": "application/json"}, Content(body))


def _archive(files: Mapping[str, bytes | Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, source in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = Content(source).size
            with Content(source).open() as file:
                archive.addfile(entry, file)
    return buffer.getvalue()
