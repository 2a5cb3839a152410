"""Union-find over numbers: things that are linked, directly or through others, have one root.

In go links; out comes the root of each thing. Eight bytes a thing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from younger_hf.compiled import compiled, runs_compiled

Int32s = NDArray[np.int32]


def smallest_roots(count: int, left: Int32s, right: Int32s) -> Int32s:
    """The root of each thing: the smallest of those that it is linked with.

    Args:
        count: how many things there are.
        left: int32 [L], one thing of each link.
        right: int32 [L], the other.

    Returns:
        int32 [count].
    """
    runs_compiled(len(left))
    parent = np.arange(count, dtype=np.int32)
    _link(parent, left, right)
    return parent


@compiled
def _link(parent: Int32s, left: Int32s, right: Int32s) -> None:
    """Link things, by paths that become shorter on the way (Tarjan, JACM 22, 1975), the smaller root above."""
    for at in range(left.shape[0]):
        one, other = left[at], right[at]
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        while parent[other] != other:
            parent[other] = parent[parent[other]]
            other = parent[other]
        parent[max(one, other)] = min(one, other)
    for thing in range(parent.shape[0]):
        parent[thing] = parent[parent[thing]]  # those below are at their roots already
