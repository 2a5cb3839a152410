from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from PIL import Image
from support.light import LIGHT
from support.strategies import operator_graphs

from younger_hf.errors import UsageError
from younger_hf.extract import extract
from younger_hf.graph import Operator, OperatorGraph, make_graph
from younger_hf.plots.drawing import ROW_WIDTH, Drawing
from younger_hf.plots.layered import MOST_DRAWN, draw_graph

MODELS = sorted(LIGHT.glob("*.onnx"))


def rows(drawing: Drawing) -> int:
    return sum(len(box.rows) for box in drawing.boxes)


@pytest.mark.parametrize("file", MODELS, ids=lambda file: file.stem)
def test_a_collapsed_drawing_fits_on_a_page(file: Path) -> None:
    drawing = draw_graph(extract(file), file.stem)
    assert 1 < rows(drawing) <= MOST_DRAWN
    assert {frame.times for frame in drawing.frames} > set() or file.stem in ("light_bvlc_alexnet", "light_zfnet512")


def test_every_operator_is_drawn_unless_it_is_collapsed() -> None:
    graph = extract(LIGHT / "light_resnet50.onnx")
    drawing = draw_graph(graph, collapse=False)
    assert rows(drawing) == graph.num_nodes
    assert not drawing.frames


@settings(deadline=None)
@given(operator_graphs().filter(lambda graph: graph.num_nodes > 0))
def test_boxes_never_overlap_and_flows_go_down(graph: OperatorGraph) -> None:
    drawing = draw_graph(graph)
    by_row = sorted((box.y, box.x) for box in drawing.boxes)
    for (y, x), (next_y, next_x) in pairwise(by_row):
        assert y != next_y or next_x - x > ROW_WIDTH
    for points, _ in drawing.lines:
        assert all(here <= below for (_, here), (_, below) in pairwise(points))
    inside = [
        (box.x >= 0, box.x + ROW_WIDTH <= drawing.width, box.y + box.height <= drawing.height) for box in drawing.boxes
    ]
    assert all(map(all, inside))


def test_svg_parses_and_is_the_same_each_time_and_png_has_its_size() -> None:
    drawing = draw_graph(extract(LIGHT / "light_squeezenet.onnx"), "squeezenet")
    again = draw_graph(extract(LIGHT / "light_squeezenet.onnx"), "squeezenet")
    root = ElementTree.fromstring(drawing.to_svg())
    assert root.tag.endswith("svg")
    assert drawing.to_svg() == again.to_svg() == drawing._repr_svg_()
    image = Image.open(io.BytesIO(drawing.to_png()))
    assert image.size == (2 * round(drawing.width), 2 * round(drawing.height))


def test_a_hostile_name_is_text() -> None:
    graph = make_graph([Operator("x", "<script>"), Operator("", "Relu")], [(0, 1, 0, 0)])
    svg = draw_graph(graph, "</title><script>alert(1)</script>\x1b[31m").to_svg()
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert "\x1b" not in svg


def test_files_are_svg_or_png(tmp_path: Path) -> None:
    drawing = draw_graph(extract(LIGHT / "light_zfnet512.onnx"))
    drawing.save(tmp_path / "x.svg")
    drawing.save(tmp_path / "x.png")
    assert {path.name for path in tmp_path.iterdir()} == {"x.svg", "x.png"}
    with pytest.raises(UsageError, match=r"as \.svg or \.png"):
        drawing.save(tmp_path / "x.gif")


def test_nothing_is_not_drawn() -> None:
    with pytest.raises(UsageError, match="without operators"):
        draw_graph(make_graph([], []))


def test_what_is_too_large_to_be_drawn_in_full_is_refused() -> None:
    graph = make_graph([Operator("", "Relu")] * 20_001, [(i, i + 1, 0, 0) for i in range(20_000)])
    with pytest.raises(UsageError, match="draw it collapsed"):
        draw_graph(graph, collapse=False)
    assert rows(draw_graph(graph)) == 1
