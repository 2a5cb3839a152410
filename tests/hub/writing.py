"""The routes of the tests' Hub that write: repositories, uploads, commits, pull requests, branches and tags.

As on the Hub, a large file is uploaded first and by its hash, and is there for no reader until a commit names it; a
commit is made whole or not at all, upon the state that its author has seen; a pull request is a branch `refs/pr/N`,
which everybody who sees the repository may open, and upload large files for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import yaml
from hub.answers import Answer, failure, json_answer
from hub.repositories import Content, Kind, Repository, is_lfs

if TYPE_CHECKING:
    from hub.server import Hub, Request

PULL = "refs/pr/"
GIT_ATTRIBUTES = "*.parquet filter=lfs diff=lfs merge=lfs -text\n"
BINARY = 512  # bytes of a file's beginning that the client shows; what is no text is kept as a large file

_writing = Lock()


def create(hub: Hub, request: Request) -> Answer:
    """Make a repository, with the one file that the Hub puts into it."""
    asked = json.loads(request.body)
    name = f"{asked.get('organization') or request.user}/{asked['name']}"
    if refused := _refused(hub, request, {name}):
        return refused
    kind = cast(Kind, asked.get("type", "model") + "s")
    url = f"{hub.endpoint}/{'' if kind == 'models' else f'{kind}/'}{name}"
    with _writing:
        if name in hub.repositories:
            return Answer(409, {}, Content(json.dumps({"error": "You already created this repo", "url": url}).encode()))
        private = asked.get("private") is True or asked.get("visibility") == "private"
        repository = Repository(name, kind, private=private, readers=frozenset({str(request.user)}))
        repository.commit({".gitattributes": GIT_ATTRIBUTES.encode()}, title="initial commit")
        hub.repositories[name] = repository
    return json_answer({"url": url, "name": name})


def preupload(hub: Hub, request: Request, kind: str, name: str, revision: str) -> Answer:
    """How each file is to be sent, and what the revision has under its name."""
    place = hub.find(request, kind, name, revision)
    if isinstance(place, Answer):
        return place
    if refused := _refused(hub, request, set() if _opens_a_pull_request(request) else {name}):
        return refused
    known = place[1].files
    return json_answer(
        {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if _is_large(file) else "regular",
                    "shouldIgnore": False,
                    "oid": _oid(file["path"], known.get(file["path"])),
                }
                for file in json.loads(request.body)["files"]
            ]
        }
    )


def batch(hub: Hub, request: Request, kind: str, name: str) -> Answer:
    """Where each large file is to be put; nowhere, if it is stored."""
    place = hub.find(request, kind.rstrip("/") or "models", name)
    if isinstance(place, Answer):
        return place
    if refused := _refused(hub, request, set()):
        return refused
    objects = []
    for file in json.loads(request.body)["objects"]:
        where = f"{hub.cdn}/upload/{name}/{file['oid']}"
        stored = place[0].stored(file["oid"])
        objects.append({**file, **({} if stored else {"actions": {"upload": {"href": where}}})})
    return json_answer({"transfer": "basic", "objects": objects})


def upload(hub: Hub, request: Request, name: str, oid: str) -> Answer:
    """What the store of large files takes; its URLs are signed, so that nobody is asked for a token."""
    if hashlib.sha256(request.body).hexdigest() != oid:
        return failure(400, "", "The content is not what its hash says")
    hub.repositories[name].objects[oid] = Content(request.body)
    return json_answer({})


def commit(hub: Hub, request: Request, kind: str, name: str, revision: str) -> Answer:
    """Change a branch, or open a pull request, by all that the lines of the body say."""
    with _writing:
        place = hub.find(request, kind, name, revision)
        if isinstance(place, Answer):
            return place
        opens = _opens_a_pull_request(request)
        if refused := _refused(hub, request, set() if opens else {name}):
            return refused
        repository, head = place
        header, *lines = (json.loads(line) for line in request.body.splitlines() if line)
        parent = header["value"].get("parentCommit")
        if parent not in (None, head.sha) and not (opens and parent in repository.commits):
            return failure(412, "", "A commit has happened since. Please refresh and try again.")
        changes: dict[str, bytes | Content | None] = {}
        for line in lines:
            change = _CHANGES[line["key"]](repository, head.files, line["value"])
            if isinstance(change, Answer):
                return change
            changes |= change
        number = 1 + sum(branch.startswith(PULL) for branch in repository.branches)
        branch = f"{PULL}{number}" if opens else revision
        if opens:
            repository.branches[branch] = parent or head.sha
        sha = repository.commit(changes, branch, header["value"]["summary"], str(request.user))
    root = f"{hub.endpoint}/{'' if kind == 'models' else f'{kind}/'}{name}"
    pull = f"{root}/discussions/{number}" if opens else None
    return json_answer({"success": True, "commitOid": sha, "commitUrl": f"{root}/commit/{sha}", "pullRequestUrl": pull})


def merge(hub: Hub, request: Request, kind: str, name: str, number: str) -> Answer:
    """Bring a pull request to `main`."""
    place = hub.find(request, kind, name, f"{PULL}{number}")
    if isinstance(place, Answer):
        return place
    if refused := _refused(hub, request, {name}):
        return refused
    with _writing:
        place[0].merge(int(number))
    return json_answer({})


def branch(hub: Hub, request: Request, kind: str, name: str, new: str) -> Answer:
    """Make a branch where another is."""
    return _name(hub, request, kind, name, json.loads(request.body).get("startingPoint", "main"), "branches", new)


def tag(hub: Hub, request: Request, kind: str, name: str, revision: str) -> Answer:
    """Give a commit a name for good."""
    return _name(hub, request, kind, name, revision, "tags", json.loads(request.body)["tag"])


def validate(hub: Hub, request: Request) -> Answer:
    """Whether the front matter of a card is a mapping in YAML."""
    front = re.match(r"---\n(.*?)\n---\s", json.loads(request.body)["content"], re.DOTALL)
    try:
        if not isinstance(yaml.safe_load(front[1]) if front else {}, dict):
            raise yaml.YAMLError("the metadata is no mapping")
    except yaml.YAMLError as error:
        answer = json_answer({"errors": [{"message": str(error)}], "warnings": []})
        answer.status = 400
        return answer
    return json_answer({"errors": [], "warnings": []})


def _refused(hub: Hub, request: Request, names: set[str]) -> Answer | None:
    """Why the one who asks may not write to these repositories."""
    if request.user is None:
        return failure(401, "", "Invalid username or password.")
    if request.token in hub.read_only:
        return failure(403, "", "You must use a token with write access")
    if not hub.logins.allow(request.token, "write-repos" if names else "write-discussions"):
        return failure(403, "", "The OAuth app was not granted what this needs")
    if any(name.partition("/")[0] not in (request.user, *hub.organisations) for name in names):
        return failure(403, "", f"You don't have the rights to write to the namespace of {', '.join(names)}")
    return None


def _opens_a_pull_request(request: Request) -> bool:
    return request.one("create_pr") in ("1", "true", "True")


def _name(hub: Hub, request: Request, kind: str, name: str, revision: str, group: str, new: str) -> Answer:
    place = hub.find(request, kind, name, revision)
    if isinstance(place, Answer):
        return place
    if refused := _refused(hub, request, {name}):
        return refused
    refs = getattr(place[0], group)
    if new in refs:
        return failure(409, "", f"Reference {new} exists already")
    refs[new] = place[1].sha
    return json_answer({})


def _is_large(file: dict[str, Any]) -> bool:
    sample = base64.b64decode(file["sample"])[:BINARY]
    return is_lfs(file["path"], Content(b"")) or file["size"] > 10_000_000 or b"\0" in sample


def _oid(path: str, content: Content | None) -> str | None:
    """The hash by which the client knows that a file has not changed."""
    if content is None:
        return None
    return content.sha256 if is_lfs(path, content) else content.sha1


def _file(repository: Repository, _: Any, value: dict[str, str]) -> dict[str, bytes | Content | None]:
    return {value["path"]: base64.b64decode(value["content"])}


def _large_file(repository: Repository, _: Any, value: dict[str, str]) -> dict[str, bytes | Content | None] | Answer:
    content = repository.stored(value["oid"])
    if content is None:
        return failure(400, "", f"{value['path']}: the LFS pointer points to a file that does not exist")
    return {value["path"]: content}


def _deleted_file(_: Any, files: Any, value: dict[str, str]) -> dict[str, bytes | Content | None] | Answer:
    if value["path"] not in files:
        return failure(404, "EntryNotFound", "A file with this name doesn't exist")
    return {value["path"]: None}


def _deleted_folder(_: Any, files: Any, value: dict[str, str]) -> dict[str, bytes | Content | None]:
    return {path: None for path in files if path.startswith(f"{value['path'].rstrip('/')}/")}


_CHANGES: dict[str, Callable[[Repository, Any, Any], dict[str, bytes | Content | None] | Answer]] = {
    "file": _file,
    "lfsFile": _large_file,
    "deletedFile": _deleted_file,
    "deletedFolder": _deleted_folder,
}
