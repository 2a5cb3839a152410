"""What an assembly did, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builders.assemble.describe.collected import Collected
from builders.assemble.split.leaks import Leak
from builders.assemble.subgraphs.found import SubgraphCounts
from younger_hf.release_diff import ReleaseDiff
from younger_hf.text import plain

_MOST_NAMED: Final = 10


@dataclass(frozen=True)
class ReleaseReport:
    """What is in a release, and what was merged on the way.

    Attributes:
        output: the release directory.
        rows: the number of rows of each split of each config.
        models: the models with a skeleton.
        collected: how far the models of each source came.
        skeletons: unique skeletons.
        duplicates: conversions whose graph another one had given.
        wl_collisions: pairs of rows of `graphs` with the same `wl_hash` that are not isomorphic.
        normal_forms: distinct normal forms of the rows of `graphs`.
        searched: rows of `graphs` that colours alone did not put in canonical order.
        undecided: pairs of rows of `graphs` of which the search budget left open whether they are isomorphic.
        subgraphs: of each subgraph config.
        conflicts: groups of families that are in several splits, since they were published there before a graph
            turned out to be of both; 0 where there was no release before.
        leaks: held-out rows with a relative in train.
        changes: what is different from the release before; None where there was none.
        unmatched: what `removals.txt` names and no model is.
    """

    output: Path
    rows: Mapping[str, Mapping[str, int]]
    models: int
    collected: Collected
    skeletons: int
    duplicates: int
    wl_collisions: int
    normal_forms: int
    searched: int
    undecided: int
    subgraphs: Mapping[str, SubgraphCounts]
    conflicts: int
    leaks: Sequence[Leak]
    changes: ReleaseDiff | None = None
    unmatched: Sequence[str] = ()

    @property
    def conversions(self) -> int:
        """Those that the models took, one for all models that share an export key."""
        return self.collected.conversions

    @property
    def removed(self) -> int:
        """Models that were converted and are left out, as their owners asked."""
        return self.collected.removed

    def __str__(self) -> str:
        """A table of the rows, and what was merged."""
        splits = list(dict.fromkeys(split for counts in self.rows.values() for split in counts))
        width = max(map(len, self.rows))
        lines = [" " * width + "".join(f"{split:>12}" for split in splits)]
        for config, counts in self.rows.items():
            lines.append(f"{config:<{width}}" + "".join(f"{counts.get(split, 0):>12,}" for split in splits))
        return "\n".join(
            (
                f"{self.output}: {sum(self.rows['graphs'].values()):,} architectures of {self.models:,} models, "
                f"which took {self.conversions:,} conversions",
                *lines,
                f"{self.skeletons:,} skeletons; {self.duplicates:,} conversions merged as exact duplicates; "
                f"{self.wl_collisions:,} pairs that the Weisfeiler-Lehman hash would have merged wrongly; "
                f"{self.normal_forms:,} normal forms; "
                f"{self.searched:,} graphs searched; {self.undecided:,} pairs undecided",
                *(_leaking(leak) for leak in self.leaks if leak.by_family.of or leak.by_paper.of),
                *([f"{self.removed:,} models left out, as removals.txt asks"] if self.removed else []),
                *([f"removals.txt names what no model here is: {_named(self.unmatched)}"] if self.unmatched else []),
                *(
                    [f"{self.conflicts:,} groups of families are in several splits, as they were published"]
                    if self.conflicts
                    else []
                ),
                *([self.changes.changes()] if self.changes else []),
            )
        )


def _leaking(leak: Leak) -> str:
    """What of one kind leaks, by family and in the paper's split, where these hold any rows out."""
    by_family, by_paper = (f"{share.count:,} of {share.of:,}" for share in (leak.by_family, leak.by_paper))
    held_out = f"held-out rows have {leak.relation} in train"
    if not leak.by_family.of:
        return f"{leak.config}: {by_paper} {held_out} in the paper's split"
    return f"{leak.config}: {by_family} {held_out}" + (f", {by_paper} in the paper's split" if leak.by_paper.of else "")


def _named(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _MOST_NAMED:,} more" if len(entries) > _MOST_NAMED else ""
    return ", ".join(plain(entry, 100) for entry in entries[:_MOST_NAMED]) + more
