"""The rows of config `sample`: a few hundred that show what there is, sizes and families well spread.

In go the rows of config `graphs` as small descriptions; out come the positions of those to take.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

SAMPLE_ROWS: Final = 256
SAMPLE_BYTES: Final = 5_000_000


@dataclass(frozen=True)
class Candidate:
    """A row that may be taken.

    Attributes:
        key: its fingerprint, which serves as chance.
        family: its family or what stands for it.
        decile: its size decile, 0 to 9.
        size: its number of nodes and edges together.
    """

    key: str
    family: str
    decile: int
    size: int


def choose_sample(candidates: Sequence[Candidate], limit: float = inf, count: int = SAMPLE_ROWS) -> list[int]:
    """Take rows in turn from each size decile, each time of the family that was taken least.

    Args:
        candidates: the rows.
        limit: on the `size` of all that are taken together; a single one may have a sixteenth of it.
        count: how many to take at most.

    Returns:
        Positions in `candidates`, ascending.
    """
    queues: dict[int, list[int]] = defaultdict(list)
    for position in sorted(range(len(candidates)), key=lambda position: candidates[position].key):
        if candidates[position].size <= limit / 16:
            queues[candidates[position].decile].append(position)
    taken: list[int] = []
    families: Counter[str] = Counter()
    left = limit
    while len(taken) < count and any(queues.values()):
        for decile in sorted(queues):
            fitting = [position for position in queues[decile] if candidates[position].size <= left]
            if fitting and len(taken) < count:
                position = min(fitting, key=lambda position: families[candidates[position].family])
                fitting.remove(position)
                taken.append(position)
                families[candidates[position].family] += 1
                left -= candidates[position].size
            queues[decile] = fitting
    return sorted(taken)
