"""Rows of a release that the next one does not have: only those that a removal asked for may go without a word.

In go a release and the fingerprints of rows that are gone; nothing comes out, or an error that names one.
"""

from __future__ import annotations

from collections.abc import Collection

from builders.removals import Removals
from younger_hf.errors import ReleaseError
from younger_hf.release import Release


def check_lost_rows(before: Release, lost: Collection[str], removals: Removals) -> None:
    """Refuse to lose rows of config `graphs` that have a model which nobody asked to remove.

    Args:
        before: the release that has them.
        lost: their fingerprints.
        removals: what is to be left out.

    Raises:
        ReleaseError: there is such a row; or the release cannot be read.
    """
    if not lost:
        return
    gone = frozenset(lost)
    unasked = []
    for _, part in before.row_groups("graphs", ["fingerprint", "name", "models"]):
        for row in part.to_pylist():
            models = [model["id"] for model in row["models"]] or [row["name"]]
            if row["fingerprint"] in gone and not all(map(removals.cover, models)):
                unasked.append(str(row["name"]))
    if unasked:
        raise ReleaseError(
            f"{len(unasked):,} of the architectures in {before.source} would be lost, such as {min(unasked)}, and no "
            "removal asks for that: build upon the ledger that they are from, or allow it with --allow-removals"
        )
