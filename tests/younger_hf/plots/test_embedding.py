"""Pictures of embeddings: near stays near, and they are the same every time."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from younger_hf.plots import embedding
from younger_hf.plots.embedding import FEWEST_POINTS, project, scatter_graphs, scatter_operators, scatter_subgraphs

CLUSTERS = np.repeat(np.arange(4), 15)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """60 vectors in four clusters."""
    random = np.random.default_rng(0)
    return (random.normal(size=(4, 8))[CLUSTERS] * 4 + random.normal(size=(60, 8)) / 4).astype(np.float32)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that become pictures, the last one last."""
    figures: list[Figure] = []
    monkeypatch.setattr(embedding, "encode", lambda figure: figures.append(figure) or b"")
    return figures


def points_by_colour(figures: list[Figure]) -> list[dict[str, int]]:
    """How many points of each colour the panels of the last figure have."""
    return [
        {to_hex(points.get_facecolor()[0]): len(points.get_offsets()) for points in axes.collections}
        for axes in figures[-1].axes
    ]


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
    png = scatter_graphs(vectors, [families[cluster] for cluster in CLUSTERS])
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert scatter_graphs(vectors, [families[cluster] for cluster in CLUSTERS]) == png


def test_the_largest_families_are_in_colour_and_the_others_are_not(vectors, drawn, monkeypatch):
    monkeypatch.setattr(embedding, "TOP_FAMILIES", 2)
    scatter_graphs(vectors, ["a"] * 30 + ["b"] * 20 + ["c"] * 9 + [None])
    first, second = embedding._FAMILY_COLOURS[:2]
    assert points_by_colour(drawn) == [{first: 30, second: 20, embedding._BACKGROUND: 10}]


def test_the_most_frequent_operators_have_the_colours_of_their_groups(vectors, drawn):
    operators = ["Conv"] * 15 + ["Relu"] * 15 + ["MatMul"] * 30
    before = {"before training": vectors}
    scatter_operators(before, operators, top=30)
    assert points_by_colour(drawn) == [{"#2f6fdb": 15, "#f28a2e": 15, embedding._BACKGROUND: 30}]
    scatter_operators({**before, "after training": vectors * 2}, operators, top=60)
    assert points_by_colour(drawn) == [{"#2f6fdb": 15, "#f28a2e": 15, "#d43d2a": 30}] * 2


def test_a_picture_has_at_most_so_many_points(vectors, monkeypatch):
    drawn = []
    monkeypatch.setattr(embedding, "MOST_POINTS", 20)
    monkeypatch.setattr(embedding, "project", lambda chosen: drawn.append(chosen) or project(chosen))
    scatter_subgraphs(vectors, ["dense"] * 60)
    scatter_operators({"": vectors}, ["Conv"] * 60, top=5)
    some, first = drawn
    assert len(some) == 20
    assert {tuple(row) for row in some} < {tuple(row) for row in vectors}
    assert np.array_equal(first, vectors[:20])
