"""Figures of a release: readable in size, the same every time, whatever the names and the user's settings."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from younger_hf.operator_groups import GROUPS
from younger_hf.plots.figures import draw_all, draw_families, draw_operators, draw_sizes
from younger_hf.plots.preview import COLOURS
from younger_hf.statistics import Distribution, Family, OperatorCount, Statistics, count_release


@pytest.fixture(scope="module")
def measured(large_release: Path) -> Statistics:
    return count_release(large_release)


@pytest.fixture(scope="module")
def figures(measured: Statistics) -> dict[str, bytes]:
    return draw_all(measured)


def pixels(png: bytes, colour: str) -> np.ndarray:
    """The x and y of the pixels of a colour: int64 [2, P]."""
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    y, x = np.nonzero((np.asarray(image.convert("RGB")) == list(bytes.fromhex(colour))).all(axis=2))
    return np.stack((x, y))


def test_there_are_the_figures_of_the_paper_and_one_of_families(figures):
    assert list(figures) == ["sizes.png", "operators.png", "families.png"]
    for png in figures.values():
        width, height = Image.open(io.BytesIO(png)).size
        assert 1000 <= width <= 1300
        assert 500 <= height <= 1400


def test_the_same_statistics_give_the_same_bytes_under_any_settings(measured, figures):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20}):
        assert draw_all(measured) == figures
        assert mpl.rcParams["font.size"] == 30


def test_a_family_is_a_bar_whose_parts_are_the_shares_of_its_operators(measured):
    nodes = {"convolution": 300, "dense": 100}
    family = Family("a", 1, tuple(nodes.get(group, 0) for group in GROUPS))
    png = draw_families(dataclasses.replace(measured, families=(family,)))
    width = {}
    for group in COLOURS:
        x, y = pixels(png, COLOURS[group][1])
        # The bar stands above the legend.
        width[group] = np.ptp(x[y == y.min()]) if x.size else 0
    assert width["convolution"] == pytest.approx(3 * width["dense"], rel=0.03)
    assert {group for group, extent in width.items() if extent} == set(nodes)


def test_operators_are_bars_the_most_frequent_at_the_top(measured):
    rare = [OperatorCount(f"Relu{i}", 1, 1) for i in range(20)]
    top = (OperatorCount("Conv", 400, 10), OperatorCount("Gemm", 100, 10), *rare)
    png = draw_operators(dataclasses.replace(measured, operators=top))
    convolution, dense = (pixels(png, COLOURS[group][1]) for group in ("convolution", "dense"))
    # The bars stand above the legend.
    longest = [np.ptp(x[y == y.min()]) for x, y in (convolution, dense)]
    assert longest[0] == pytest.approx(4 * longest[1], rel=0.03)
    assert convolution[1].min() < dense[1].min()


def test_sizes_are_drawn_where_they_are(measured):
    two = Distribution.of({10: 50, 1000: 50})
    wide = Distribution.of(dict.fromkeys(range(10, 1001), 1))
    png = draw_sizes(dataclasses.replace(measured, nodes=two, edges=wide))
    nodes, edges = pixels(png, "2f6fdb"), pixels(png, "f28a2e")
    left, right = edges[0].min(), edges[0].max()
    bars = nodes[0][nodes[1] > nodes[1].max() - 20]
    share = (bars - left) / (right - left)
    assert ((share < 0.1) | (share > 0.9)).all()
    assert (share < 0.1).any()
    assert (share > 0.9).any()
    assert nodes[1].max() < edges[1].min()


@pytest.mark.filterwarnings("error")
def test_names_of_any_kind_are_drawn_as_they_stand(measured):
    hostile = [r"$\frac{1$", "a\nb\x1b[0m", "_" * 500, "", "%s {}", "模型🤖"]
    families = tuple(Family(name, 1, measured.families[0].nodes) for name in hostile)
    operators = tuple(OperatorCount(f"{name}::Op", 5, 1) for name in hostile)
    draw_all(dataclasses.replace(measured, families=families, operators=operators))


def test_one_graph_without_a_family_is_drawn_too(measured):
    one = Distribution.of({7: 1})
    alone = dataclasses.replace(measured, nodes=one, edges=one, families=(), operators=measured.operators[:1])
    assert list(draw_all(alone)) == ["sizes.png", "operators.png"]
