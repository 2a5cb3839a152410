"""Assemble: a ledger goes in, a release comes out.

assembly        the two passes, from ledger to release
spool           graphs set aside on disk between them
merge           which architectures are one row
previous        what the release before has promised
split           which split a row belongs to, where it stands, and what leaks
subgraphs       communities with their boundaries: cut, kept once, placed
write           rows, Parquet files, the vocabulary, and a directory that changes as a whole
describe        README.md, croissant.json and the report
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builders.assemble.assembly import assemble
    from builders.assemble.describe.report import ReleaseReport
    from builders.assemble.write.swap import check_place

__all__ = ["ReleaseReport", "assemble", "check_place"]

_HOMES = {"ReleaseReport": "describe.report", "assemble": "assembly", "check_place": "write.swap"}


def __getattr__(name: str) -> Any:
    # A process that only measures skeletons starts three times faster without what the rest imports.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
