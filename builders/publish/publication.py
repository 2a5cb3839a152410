"""Publishing: a release directory becomes one commit of a Hub repository, and that a tag.

In goes a release that passes `check_release`; out comes `Published`. Nobody sees a repository half-updated: files are
uploaded first, under their hashes, where no reader finds them, and one commit then changes everything. Whatever ends
the work before, it is taken up by calling `publish` again, and what was uploaded is not sent twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from builders.lost_rows import check_lost_rows
from builders.publish.commit_plan import CommitPlan, make_plan
from builders.publish.dataset_repository import (
    REPO_TYPE,
    DatasetRepository,
    check_token,
    find_repository,
    http_status,
    quiet_off_terminal,
    refusals,
)
from builders.publish.release_check import CARD, check_release
from builders.publish.removed_models import check_removed, names_more
from builders.removals import REMOVALS, Removals
from younger_hf import __version__
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.foreign_release import check_foreign_release
from younger_hf.release import SCHEMA_VERSION_KEY, open_release, read_front_matter
from younger_hf.release_diff import OF_THE_KEY, ReleaseDiff, compare_releases
from younger_hf.schema import SCHEMA_VERSION
from younger_hf.unreachable import UNREACHABLE

_STALE: Final = 412


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        plan: what was done; nothing, if the repository had all of it.
        commit: the commit that holds the release; None after a dry run.
        url: of the pull request, if one was asked for, or of the repository.
    """

    plan: CommitPlan
    commit: str | None
    url: str


@dataclass(frozen=True)
class _Message:
    title: str
    description: str


@dataclass(frozen=True)
class _Prepared:
    """What is to be done, why, and what becomes of the rows that are published."""

    plan: CommitPlan
    message: _Message
    changes: ReleaseDiff | None = None
    removals: Removals = field(default_factory=Removals)


def publish(
    directory: Path,
    repo_id: str,
    *,
    private: bool = False,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    allow_removals: bool = False,
    show: Callable[[str], object] = lambda _: None,
) -> Published:
    """Bring a release to the Hub, as the user whose token huggingface_hub finds (`HF_TOKEN`, `hf auth login`).

    Args:
        directory: the release.
        repo_id: `organisation/name` of a dataset repository; it is made if there is none.
        private: whether a repository that is made is hidden.
        tag: what the commit is to be called for good, such as "v1.0".
        create_pr: open a pull request instead of changing the repository.
        dry_run: end with the plan; nothing is changed, and no token is needed for a repository that all can see.
        allow_removals: whether rows may go that no removal asked for.
        show: is given the plan before it is carried out, and how many rows it adds, changes and removes, as text.

    Raises:
        ReleaseError: the release is incomplete, invalid, holds a model that was asked to be removed, knows less of what
            is to be removed than the repository, lacks rows of the release there, or gives ids of operators another
            meaning.
        UsageError: the tag exists, or the repository holds something else.
        YoungerError: the Hub refuses, or cannot be reached. The repository has all of the old release, or of the new.
    """
    if "/" not in repo_id:
        raise UsageError(f"{repo_id} has no namespace: name the repository as organisation/name")
    if create_pr and (tag or private):
        raise UsageError("a pull request cannot be tagged or private: leave out --tag and --private")
    if directory.is_dir():
        check_foreign_release(open_release(directory))
    files = check_release(directory)
    with refusals(repo_id), quiet_off_terminal():
        api = HfApi(library_name="younger-hf", library_version=__version__)

        def prepare() -> _Prepared:
            return _prepare(api, directory, files, repo_id, private, tag, create_pr)

        def announce(prepared: _Prepared) -> None:
            show(str(prepared.plan))
            if (changes := prepared.changes) is not None:
                show(changes.changes())
                if not allow_removals:
                    lost = changes.configs["graphs"].removed.to_pylist()
                    check_lost_rows(open_release(repo_id, prepared.plan.parent), lost, prepared.removals)

        if not dry_run:
            check_token(api, repo_id)
        prepared = prepare()
        announce(prepared)
        plan = prepared.plan
        url = f"{api.endpoint}/datasets/{repo_id}"
        if dry_run:
            return Published(plan, None, url)
        if plan.parent is None:
            api.create_repo(repo_id, repo_type=REPO_TYPE, private=private, exist_ok=True)
            prepared = prepare()
        try:
            commit, pull_request = _commit(api, directory, prepared, create_pr)
        except UNREACHABLE as error:
            # Another commit came first, or the answer was lost on its way: see what is there now.
            if create_pr and http_status(error) != _STALE:
                raise
            prepared = prepare()
            if http_status(error) != _STALE and not prepared.plan.is_empty:
                raise
            announce(prepared)
            commit, pull_request = _commit(api, directory, prepared, create_pr)
        if not pull_request:
            _check_commit(api, repo_id, commit)
        if tag and not _is_tagged(api, repo_id, tag, commit):
            api.create_tag(repo_id, tag=tag, revision=commit, tag_message=prepared.message.title, repo_type=REPO_TYPE)
    return Published(prepared.plan, commit, pull_request or url)


