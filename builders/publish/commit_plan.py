"""What publishing a release would change in a repository, file by file, before anything is changed.

In go the files of a release and the repository as it is; out comes a `CommitPlan`: a table for people, and what to
commit. Files are compared by size and by hash, as the Hub has them, so that a file that did not change is not uploaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tqdm import tqdm

from builders.assemble.write.swap import BESIDE
from builders.contribution import FOLDER, published_contributions
from builders.publish.dataset_repository import CommittedFile, DatasetRepository
from builders.publish.release_check import CARD, listed
from builders.removals import REMOVALS
from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import open_release, read_front_matter
from younger_hf.schema import CONFIGS
from younger_hf.tasks.leaderboard import FOLDER as LEADERBOARD
from younger_hf.text import table

Kind = Literal["add", "change", "delete", "keep"]

KINDS: Final[tuple[Kind, ...]] = ("add", "change", "delete", "keep")
STAYING: Final = (".gitattributes", REMOVALS, FOLDER, LEADERBOARD)
"""Files and folders of a repository that are not a release's; whatever else is no release's stays too.

Of the contributions those go that the release has taken in. Entries of the leaderboard come by pull request, so the
repository may have some that the directory lacks.
"""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Change:
    """What becomes of a file.

    Attributes:
        path: in the release and in the repository.
        kind: what is done.
        size: bytes that are uploaded, deleted or kept.
    """

    path: str
    kind: Kind
    size: int


@dataclass(frozen=True)
class CommitPlan:
    """What a commit is to do.

    Attributes:
        repo_id: the repository.
        parent: the commit that was looked at; None if there is no repository yet.
        changes: by path.
    """

    repo_id: str
    parent: str | None
    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the repository has all of this release and nothing of another."""
        return all(change.kind == "keep" for change in self.changes)

    def paths(self, *kinds: Kind) -> list[str]:
        """The paths of what is done so."""
        return [change.path for change in self.changes if change.kind in kinds]

    def __str__(self) -> str:
        rows = [
            [change.kind, change.path, f"{change.size:,}"]
            for kind in KINDS
            for change in self.changes
            if change.kind == kind != "keep"
        ]
        counts = {kind: [change.size for change in self.changes if change.kind == kind] for kind in KINDS}
        totals = ", ".join(f"{kind} {len(of)} files of {sum(of):,} bytes" for kind, of in counts.items() if of)
        state = f"at {self.parent}" if self.parent else "which is to be made"
        return "\n".join(
            [f"{self.repo_id}, {state}: {totals}", *([table(["", "file", "bytes"], rows, 2)] * bool(rows))]
        )


def make_plan(directory: Path, files: Iterable[str], repo_id: str, repository: DatasetRepository | None) -> CommitPlan:
    """Compare a release with a repository.

    Args:
        directory: the release.
        files: the paths of its files.
        repo_id: where it is to go.
        repository: what is there; None if there is none.

    Raises:
        UsageError: the repository holds something else than a release.
    """
    files = sorted(files)
    remote: Mapping[str, CommittedFile] = repository.files if repository else {}
    own = _own_folders(repository) if repository else frozenset()
    sizes = {path: (directory / path).stat().st_size for path in files}
    compared = [path for path in files if path in remote and remote[path].size == sizes[path]]
    with tqdm(desc="compare files", total=sum(map(sizes.__getitem__, compared)), unit="B", disable=None) as progress:
        same = {path for path in compared if _is_same(directory / path, remote[path], progress)}
    kinds: dict[str, Kind] = {path: "keep" if path in same else "change" if path in remote else "add" for path in files}
    changes = [Change(path, kind, sizes[path]) for path, kind in kinds.items()]
    taken = taken_in(directory)
    gone = (path for path in remote if path not in sizes and (path.partition("/")[0] in own or path in taken))
    changes += [Change(path, "delete", remote[path].size) for path in gone]
    return CommitPlan(
        repo_id, repository.sha if repository else None, tuple(sorted(changes, key=lambda change: change.path))
    )


def _own_folders(repository: DatasetRepository) -> frozenset[str]:
    """The folders and files at the root of a repository that a release has made and may delete."""
    if CARD not in repository.files:
        foreign = [path for path in repository.files if path.partition("/")[0] not in STAYING]
        if foreign:
            raise UsageError(f"{repository.id} is no release, it has {foreign[0]}: publish to another repository")
        return frozenset()
    try:
        front_matter = read_front_matter(repository.download(CARD))
    except YoungerError as error:
        raise UsageError(f"{repository.id} is no release, it has a card of its own: publish elsewhere") from error
    configs = (str(entry.get("config_name")) for entry in listed(front_matter, "configs"))
    beside = (path.partition("/")[0] for path in BESIDE)
    return frozenset({CARD, *CONFIGS, *configs, *beside}) - {*STAYING}


def _is_same(file: Path, remote: CommittedFile, progress: Any) -> bool:
    """Whether a file of the same size has the same content: SHA-256 for large files, else git's hash of a blob."""
    digest = hashlib.sha256() if remote.sha256 else hashlib.sha1(f"blob {remote.size}\0".encode())  # noqa: S324
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            progress.update(len(block))
    return digest.hexdigest() == (remote.sha256 or remote.blob_id)


def taken_in(directory: Path) -> frozenset[str]:
    """The paths of the contributions that a release holds, as a repository may still have them."""
    return published_contributions(open_release(directory))
