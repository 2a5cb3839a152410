"""What an assembly did, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReleaseReport:
    """What is in a release, and what was merged on the way.

    Attributes:
        output: the release directory.
        rows: the number of rows of each split of each config.
        models: the models with a skeleton.
        architectures: distinct conversions: skeletons that differ as bytes.
        skeletons: unique skeletons.
        duplicates: conversions whose graph is exactly that of another one.
        wl_collisions: pairs of rows of `graphs` with the same `wl_hash` that are not isomorphic.
        undecided: pairs of rows of `graphs` of which the search budget left open whether they are isomorphic.
    """

    output: Path
    rows: Mapping[str, Mapping[str, int]]
    models: int
    architectures: int
    skeletons: int
    duplicates: int
    wl_collisions: int
    undecided: int

    def __str__(self) -> str:
        """A table of the rows, and what was merged."""
        splits = list(dict.fromkeys(split for counts in self.rows.values() for split in counts))
        width = max(map(len, self.rows))
        lines = [" " * width + "".join(f"{split:>12}" for split in splits)]
        for config, counts in self.rows.items():
            lines.append(f"{config:<{width}}" + "".join(f"{counts.get(split, 0):>12,}" for split in splits))
        return "\n".join(
            (
                f"{self.output}: {sum(self.rows['graphs'].values()):,} architectures of {self.models:,} models",
                *lines,
                f"{self.skeletons:,} skeletons; {self.duplicates:,} conversions merged as exact duplicates; "
                f"{self.wl_collisions:,} pairs that the Weisfeiler-Lehman hash would have merged wrongly; "
                f"{self.undecided:,} pairs undecided",
            )
        )
