"""Vectors by their directions: which are nearest to one. Nothing here imports PyTorch.

In go the vectors of graphs; out come cosines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Directions:
    """K vectors without their mean: what all graphs have in common tells none apart.

    Attributes:
        mean: float32 [C].
        unit: float32 [K, C], each of length 1.
    """

    mean: Floats
    unit: Floats

    @classmethod
    def of(cls, vectors: Floats) -> Directions:
        """Those of vectors, float32 [K, C]."""
        mean = vectors.mean(axis=0)
        return cls(mean, _normalised(vectors - mean))

    def cosines(self, vector: Floats) -> Floats:
        """The cosine of the angle between each and a vector, float32 [C]; float32 [K]."""
        cosines: Floats = self.unit @ _normalised((vector - self.mean)[None])[0]
        return cosines


def _normalised(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions
