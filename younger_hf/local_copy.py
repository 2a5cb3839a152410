"""A copy of some configs of a release, in a directory that needs no network once it is there.

In goes where a release is and which of its configs are wanted; out comes a release directory that has them. The copy is
as the cache of huggingface_hub is: whole files under the commit that they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import errors as hub
from huggingface_hub import snapshot_download

from younger_hf.errors import ReleaseError
from younger_hf.release import CARD, Release, locate, open_release, quiet_off_terminal, reading_hub


def fetch_release(
    root: Path, source: str | Path, revision: str | None, configs: Sequence[str], *, force: bool = False
) -> Release:
    """A release that can be read from disk.

    Args:
        root: where the copy is, or will be.
        source: a release directory, which is taken as it is, or the id of a Hub dataset repository.
        revision: the repository's branch, tag or commit. What was fetched before for the same one is not looked up
            again.
        configs: those that are needed.
        force: look the revision up again, and fetch what it has now.

    Raises:
        UsageError: there is no such config.
        ReleaseError: there is no such release, it is incomplete, or the Hub cannot be reached.
    """
    place = locate(source)
    if isinstance(place, Path):
        return open_release(place)
    kept = None if force else _kept(root, place, revision)
    copy = kept or _fetch(root, place, revision, [CARD])
    release = open_release(copy)
    if kept and _is_whole(release, configs):
        return release
    # What is fetched later is of the same commit, which names the directory.
    _fetch(root, place, copy.name, [pattern for config in configs for pattern in _patterns(release, config)])
    if not _is_whole(release, configs):
        # huggingface_hub is content with what it has of a commit where the Hub cannot be reached.
        raise ReleaseError(f"{', '.join(configs)} of {place} could not all be fetched to {root}: try again")
    return release


def _kept(root: Path, repo_id: str, revision: str | None) -> Path | None:
    """What was fetched before, if it has the card."""
    try:
        copy = Path(
            snapshot_download(repo_id, repo_type="dataset", revision=revision, cache_dir=root, local_files_only=True)
        )
    except hub.LocalEntryNotFoundError:
        return None
    return copy if (copy / CARD).is_file() else None


def _fetch(root: Path, repo_id: str, revision: str | None, patterns: list[str]) -> Path:
    with reading_hub(repo_id, revision), quiet_off_terminal():
        return Path(
            snapshot_download(repo_id, repo_type="dataset", revision=revision, cache_dir=root, allow_patterns=patterns)
        )


def _patterns(release: Release, config: str) -> list[str]:
    release.splits(config)
    return [pattern for patterns in release.configs[config].values() for pattern in patterns]


def _is_whole(release: Release, configs: Sequence[str]) -> bool:
    try:
        return all(release.files(config) for config in configs)
    except ReleaseError:
        return False
