"""The explorer as a Hugging Face Space: `publish_space` pushes the files of `space/`, pointed at a dataset.

In go the ids of a Space and of a dataset repository; out comes `PublishedSpace`. One commit changes all; files that
somebody added there stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from builders.publish.dataset_repository import check_token, find_repository, quiet_off_terminal, refusals
from younger_hf import __version__
from younger_hf.errors import UsageError
from younger_hf.release import HUB_ID

REPO_TYPE: Final = "space"
FILES: Final = ("Dockerfile", "README.md", "app.py", "requirements.txt")


@dataclass(frozen=True)
class PublishedSpace:
    """What was pushed.

    Attributes:
        url: of the Space.
        changed: the files that were not as they are now.
    """

    url: str
    changed: tuple[str, ...]


def publish_space(space_id: str, dataset_id: str, *, private: bool = False) -> PublishedSpace:
    """Push the explorer of a dataset, as the user whose token huggingface_hub finds.

    Args:
        space_id: `organisation/name` of the Space; it is made if there is none.
        dataset_id: `organisation/name` of the dataset repository that it shows.
        private: whether a Space that is made is hidden.

    Raises:
        UsageError: a name is no `organisation/name`, or there is no such dataset.
        YoungerError: the Hub refuses, or cannot be reached.
    """
    for name in (space_id, dataset_id):
        if "/" not in name:
            raise UsageError(f"{name} has no namespace: name the repository as organisation/name")
    files = space_files(dataset_id)
    with refusals(space_id), quiet_off_terminal():
        api = HfApi(library_name="younger-hf", library_version=__version__)
        check_token(api, space_id)
        if find_repository(api, dataset_id) is None:
            raise UsageError(f"there is no dataset {dataset_id} on the Hub to explore: publish it first")
        api.create_repo(space_id, repo_type=REPO_TYPE, space_sdk="docker", private=private, exist_ok=True)
        changed = tuple(path for path, content in files.items() if _published(api, space_id, path) != content)
        if changed:
            api.create_commit(
                space_id,
                [CommitOperationAdd(path, files[path]) for path in changed],
                commit_message=f"The explorer of {dataset_id}, by younger-hf {__version__}",
                repo_type=REPO_TYPE,
            )
    return PublishedSpace(f"{api.endpoint}/spaces/{space_id}", changed)


def space_files(dataset_id: str) -> dict[str, bytes]:
    """The files of a Space by path."""
    beside = Path(__file__).with_name("space")
    directory = beside if beside.is_dir() else Path(__file__).parents[2] / "space"
    return {name: (directory / name).read_bytes().replace(HUB_ID.encode(), dataset_id.encode()) for name in FILES}


def _published(api: HfApi, space_id: str, path: str) -> bytes | None:
    try:
        return Path(api.hf_hub_download(space_id, path, repo_type=REPO_TYPE)).read_bytes()
    except (EntryNotFoundError, RepositoryNotFoundError):
        return None
