"""Models whose owners asked for them to be left out: none of them is in a release that is published.

In go a release and what is to be left out; a release that has some of it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from builders.removals import REMOVALS, Removals
from younger_hf.errors import ReleaseError
from younger_hf.release import open_release

_CONFIGS: Final = ("graphs", "sample", "skeletons")


def check_removed(directory: Path, removals: Removals, repo_id: str) -> None:
    """Refuse a release that has a model which was asked to be removed.

    Args:
        directory: the release.
        removals: what is to be left out.
        repo_id: the repository that it is to go to, for the message.

    Raises:
        ReleaseError: a row has such a model; the message names it.
    """
    if not removals.entries:
        return
    release = open_release(directory)
    for config in _CONFIGS:
        for _, part in release.row_groups(config, ["models"]) if config in release.configs else ():
            ids = pc.struct_field(pc.list_flatten(part.column("models")), "id")
            if found := removals.first(ids.unique().to_pylist()):
                raise ReleaseError(
                    f"config {config} of {directory} has {found}, which {REMOVALS} asks to leave out: "
                    f"build the release anew with `--previous {repo_id}`"
                )


def names_more(own: Removals, published: Removals, directory: Path, repo_id: str) -> bool:
    """Whether a release's own removals take the place of those in the repository, since they name more.

    Raises:
        ReleaseError: each names what the other does not, so that taking either would bring a model back.
    """
    if own.entries <= published.entries:
        return False
    if missing := sorted(published.entries - own.entries):
        raise ReleaseError(
            f"{REMOVALS} of {repo_id} names {missing[0]}, and that of {directory} does not: "
            f"build the release anew with `--previous {repo_id}`"
        )
    return True
