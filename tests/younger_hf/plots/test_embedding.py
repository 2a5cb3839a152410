"""Pictures of embeddings: near stays near, and they are the same every time."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from younger_hf.plots import embedding
from younger_hf.plots.embedding import FEWEST_POINTS, draw_graphs, draw_operators, draw_subgraphs, project

CLUSTERS = np.repeat(np.arange(4), 15)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """60 vectors in four clusters."""
    random = np.random.default_rng(0)
    return (random.normal(size=(4, 8))[CLUSTERS] * 4 + random.normal(size=(60, 8)) / 4).astype(np.float32)


def colours(png: bytes) -> dict[str, int]:
    """How many pixels a picture has of each colour."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {bytes(value).hex(): count for value, count in zip(values.tolist(), counts.tolist(), strict=True)}


def test_what_is_near_stays_near(vectors):
    points = project(vectors)
    assert (points.shape, points.dtype) == ((60, 2), np.float32)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert np.array_equal(CLUSTERS[distance.argmin(axis=1)], CLUSTERS)


@pytest.mark.parametrize("count", [FEWEST_POINTS, 5])
def test_the_fewest_points_can_be_projected(vectors, count):
    assert np.isfinite(project(vectors[:count])).all()


def test_the_same_vectors_give_the_same_bytes_under_any_settings(vectors):
    families = ["resnet", "vit", None, "bert"]
    png = draw_graphs(vectors, [families[cluster] for cluster in CLUSTERS])
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert draw_graphs(vectors, [families[cluster] for cluster in CLUSTERS]) == png


def test_the_largest_families_are_in_colour_and_the_others_are_not(vectors, monkeypatch):
    monkeypatch.setattr(embedding, "TOP_FAMILIES", 2)
    families = ["a"] * 30 + ["b"] * 20 + ["c"] * 9 + [None]
    found = colours(draw_graphs(vectors, families))
    first, second, third = (colour.removeprefix("#") for colour in embedding._FAMILY_COLOURS[:3])
    assert found[first] > found[second] > 0
    assert third not in found


def test_the_most_frequent_operators_have_the_colours_of_their_groups(vectors):
    operators = ["Conv"] * 15 + ["Relu"] * 15 + ["MatMul"] * 30
    before = {"before training": vectors}
    assert "d43d2a" not in colours(draw_operators(before, operators, top=30))
    found = colours(draw_operators({**before, "after training": vectors * 2}, operators, top=60))
    assert {"2f6fdb", "f28a2e", "d43d2a"} <= found.keys()


def test_a_picture_has_at_most_so_many_points(vectors, monkeypatch):
    drawn = []
    monkeypatch.setattr(embedding, "MOST_POINTS", 20)
    monkeypatch.setattr(embedding, "project", lambda chosen: drawn.append(chosen) or project(chosen))
    draw_subgraphs(vectors, ["dense"] * 60)
    draw_operators({"": vectors}, ["Conv"] * 60, top=5)
    some, first = drawn
    assert len(some) == 20
    assert {tuple(row) for row in some} < {tuple(row) for row in vectors}
    assert np.array_equal(first, vectors[:20])
