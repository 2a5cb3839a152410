"""Assemble: a ledger goes in, a release comes out.

assembly        the two passes, from ledger to release
measured        architectures on disk, and what is decided by as columns
merge           which architectures are one row
families        what must be on one side of a split
previous        what the release before has promised
split           which split a row belongs to, where it stands, and what leaks
subgraphs       communities with their boundaries: kept once, placed
blocks          what modules run: kept once
write           rows, Parquet files, the vocabulary, and a directory that changes as a whole
describe        README.md, croissant.json and the report
"""

from builders.assemble.assembly import assemble
from builders.assemble.describe.report import ReleaseReport
from builders.assemble.write.swap import check_place

__all__ = ["ReleaseReport", "assemble", "check_place"]
