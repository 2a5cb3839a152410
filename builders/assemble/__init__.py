"""Assemble: a ledger goes in, a release comes out.

release         the two passes, from ledger to release
ordered_map     a function over many items, in processes
facts, spool    what is measured on a skeleton: the small part kept, the graph set aside on disk
merge           which architectures are one row
communities     the samples of a graph: its communities with their boundaries
subgraphs       the same in canonical order, with keys
subgraph_store  unique subgraphs, set aside on disk
previous        what the release before has promised
splits, sides   which split a row belongs to; where it stays
layout          where a row stands
leaks           what of the held-out rows train has seen
stages          how far the models of each source came
vocabulary      the numbers of the operators
rows, sample    the columns of a row; the rows of the sample
features        the features, spelt for every version of datasets
parquet         the files of a split
configs         all files of a release; subgraph_configs those of the subgraphs
card, report    README.md, and the counts
croissant       the same for machines, croissant.json
staging         a directory that changes as a whole
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builders.assemble.release import assemble
    from builders.assemble.report import ReleaseReport
    from builders.assemble.staging import check_place

__all__ = ["ReleaseReport", "assemble", "check_place"]

_HOMES = {"ReleaseReport": "report", "assemble": "release", "check_place": "staging"}


def __getattr__(name: str) -> Any:
    # A process that only measures skeletons starts three times faster without what the rest imports.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
