"""The rows of config `sample`: a few hundred that show what there is, sizes and families well spread.

In go what is known of the rows of config `graphs`, as columns; out come those to take.
"""

from __future__ import annotations

from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS: Final = 256
SAMPLE_BYTES: Final = 5_000_000

Ints = NDArray[np.signedinteger[Any]]


def choose_sample(
    families: Ints, deciles: Ints, sizes: Ints, limit: float = inf, count: int = SAMPLE_ROWS
) -> NDArray[np.int64]:
    """Take rows in turn from each size decile, each time of the family that was taken least.

    Args:
        families: int [N], of each row its family or what stands for it. Rows come in the order of their fingerprints,
            which serve as chance.
        deciles: int [N], their size deciles, 0 to 9.
        sizes: int [N], their numbers of nodes and edges together.
        limit: on the size of all that are taken together; a single one may have a sixteenth of it.
        count: how many to take at most.

    Returns:
        int64 [M]: which rows, ascending.
    """
    fits = sizes <= limit / 16
    queues = {decile: np.flatnonzero(fits & (deciles == decile)) for decile in range(10)}
    counts = np.zeros(int(families.max(initial=-1)) + 1, np.int32)
    taken: list[int] = []
    left = limit
    while len(taken) < count and any(map(len, queues.values())):
        for decile, queue in queues.items():
            fitting = queue[sizes[queue] <= left]
            if len(fitting) and len(taken) < count:
                at = int(counts[families[fitting]].argmin())
                row = int(fitting[at])
                fitting = np.delete(fitting, at)
                taken.append(row)
                counts[families[row]] += 1
                left -= int(sizes[row])
            queues[decile] = fitting
    return np.array(sorted(taken), np.int64)
