"""Pictures of architectures. `preview` draws one graph as a thumbnail by which people tell architectures apart.

In goes an `OperatorGraph`; out comes a palette PNG. Below, a ribbon of operators runs from input to output in
lines, as text does: a cell is a step of the data flow, its colour what is done there, stacked cells are parallel
branches, and more and smaller cells are a deeper network. What repeats in a graph of more than a thousand operators
is drawn once, with a black line under it. Above, arcs are the skip connections over the whole
depth: a ResNet is a row of small ones, a U-Net a rainbow, a DenseNet a solid hill.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from younger_hf.graph import OperatorGraph
from younger_hf.operator_groups import GROUPED_CONVOLUTION, drawn_group

PREVIEW_SIZE: Final = 128
PREVIEW_BYTES: Final = 3072

COLOURS: Final = {
    "convolution": ("blue", "2f6fdb"),
    GROUPED_CONVOLUTION: ("light blue", "8cc7f2"),
    "dense": ("red", "d43d2a"),
    "normalisation": ("yellow", "f2c12e"),
    "activation": ("orange", "f28a2e"),
    "pooling": ("teal", "17a2a0"),
    "attention": ("magenta", "e0269b"),
    "elementwise": ("green", "4fae3f"),
    "data movement": ("light grey", "c3c9d1"),
    "recurrent": ("purple", "7b3fc4"),
    "control flow": ("black", "1c1c1c"),
    "selection": ("pink", "f2a0c6"),
    "quantisation": ("brown", "8a5a2b"),
    "other": ("slate", "7d8794"),
}
"""The colour of each group of operators, as `drawn_group` tells them apart: its name and its RGB value in hex."""

_BACKGROUND: Final = "ffffff"
_CODES: Final = {group: code for code, group in enumerate(COLOURS, start=1)}
_MOVEMENT: Final = _CODES["data movement"]
_SLATE: Final = _CODES["other"]
_BLACK: Final = _CODES["control flow"]
_PALETTE: Final = bytes.fromhex(_BACKGROUND + "".join(value for _, value in COLOURS.values()))

_ARC_HEIGHT: Final = 43
_MAX_ARCS: Final = 400
_LINE_HEIGHT: Final = 8
_CELL_SHAPE: Final = 2.5
_MOVEMENT_WIDTH: Final = 0.35
_MOST_UNFOLDED: Final = 1000
"""Operators; in a larger graph what repeats is drawn once, since cells of a pixel would tell nothing."""

Pixels = NDArray[np.uint8]


def preview(graph: OperatorGraph) -> bytes:
    """Draw an architecture as a thumbnail of 128 by 128 pixels.

    Args:
        graph: N operators, at least one.

    Returns:
        A palette PNG of at most 3,072 bytes; the same graph in the same node order gives the same bytes.

    Raises:
        MissingExtraError: it has more than 1,000 operators, and what folds them is not installed.
    """
    steps = _steps(graph)
    for grain in (1, 2, 4, 8):
        picture = _encode(_draw(steps, grain))
        if len(picture) <= PREVIEW_BYTES:
            break
    return picture


@dataclass(frozen=True)
class _Steps:
    """The data flow as a sequence of S steps, the topological levels that are drawn.

    Attributes:
        groups: int64 [S, groups + 1]: how many nodes of each colour code a step has.
        repeats: bool [S]: which steps stand for several.
        edges: float64 [S + 1]: where each step begins and ends along the ribbon, from 0 to 1.
        skips: int64 [3, K]: first step, last step and colour code of each edge that passes over a step.
    """

    groups: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    edges: NDArray[np.float64]
    skips: NDArray[np.int64]

    @property
    def middles(self) -> NDArray[np.float64]:
        return (self.edges[1:] + self.edges[:-1]) / 2


def _steps(graph: OperatorGraph) -> _Steps:
    level, times = graph.levels(), np.ones(graph.num_nodes, dtype=np.int64)
    if graph.num_nodes > _MOST_UNFOLDED:
        from younger_hf.plots.folding import folded

        graph, level, times = folded(graph)
    codes = {operator: _CODES[drawn_group(operator)] for operator in set(graph.operator)}
    code = np.fromiter(map(codes.__getitem__, graph.operator), np.int64, graph.num_nodes)
    producer, consumer = graph.edge_index

    # A node that nothing feeds stands right before its first consumer; where it only moves data (a parameter
    # passed through Identity, a constant that is filled in), it says nothing of the architecture.
    fed = np.zeros(graph.num_nodes, dtype=bool)
    fed[consumer] = True
    first = np.full(graph.num_nodes, graph.num_nodes, dtype=np.int64)
    np.minimum.at(first, producer, level[consumer])
    level = np.where(~fed & (first < graph.num_nodes), first - 1, level)
    drawn = fed | (code != _MOVEMENT)
    if not drawn.any():
        drawn[:] = True
    step = np.zeros(graph.num_nodes, dtype=np.int64)
    step[drawn] = np.unique(level[drawn], return_inverse=True)[1]

    groups = np.zeros((int(step.max()) + 1, len(COLOURS) + 1), dtype=np.int64)
    np.add.at(groups, (step[drawn], code[drawn]), 1)
    repeats = np.zeros(len(groups), dtype=bool)
    repeats[step[drawn & (times > 1)]] = True
    # Data movement shows only where nothing else happens, and takes less room: it is mostly the exporter's.
    only_movement = groups[:, _MOVEMENT] == groups.sum(axis=1)
    groups[:, _MOVEMENT] = only_movement
    width = np.where(only_movement, _MOVEMENT_WIDTH, 1.0)

    skip = drawn[producer] & drawn[consumer] & (step[consumer] - step[producer] > 1)
    skip &= (code[producer] != _MOVEMENT) | (code[consumer] != _MOVEMENT)
    colour = np.where(code == _MOVEMENT, _SLATE, code)
    return _Steps(
        groups,
        repeats,
        np.concatenate(([0.0], np.cumsum(width))) / width.sum(),
        np.stack((step[producer[skip]], step[consumer[skip]], colour[consumer[skip]])),
    )


def _draw(steps: _Steps, grain: int) -> Pixels:
    """Draw arcs and ribbon; a coarser grain leaves more out and compresses better."""
    pixels = np.zeros((PREVIEW_SIZE, PREVIEW_SIZE), dtype=np.uint8)
    band = _draw_arcs(pixels, steps, _MAX_ARCS // grain)
    _draw_ribbon(pixels[band:], steps, grain)
    return pixels


def _draw_arcs(pixels: Pixels, steps: _Steps, limit: int) -> int:
    """Draw the skip connections at the top, the most frequent ones if they are many.

    Returns:
        The height of the band that they take: 0 without skip connections.
    """
    columns = (steps.middles * PREVIEW_SIZE).astype(np.int64)
    left, right, colour = columns[steps.skips[0]], columns[steps.skips[1]], steps.skips[2]
    arcs, counts = np.unique(np.stack((left, right, colour))[:, right - left >= 2], axis=1, return_counts=True)
    if not counts.size:
        return 0
    left, right, colour = arcs[:, np.lexsort((*arcs, -counts))[:limit]]
    height = _ARC_HEIGHT * np.sqrt((right - left) / PREVIEW_SIZE)
    band = int(height.max()) + 4
    for i in np.lexsort((left, left - right)):
        span = right[i] - left[i]
        angle = np.linspace(0, np.pi, int(2 * (span + height[i])) + 2)
        x = np.rint((left[i] + right[i] - span * np.cos(angle)) / 2).astype(np.int64)
        y = np.rint(band - 2 - height[i] * np.sin(angle)).astype(np.int64)
        pixels[y, x] = colour[i]
    return band


def _draw_ribbon(pixels: Pixels, steps: _Steps, grain: int) -> None:
    """Fill `pixels` with the steps: one long strip of pixel columns, folded into lines of equal height."""
    counts = steps.groups.sum(axis=1)
    length = 1 / max(np.diff(steps.edges).max(), 1e-9)
    ideal = np.sqrt(len(pixels) * length / (PREVIEW_SIZE * _CELL_SHAPE))
    lines = int(np.clip(np.rint(ideal), 1, len(pixels) // _LINE_HEIGHT))
    line_height = len(pixels) // lines
    columns = lines * PREVIEW_SIZE // grain
    begin, end = _pixel_columns(steps.edges, columns)

    strip = np.zeros((line_height - 1, columns), dtype=np.uint8)
    widest = max(1.0, float(np.percentile(counts, 95)))
    for i in np.flatnonzero(end > begin):
        strip[:, begin[i] : end[i]] = _stack(steps.groups[i], line_height - 1, widest, True)[:, None]
        if end[i] - begin[i] > 3:
            strip[:, end[i] - 1] = 0
    if (end == begin).any():
        mixed = np.zeros((columns, steps.groups.shape[1]))
        at = np.minimum(begin, columns - 1)
        np.add.at(mixed, at, steps.groups)
        here = np.bincount(at, minlength=columns)
        for x in np.flatnonzero(here > 1):
            strip[:, x] = _stack(mixed[x] / here[x], line_height - 1, widest, False)

    under = np.zeros((1, columns), dtype=np.uint8)
    for i in np.flatnonzero(steps.repeats):
        under[:, begin[i] : max(end[i], begin[i] + 1)] = _BLACK
    strip = np.repeat(np.concatenate((strip, under)), grain, axis=1)
    for line in range(lines):
        part = strip[:, line * PREVIEW_SIZE : (line + 1) * PREVIEW_SIZE]
        pixels[line * line_height : (line + 1) * line_height, : part.shape[1]] = part


def _pixel_columns(edges: NDArray[np.float64], columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pixel columns where each step begins and ends; the same where a step has none of its own."""
    at = edges * columns
    bounds = (np.rint(at) if columns >= 2 * len(edges) else np.floor(at + 1e-6)).astype(np.int64)
    return bounds[:-1], bounds[1:]


