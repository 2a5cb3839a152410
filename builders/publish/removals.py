"""Models whose owners asked for them to be left out: none of them is in a release that is published.

In go a release and the ids in the repository's `removals.txt`; a release that has one of them is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from younger_hf.errors import ReleaseError
from younger_hf.release import open_release

_CONFIGS: Final = ("graphs", "sample", "skeletons")


def check_removals(directory: Path, removed: Collection[str]) -> None:
    """Refuse a release that has a model which was asked to be removed.

    Args:
        directory: the release.
        removed: ids of models.

    Raises:
        ReleaseError: a row has one; the message names it.
    """
    if not removed:
        return
    release, unwanted = open_release(directory), pa.array(sorted(removed))
    for config in _CONFIGS:
        for _, part in release.row_groups(config, ["models"]) if config in release.configs else ():
            ids = pc.struct_field(pc.list_flatten(part.column("models")), "id")
            found = ids.filter(pc.is_in(ids, unwanted))
            if len(found):
                raise ReleaseError(
                    f"config {config} of {directory} has {found[0]}, which the repository's removals.txt "
                    "asks to leave out: build the release without it"
                )
