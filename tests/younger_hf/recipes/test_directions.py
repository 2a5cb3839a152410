"""Cosines between vectors, without what all have in common."""

from __future__ import annotations

import numpy as np

from younger_hf.recipes.directions import Directions

VECTORS = np.array([[5, 1], [5, -1], [7, 1], [7, -1]], np.float32)


def test_what_all_have_in_common_tells_none_apart():
    directions = Directions.of(VECTORS)
    np.testing.assert_allclose(directions.mean, [6, 0])
    cosines = directions.cosines(np.array([8, 2], np.float32))
    np.testing.assert_allclose(cosines, [0, -1, 1, 0], atol=1e-6)
    assert cosines.dtype == np.float32


def test_a_vector_that_is_the_mean_is_near_to_none():
    assert not Directions.of(VECTORS).cosines(np.array([6, 0], np.float32)).any()