def _stack(counts: NDArray[np.int64] | NDArray[np.float64], height: int, widest: float, apart: bool) -> Pixels:
    """One pixel column: its filled height grows with the parallelism, and the groups share it.

    Args:
        counts: [groups + 1]: nodes of each colour code.
        height: pixels of the column.
        widest: the parallelism that fills the whole height.
        apart: whether to show every node by itself where there is room.

    Returns:
        uint8 [height]: colour codes, 0 above the stack.
    """
    total = float(counts.sum())
    least = max(0.5, widest**-0.5)
    share = least + (1 - least) * min(1.0, np.log(max(total, 1.0)) / np.log(widest)) if widest > 1 else 1.0
    filled = max(1, round(height * share))
    column = np.zeros(height, dtype=np.uint8)
    stack = column[height - filled :]
    if apart and filled >= 2 * total:
        nodes = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
        bounds = np.arange(len(nodes) + 1) * filled // len(nodes)
        for node, top, bottom in zip(nodes, bounds[:-1], bounds[1:], strict=True):
            stack[top:bottom] = node
            if bottom < filled and filled >= 3 * total:
                stack[bottom - 1] = 0
    else:
        stack[:] = np.searchsorted(np.rint(np.cumsum(counts) / total * filled), np.arange(filled), side="right")
    return column


def _encode(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.putpalette(_PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=4, optimize=True)
    return buffer.getvalue()