def _prepare(
    api: HfApi, directory: Path, files: tuple[str, ...], repo_id: str, private: bool, tag: str | None, create_pr: bool
) -> _Prepared:
    """Look at the repository, and say what is to be done and why."""
    repository = find_repository(api, repo_id)
    published, own = repository.removals() if repository else Removals(), Removals.of_directory(directory)
    check_removed(directory, published | own, repo_id)
    if names_more(own, published, directory, repo_id):
        files = (*files, REMOVALS)
    if repository is None:
        if create_pr:
            raise UsageError(f"there is no {repo_id} to open a pull request in: publish without --create-pr")
        return _Prepared(make_plan(directory, files, repo_id, None), _first_message(directory, tag))
    if private and not repository.private:
        raise UsageError(f"{repo_id} is there and public: change that in its settings, or publish without --private")
    plan = make_plan(directory, files, repo_id, repository)
    if tag in repository.tags and not (plan.is_empty and repository.tags[str(tag)] == repository.sha):
        raise UsageError(f"{repo_id} has a tag {tag} already, and a tag stays where it is: choose another")
    return replace(_against(directory, repository, plan, tag), removals=published | own)


def _commit(api: HfApi, directory: Path, prepared: _Prepared, create_pr: bool) -> tuple[str, str | None]:
    """Carry a plan out; gives the commit and the URL of the pull request."""
    plan, message = prepared.plan, prepared.message
    if plan.is_empty:
        return str(plan.parent), None
    # Uploads that fail for now are tried again by the client.
    done = api.create_commit(
        plan.repo_id,
        [
            *(CommitOperationAdd(path, directory / path) for path in plan.paths("add", "change")),
            *(CommitOperationDelete(path) for path in plan.paths("delete")),
        ],
        commit_message=message.title,
        commit_description=message.description,
        repo_type=REPO_TYPE,
        parent_commit=plan.parent,
        create_pr=create_pr,
    )
    return done.oid, done.pr_url


def _check_commit(api: HfApi, repo_id: str, commit: str) -> None:
    """Have the Hub show the commit: another host may have answered in its place."""
    try:
        found = api.repo_info(repo_id, repo_type=REPO_TYPE, revision=commit).sha
    except (RepositoryNotFoundError, RevisionNotFoundError):
        found = None
    if found != commit:
        raise YoungerError(f"{repo_id} does not have the commit that it was said to have: nothing was published")


def _is_tagged(api: HfApi, repo_id: str, tag: str, commit: str) -> bool:
    refs = api.list_repo_refs(repo_id, repo_type=REPO_TYPE)
    return any((ref.name, ref.target_commit) == (tag, commit) for ref in refs.tags)


def _against(directory: Path, repository: DatasetRepository, plan: CommitPlan, tag: str | None) -> _Prepared:
    """What a commit says: which rows come, change and go."""
    if CARD not in repository.files:
        return _Prepared(plan, _first_message(directory, tag))
    version = read_front_matter(repository.download(CARD))[SCHEMA_VERSION_KEY]
    if version != SCHEMA_VERSION:
        first = _first_message(directory, tag)
        title = f"{first.title}, in place of a release of schema version {version}"
        return _Prepared(plan, _Message(title, first.description))
    if plan.is_empty:
        return _Prepared(plan, _first_message(directory, tag))
    published = open_release(repository.id, repository.sha)
    check_foreign_release(published)
    diff = compare_releases(published, open_release(directory), without=(*OF_THE_KEY, "preview"))
    if diff.is_broken:
        raise ReleaseError(
            f"{directory} gives ids of operators another meaning than {repository.id} does, and what was trained on "
            f"that would be useless: build it with `--previous {repository.id}`"
        )
    return _Prepared(plan, _Message(f"{_name(tag)}: {diff.summary()}", _indented(str(diff))), diff)


def _first_message(directory: Path, tag: str | None) -> _Message:
    release = read_front_matter(directory / CARD)
    rows = {
        entry["config_name"]: sum(split["num_examples"] for split in entry["splits"])
        for entry in release["dataset_info"]
    }
    counts = "\n".join(f"{config}: {count:,} rows" for config, count in rows.items())
    return _Message(f"{_name(tag)}: {rows['graphs']:,} architectures", _indented(counts))


def _name(tag: str | None) -> str:
    return f"Younger {tag}" if tag else "Younger"


def _indented(text: str) -> str:
    """Text as a block of code in Markdown, whatever is in it."""
    return "\n".join(f"    {line}" for line in text.splitlines())
