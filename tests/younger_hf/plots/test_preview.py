"""Previews: small, the same every time, and telling architectures apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from PIL import Image
from support.strategies import operator_graphs

from younger_hf.extract import extract
from younger_hf.graph import Operator, OperatorGraph, make_graph
from younger_hf.operator_groups import GROUPED_CONVOLUTION, GROUPS
from younger_hf.plots.preview import COLOURS, PREVIEW_BYTES, PREVIEW_SIZE, preview

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))

Colour = tuple[int, int, int]


def colour(group: str) -> Colour:
    red, green, blue = bytes.fromhex(COLOURS[group][1])
    return red, green, blue


def pixels(graph: OperatorGraph) -> list[list[Colour]]:
    image = Image.open(io.BytesIO(preview(graph)))
    assert image.format == "PNG"
    assert image.mode == "P"
    assert image.size == (PREVIEW_SIZE, PREVIEW_SIZE)
    rows: list[list[Colour]] = np.asarray(image.convert("RGB")).tolist()
    return [[(r, g, b) for r, g, b in row] for row in rows]


def chain(*op_types: str, skips: tuple[tuple[int, int], ...] = ()) -> OperatorGraph:
    edges = [(i, i + 1, 0, 0) for i in range(len(op_types) - 1)]
    return make_graph(
        [Operator("", op_type) for op_type in op_types],
        edges + [(producer, consumer, 0, 1) for producer, consumer in skips],
    )


@pytest.fixture(scope="module")
def zoo() -> dict[str, bytes]:
    return {file.stem: preview(extract(file)) for file in LIGHT}


def test_every_family_of_the_zoo_has_a_picture_of_its_own(zoo: dict[str, bytes]) -> None:
    assert len(zoo) == 9
    assert len(set(zoo.values())) == 9


def test_no_picture_of_the_zoo_takes_more_than_three_kilobytes(zoo: dict[str, bytes]) -> None:
    assert max(map(len, zoo.values())) <= PREVIEW_BYTES == 3072


def test_the_same_graph_gives_the_same_bytes(zoo: dict[str, bytes]) -> None:
    assert {file.stem: preview(extract(file)) for file in LIGHT[:3]}.items() <= zoo.items()


@given(operator_graphs(min_nodes=1, max_nodes=30))
@settings(max_examples=40)
def test_every_graph_has_a_picture_that_is_not_blank(graph: OperatorGraph) -> None:
    assert len(preview(graph)) <= PREVIEW_BYTES
    assert any(pixel != (255, 255, 255) for row in pixels(graph) for pixel in row)


def test_a_graph_without_any_pattern_still_fits() -> None:
    random = np.random.default_rng(0)
    op_types = ["Conv", "MatMul", "BatchNormalization", "Relu", "MaxPool", "Softmax", "Add", "Reshape", "LSTM", "If"]
    operators = [Operator("", op_types[i]) for i in random.integers(0, len(op_types), 5000)]
    consumers = np.sort(random.integers(1, 5000, 20_000))
    edges = [(int(random.integers(0, c)), int(c), 0, slot) for slot, c in enumerate(consumers)]
    assert len(preview(make_graph(operators, edges))) <= PREVIEW_BYTES


def test_a_chain_fills_the_picture_from_input_to_output() -> None:
    picture = pixels(chain("Conv", "Relu", "MaxPool", "Gemm"))
    assert picture[0][0] == colour("convolution")
    assert picture[PREVIEW_SIZE - 4][PREVIEW_SIZE - 4] == colour("dense")
    assert sum(pixel == (255, 255, 255) for row in picture for pixel in row) < 0.1 * PREVIEW_SIZE**2


def test_a_skip_connection_is_an_arc_in_the_colour_of_where_it_ends() -> None:
    layers = ["Conv", "Relu"] * 6
    plain = pixels(chain(*layers, "Add"))[:40]
    skipping = pixels(chain(*layers, "Add", skips=((0, 12),)))[:40]
    assert not any(colour("elementwise") in row for row in plain)
    assert sum(colour("elementwise") in row for row in skipping) > 30


def test_nested_skip_connections_reach_different_heights() -> None:
    picture = pixels(chain(*["Conv"] * 12, "Add", skips=((0, 12), (4, 8))))
    middle = [row[PREVIEW_SIZE // 2] for row in picture[:48]]
    assert middle.count(colour("convolution")) >= 1
    tops = [y for y in range(1, 48) if middle[y] != (255, 255, 255) and middle[y - 1] == (255, 255, 255)]
    assert len(tops) >= 2


def test_a_deeper_network_has_more_and_smaller_cells() -> None:
    def cell_width(depth: int) -> int:
        row = pixels(chain(*["Conv", "Relu"] * depth))[0]
        return next(x for x, pixel in enumerate(row) if pixel != row[0])

    assert cell_width(2) > cell_width(10) > cell_width(50)


def test_a_parameter_passed_through_identity_is_not_drawn() -> None:
    weights = [Operator("", "Identity")] * 3
    convolutions = [Operator("", "Conv")] * 3
    graph = make_graph(weights + convolutions, [(0, 3, 0, 1), (1, 4, 0, 1), (2, 5, 0, 1), (3, 4, 0, 0), (4, 5, 0, 0)])
    assert preview(graph) == preview(chain("Conv", "Conv", "Conv"))


def test_every_group_of_operators_has_a_colour_and_no_two_share_one() -> None:
    assert set(COLOURS) == {*GROUPS, GROUPED_CONVOLUTION}
    assert len({name for name, _ in COLOURS.values()}) == len({value for _, value in COLOURS.values()}) == len(COLOURS)


def different(first: bytes, second: bytes) -> float:
    """The share of pixels that differ."""
    pictures = [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in (first, second)]
    return float((pictures[0] != pictures[1]).any(axis=-1).mean())


def test_a_grouped_convolution_has_a_colour_of_its_own() -> None:
    graph = extract(next(file for file in LIGHT if "resnet50" in file.stem))
    grouped = {
        operator: Operator("", "Conv", operator.attributes.replace('"group":1', '"group":32'))
        for operator in graph.operator
        if operator.op_type == "Conv" and '"kernel_shape":[3,3]' in operator.attributes
    }
    operators = [grouped.get(operator, operator) for operator in graph.operator]
    resnext = OperatorGraph(tuple(operators), graph.edge_index, graph.edge_slot, graph.scope)
    assert different(preview(graph), preview(resnext)) > 0.05


def test_what_repeats_in_a_large_graph_is_drawn_once_and_underlined() -> None:
    def network(blocks: int, *tail: str) -> OperatorGraph:
        return chain("MaxPool", *["Conv", "BatchNormalization", "Relu", "MatMul"] * blocks, *tail)

    large = pixels(network(400, "Gemm"))
    assert large[0][0] == colour("pooling")
    assert large[PREVIEW_SIZE - 4][PREVIEW_SIZE - 4] == colour("dense")
    assert sum(pixel == colour("control flow") for row in large for pixel in row) > PREVIEW_SIZE / 2
    # Six cells, and not the texture of sixteen hundred.
    assert different(preview(network(400, "Gemm")), preview(network(500, "Gemm"))) == 0
    assert different(preview(network(400, "Gemm")), preview(network(400, "Softmax"))) > 0.05


def test_selections_are_no_control_flow() -> None:
    for op_type in ("TopK", "NonZero", "ArgMax", "NonMaxSuppression"):
        assert pixels(chain("Conv", op_type))[PREVIEW_SIZE - 4][PREVIEW_SIZE - 4] == colour("selection")
