r"""What the Hub of the tests holds: repositories, whose content is what each commit says it is.

    repository = Repository("org/bert", facts={"downloads": 12})
    first = repository.commit({"config.json": b"{}", "model.onnx": Path("/tmp/model.onnx")})
    second = repository.commit({"model.onnx": None, "README.md": b"---\nlicense: mit\n---\n"})

As on the Hub, a repository's card data, library, task, license tag and a part of its config.json come from its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import yaml

Kind = Literal["models", "datasets", "spaces"]

# What the Hub's .gitattributes keep in LFS, and from which size on everything is.
LFS_SUFFIXES = frozenset(".arrow .bin .ckpt .gz .h5 .keras .npz .onnx .parquet .pkl .pt .pth .safetensors .zip".split())
LFS_SIZE = 10_000_000
FORMATS = frozenset(".gguf .keras .onnx .safetensors".split())  # the Hub makes tags of them
HASHED_SIZE = 64 << 20  # of a larger file, mostly holes in tests, the name and the size stand for the content


@dataclass(frozen=True)
class Content:
    """The bytes of a file: given, or those of a local file, which is never read as a whole."""

    source: bytes | Path

    @cached_property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        return self._digest("sha256", b"")

    @cached_property
    def sha1(self) -> str:
        """The object id that git gives it."""
        return self._digest("sha1", f"blob {self.size}\0".encode())

    def open(self) -> BinaryIO:
        return self.source.open("rb") if isinstance(self.source, Path) else BytesIO(self.source)

    def _digest(self, algorithm: str, prefix: bytes) -> str:
        digest = hashlib.new(algorithm, prefix)
        if self.size > HASHED_SIZE:
            digest.update(f"{self.source} {self.size}".encode())
        else:
            with self.open() as file:
                digest.update(file.read())
        return digest.hexdigest()


@dataclass(frozen=True)
class Commit:
    """A state of a repository, the sha of the one before it, and who made it."""

    sha: str
    title: str
    files: Mapping[str, Content]
    parent: str = ""
    author: str = ""


@dataclass
class Repository:
    """A repository of a model, a dataset or a Space.

    Attributes:
        id: `org/name`.
        kind: as in the Hub's URLs.
        facts: what the API says of it besides what is in its files: `downloads`, `likes`, `lastModified`; what is
            here stands above what the files say.
        gated: whether its files are only given to the users in `readers`; the Hub's values.
        private: whether nobody but `readers` sees it.
        commits: by sha, in the order they were made.
        branches: sha by name.
        tags: sha by name.
        objects: what was uploaded by its SHA-256, in a commit or not yet.
        merged: the numbers of the pull requests that were.
    """

    id: str
    kind: Kind = "models"
    facts: Mapping[str, Any] = field(default_factory=dict)
    gated: Literal[False, "auto", "manual"] = False
    private: bool = False
    readers: frozenset[str] = frozenset()
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Content] = field(default_factory=dict)
    merged: set[int] = field(default_factory=set)

    @classmethod
    def of_directory(cls, id: str, directory: Path, kind: Kind = "models", **fields: Any) -> Repository:  # noqa: A002
        """A repository with one commit, which holds the files of a directory as they are now."""
        repository = cls(id, kind, **fields)
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        repository.commit({path.relative_to(directory).as_posix(): path for path in files})
        return repository

    def commit(
        self,
        changes: Mapping[str, bytes | Path | Content | None],
        branch: str = "main",
        title: str = "a commit",
        author: str = "",
    ) -> str:
        """Add or replace files (None: delete) upon a branch, which is made if need be; gives the new sha."""
        parent = self.branches.get(branch, "")
        files = dict(self.commits[parent].files) if parent else {}
        for path, source in changes.items():
            if source is None:
                del files[path]
            else:
                files[path] = source if isinstance(source, Content) else Content(source)
        state = [self.id, parent, title, len(self.commits)]
        sha = hashlib.sha1(json.dumps(state).encode()).hexdigest()
        self.commits[sha] = Commit(sha, title, dict(sorted(files.items())), parent, author)
        self.branches[branch] = sha
        return sha

    @property
    def sha(self) -> str:
        return self.branches["main"]

    def stored(self, oid: str) -> Content | None:
        """The large file with this SHA-256, uploaded or in a commit."""
        committed = (file for commit in self.commits.values() for file in commit.files.items() if is_lfs(*file))
        return self.objects.get(oid) or next((content for _, content in committed if content.sha256 == oid), None)

    def merge(self, number: int) -> str:
        """Bring what a pull request changes to `main`, as the Hub's button does; gives the new sha."""
        opened = self.commits[self.branches[f"refs/pr/{number}"]]
        self.merged.add(number)
        before, after = self.commits[opened.parent].files, opened.files
        changes = {path: after.get(path) for path in before | after if before.get(path) != after.get(path)}
        return self.commit(changes, title=f"merge of pull request {number}")

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a sha names."""
        return self.commits.get(self.branches.get(revision) or self.tags.get(revision) or revision)

    def described(self, commit: Commit) -> dict[str, Any]:
        """What the API can tell of the repository at a commit, by the names of `expand`."""
        card = _mapping(commit.files.get("README.md"), _front_matter)
        config = _mapping(commit.files.get("config.json"), json.loads)
        library, task = card.get("library_name"), card.get("pipeline_tag")
        license = card.get("license")  # noqa: A001
        formats = [Path(path).suffix[1:] for path in commit.files if Path(path).suffix in FORMATS]
        if library is None and "model_type" in config:
            library = "transformers"
        named = [library, *formats, task, *(card.get("tags") or ()), config.get("model_type"), f"license:{license}"]
        return {
            "author": self.id.rpartition("/")[0],
            "cardData": card or None,
            "config": {name: config[name] for name in ("architectures", "model_type", "auto_map") if name in config},
            "createdAt": "2026-01-01T00:00:00.000Z",
            "disabled": False,
            "downloads": 0,
            "gated": self.gated,
            "lastModified": "2026-01-01T00:00:00.000Z",
            "library_name": library,
            "likes": 0,
            "model-index": card.get("model-index"),
            "pipeline_tag": task,
            "private": self.private,
            "sha": commit.sha,
            "siblings": [{"rfilename": path} for path in commit.files],
            "tags": list(dict.fromkeys(tag for tag in named if isinstance(tag, str) and tag != "license:None")),
            "usedStorage": sum(content.size for content in commit.files.values()),
            **self.facts,
        }


def is_lfs(path: str, content: Content) -> bool:
    return content.size > LFS_SIZE or Path(path).suffix in LFS_SUFFIXES


@lru_cache
def _front_matter(text: str) -> Any:
    """What a card says: a release's is long, and every answer about its repository needs it."""
    _, fence, rest = text.partition("---\n")
    return yaml.safe_load(rest.partition("\n---")[0]) if fence else None


def _mapping(content: Content | None, parse: Callable[[str], Any]) -> dict[str, Any]:
    """The mapping that a small file holds; empty where it holds none."""
    if content is not None and content.size < 1 << 20:
        with content.open() as file, suppress(ValueError, yaml.YAMLError, RecursionError):
            value = parse(file.read().decode())
            if isinstance(value, dict):
                return cast(dict[str, Any], value)
    return {}
