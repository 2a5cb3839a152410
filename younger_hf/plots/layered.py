"""An architecture as a layered drawing, from input at the top to output at the bottom.

In goes a graph; out comes a `Drawing`. Operators that follow one another without a branch are one stack. What repeats
is drawn once, in a frame that says how often (`younger_hf.plots.folding`); where that is not enough, a stretch is one
box that sums up its operators. Layers follow the data flow, and igraph places the stacks within them (Sugiyama, Tagawa
and Toda, "Methods for visual understanding of hierarchical system structures", 1981).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import igraph
import numpy as np

from younger_hf.errors import UsageError
from younger_hf.graph import IntArray, Operator, OperatorGraph
from younger_hf.module_tree import ModuleTree
from younger_hf.operator_groups import drawn_group
from younger_hf.plots.drawing import MARGIN, ROW_HEIGHT, ROW_WIDTH, Box, Drawing, PartFrame, Row
from younger_hf.plots.folding import Folding, Part, Repeat, Stretch, fold, without_fillers
from younger_hf.plots.module_frames import module_frames
from younger_hf.text import plain

MOST_DRAWN: Final = 160
"""Operators that are drawn one by one when a drawing is collapsed; with more, stretches become boxes."""
MOST_UNFOLDED: Final = 20_000
"""Operators of a drawing that is not collapsed."""

_GAP, _HGAP, _PAD, _HEAD = 24, 26, 8, 18
_FAR_LAYERS: Final = 8
_SUMMARY_ROWS: Final = 4


def draw_graph(
    graph: OperatorGraph, title: str = "", *, collapse: bool = True, modules: ModuleTree | None = None
) -> Drawing:
    """Draw a graph.

    Args:
        graph: N operators, at least one.
        title: what it is called.
        collapse: draw what repeats once, and sum up what is still too much; without, every operator is drawn.
        modules: which module each of the N nodes is of; modules are framed where that is known.

    Raises:
        UsageError: it has no operator, or is to be drawn in full and has more than 20,000.
    """
    if not graph.num_nodes:
        raise UsageError("a graph without operators cannot be drawn")
    if not collapse and graph.num_nodes > MOST_UNFOLDED:
        raise UsageError(
            f"{graph.num_nodes:,} operators are too many to be drawn one by one (at most {MOST_UNFOLDED:,}): "
            "draw it collapsed"
        )
    if modules is not None and len(modules.node) != graph.num_nodes:
        raise UsageError(f"these modules are of {len(modules.node):,} nodes, and the graph has {graph.num_nodes:,}")
    plan = _Plan.of(graph, collapse, modules)
    counts = f"{graph.num_nodes:,} operators, {graph.num_edges:,} data flows"
    return _lay_out(plan, f"{plain(title, 120)}: {counts}" if title else counts)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is drawn: K stacks, the flows between them, and the frames around them.

    Attributes:
        rows: of each stack.
        layer: int64 [K].
        edges: (stack, stack), each once.
        frames: how often, what it is called, and which stacks; outer ones first.
    """

    rows: list[tuple[Row, ...]]
    layer: IntArray
    edges: list[tuple[int, int]]
    frames: list[tuple[int, str, list[int]]]

    @classmethod
    def of(cls, graph: OperatorGraph, collapse: bool, modules: ModuleTree | None) -> _Plan:
        if not collapse:
            alone = np.arange(graph.num_nodes)
            everything = Folding((Stretch(alone),), alone, np.zeros_like(alone), graph.levels())
            return _stack(graph, alone, everything, alone, {}, modules)
        graph, left = without_fillers(graph)
        if modules is not None:
            modules = replace(modules, node=modules.node[left])
        folding = fold(graph)
        drawn_as: IntArray = folding.counterpart
        boxes: dict[int, IntArray] = {}
        longest = 1 << 30
        while len(np.unique(drawn_as)) > MOST_DRAWN and longest > 1:
            longest = min(longest // 2, 64)
            drawn_as, boxes = _boxed(folding, longest)
        return _stack(graph, left, folding, drawn_as, boxes, modules)


def _boxed(folding: Folding, longest: int) -> tuple[IntArray, dict[int, IntArray]]:
    """Draw every stretch of more than so many operators as one: what each node is drawn as, and what is in each box."""
    drawn_as = np.arange(len(folding.counterpart))
    boxes: dict[int, IntArray] = {}
    for stretch in _leaves(folding.parts):
        if len(stretch.nodes) > longest:
            last = int(stretch.nodes[np.argmax(folding.level[stretch.nodes])])
            drawn_as[stretch.nodes] = last
            boxes[last] = stretch.nodes
    return drawn_as[folding.counterpart], boxes


def _leaves(parts: Iterable[Part]) -> Iterable[Stretch]:
    for part in parts:
        if isinstance(part, Stretch):
            yield part
        else:
            yield from _leaves(part.parts)


def _repeats(parts: Iterable[Part]) -> Iterable[Repeat]:
    for part in parts:
        if isinstance(part, Repeat):
            yield part
            yield from _repeats(part.parts)


def _stack(
    graph: OperatorGraph,
    numbers: IntArray,
    folding: Folding,
    drawn_as: IntArray,
    boxes: Mapping[int, IntArray],
    modules: ModuleTree | None,
) -> _Plan:
    """Put operators that follow one another without a branch on stacks; `numbers` are those of the nodes."""
    shown = np.unique(drawn_as)
    shown = shown[np.lexsort((shown, folding.level[shown], folding.stretch[shown]))]
    position = {int(node): number for number, node in enumerate(shown)}
    producer, consumer = drawn_as[graph.edge_index]
    at = np.array([position.get(node, -1) for node in range(graph.num_nodes)], dtype=np.int64)
    flows = sorted({(a, b) for a, b in zip(at[producer].tolist(), at[consumer].tolist(), strict=True) if a < b})

    framed: dict[frozenset[int], tuple[int, str]] = {}
    for repeat in _repeats(folding.parts):
        inside = {position[int(drawn_as[node])] for stretch in _leaves([repeat]) for node in stretch.nodes}
        times, _ = framed.get(frozenset(inside), (1, ""))
        framed[frozenset(inside)] = (times * repeat.times, "")
    if modules is not None:
        nodes = [boxes.get(int(node), [int(node)]) for node in shown]
        for label, members in module_frames(modules, modules.node, nodes):
            if all(_is_nested(members, other) for other in framed):
                framed[members] = (framed.get(members, (1, ""))[0], label)
    frame_of: dict[int, list[int]] = {}
    for number, members in enumerate(framed):
        for element in members:
            frame_of.setdefault(element, []).append(number)

    fed, feeds = Counter(b for _, b in flows), Counter(a for a, _ in flows)
    stack_of = list(range(len(shown)))
    for a, b in flows:
        if fed[b] == 1 and feeds[a] == 1 and frame_of.get(a) == frame_of.get(b):
            stack_of[b] = stack_of[a]
    place = {first: number for number, first in enumerate(dict.fromkeys(stack_of))}
    stacks: list[list[int]] = [[] for _ in place]
    for element, first in enumerate(stack_of):
        stacks[place[first]].append(element)
    stack = [place[first] for first in stack_of]
    edges = sorted({(stack[a], stack[b]) for a, b in flows if stack[a] != stack[b]})
    rows = [
        tuple(row for element in elements for row in _rows(graph, int(shown[element]), boxes, numbers))
        for elements in stacks
    ]
    first_stretch = [int(folding.stretch[shown[elements[0]]]) for elements in stacks]
    layer = _layers(edges, first_stretch)
    frames = [
        (times, label, sorted({stack[element] for element in members}))
        for members, (times, label) in sorted(framed.items(), key=lambda item: -len(item[0]))
    ]
    # What is not by itself between its first and last layer cannot be framed.
    return _Plan(rows, layer, edges, [one for one in frames if one[0] > 1 or _is_apart(one[2], layer)])


def _is_nested(one: frozenset[int], other: frozenset[int]) -> bool:
    return one <= other or other <= one or one.isdisjoint(other)


def _is_apart(inside: Sequence[int], layer: IntArray) -> bool:
    """Whether the layers of some stacks have no others."""
    between = (layer >= layer[inside].min()) & (layer <= layer[inside].max())
    return int(between.sum()) == len(inside)


def _layers(edges: Sequence[tuple[int, int]], stretch: Sequence[int]) -> IntArray:
    """The layer of each stack: below what feeds it, and below every stack of an earlier stretch."""
    feeders: dict[int, list[int]] = {}
    for source, target in edges:
        feeders.setdefault(target, []).append(source)
    layer = np.zeros(len(stretch), dtype=np.int64)
    lowest, below, current = -1, -1, -1
    for number in sorted(range(len(stretch)), key=lambda number: (stretch[number], number)):
        if stretch[number] != current:
            current, below = stretch[number], lowest
        layer[number] = max([below, *(layer[source] for source in feeders.get(number, ()))]) + 1
        lowest = max(lowest, int(layer[number]))
    return layer


def _lay_out(plan: _Plan, title: str) -> Drawing:
    """Give every stack a place."""
    used, layer = np.unique(plan.layer, return_inverse=True)
    place, bends_of = _place(layer.tolist(), plan.edges)
    borders = _borders(plan.frames, layer)

    heights = np.zeros(len(used))
    np.maximum.at(heights, layer, [ROW_HEIGHT * len(rows) for rows in plan.rows])
    above, below = np.zeros(len(used)), np.zeros(len(used))
    for border in borders:
        above[border.first] = max(above[border.first], border.top * _HEAD)
        below[border.last] = max(below[border.last], border.bottom * _PAD)
    tops = 2 * MARGIN + np.cumsum(above) + np.cumsum(np.concatenate(([0], (heights + below + _GAP)[:-1])))
    columns = _apart(place[: len(plan.rows)], layer)
    bends = [
        [(place[bend], int(layer[source]) + number) for number, bend in enumerate(path, start=1)]
        for (source, _), path in zip(plan.edges, bends_of, strict=True)
    ]
    left = min([*columns, *(column for path in bends for column, _ in path)])
    right = max([*columns, *(column for path in bends for column, _ in path)])
    start = MARGIN + max((border.side for border in borders), default=0) * _PAD

    def across(column: float) -> float:
        return float(start + (column - left) * (ROW_WIDTH + _HGAP))

    boxes = [Box(rows, across(columns[number]), float(tops[layer[number]])) for number, rows in enumerate(plan.rows)]
    lines = []
    for (source, target), path in zip(plan.edges, bends, strict=True):
        points = [(boxes[source].x, boxes[source].y + boxes[source].height)]
        for column, at in path:
            points += [(across(column), float(tops[at])), (across(column), float(tops[at] + heights[at]))]
        points.append((boxes[target].x, boxes[target].y))
        is_far = bool(layer[target] - layer[source] > _FAR_LAYERS)
        lines.append((tuple((x + ROW_WIDTH / 2, y) for x, y in points), is_far))

    frames = []
    for (times, label, inside), border in zip(plan.frames, borders, strict=True):
        within, first, last = set(inside), border.first, border.last
        reach = [boxes[number].x for number in inside]
        reach += [
            across(column) + ROW_WIDTH / 2
            for (_, target), path in zip(plan.edges, bends, strict=True)
            for column, at in path
            if target in within and first <= at <= last
        ]
        x, y = min(reach) - border.side * _PAD, float(tops[first]) - border.top * _HEAD
        bottom = float(tops[last] + heights[last]) + border.bottom * _PAD
        end = max([max(reach), *(boxes[number].x + ROW_WIDTH for number in inside)]) + border.side * _PAD
        frames.append(PartFrame(times, x, y, end - x, bottom - y, label))
    return Drawing(
        title,
        max(across(right) + ROW_WIDTH + start, 6.5 * len(title) + 2 * MARGIN),
        float(tops[-1] + heights[-1] + below[-1]) + MARGIN,
        tuple(boxes),
        tuple(frames),
        tuple(lines),
    )


def _place(layer: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[list[float], list[list[int]]]:
    """The column of each stack and then of each bend, and the bends of each edge: one in every layer that it passes."""
    layers = list(layer)
    steps: list[tuple[int, int]] = []
    bends: list[list[int]] = []
    for source, target in edges:
        first = len(layers)
        layers += range(layer[source] + 1, layer[target])
        bends.append(list(range(first, len(layers))))
        steps += pairwise([source, *bends[-1], target])
    layout = igraph.Graph(len(layers), steps, directed=True).layout_sugiyama(layers=layers)
    return [column for column, _ in layout.coords], bends


def _apart(columns: Sequence[float], layer: IntArray) -> list[float]:
    """The columns of the stacks, those of one layer at least one apart, which igraph does not promise."""
    moved = list(columns)
    last: dict[int, float] = {}
    for number in sorted(range(len(moved)), key=lambda number: (int(layer[number]), columns[number])):
        moved[number] = max(moved[number], last.get(int(layer[number]), -math.inf) + 1)
        last[int(layer[number])] = moved[number]
    return moved


@dataclass(frozen=True)
class _Border:
    """A frame's first and last layer, and how many borders, its own and those within, are on each of its sides."""

    first: int
    last: int
    top: int
    bottom: int
    side: int


def _borders(frames: Sequence[tuple[int, str, list[int]]], layer: IntArray) -> list[_Border]:
    """The borders of each frame; outer frames come first."""
    members = [set(inside) for _, _, inside in frames]
    borders: dict[int, _Border] = {}
    for number in reversed(range(len(frames))):
        within = [borders[inner] for inner in range(number + 1, len(frames)) if members[inner] <= members[number]]
        of_layers = layer[frames[number][2]]
        first, last = int(of_layers.min()), int(of_layers.max())
        borders[number] = _Border(
            first,
            last,
            top=1 + max((one.top for one in within if one.first == first), default=0),
            bottom=1 + max((one.bottom for one in within if one.last == last), default=0),
            side=1 + max((one.side for one in within), default=0),
        )
    return [borders[number] for number in range(len(frames))]


def _rows(graph: OperatorGraph, node: int, boxes: Mapping[int, IntArray], numbers: IntArray) -> Iterable[Row]:
    if node not in boxes:
        operator = graph.operator[node]
        yield Row(_caption(operator), drawn_group(operator), operator.label, int(numbers[node]))
        return
    counts = Counter(graph.operator[inside] for inside in boxes[node])
    types: Counter[tuple[str, str]] = Counter()
    for operator, count in counts.items():
        types[operator.type_label, drawn_group(operator)] += count
    # Moving data about is mostly the exporter's: it is named last.
    ordered = sorted(types.items(), key=lambda item: (item[0][1] == "data movement", -item[1], item[0]))
    title = " ".join(f"{name}×{count}" for (name, _), count in ordered)
    for (name, group), count in ordered[:_SUMMARY_ROWS]:
        yield Row(_cut(f"{name} ×{count}" if count > 1 else name), group, title)
    if rest := sum(count for _, count in ordered[_SUMMARY_ROWS:]):
        yield Row(f"and {rest:,} more", "data movement", title)


def _caption(operator: Operator) -> str:
    """An operator in a few words: its type, and what one wants to know first of its attributes."""
    values: Any = json.loads(operator.attributes or "{}")
    words = [operator.op_type]
    if isinstance(values, dict):
        if isinstance(kernel := values.get("kernel_shape"), list):
            words.append("×".join(map(str, kernel)))
        for name, mark in (("strides", "/"), ("dilations", "d")):
            if isinstance(found := values.get(name), list) and any(one != 1 for one in found):
                words.append(mark + ("×".join(map(str, found)) if len(set(map(str, found))) > 1 else str(found[0])))
        if values.get("group", 1) != 1:
            words.append(f"g{values['group']}")
        if isinstance(order := values.get("perm"), list):
            words.append(" ".join(map(str, order)))
        if operator.op_type in ("Concat", "Softmax", "Gather", "Split") and "axis" in values:
            words.append(f"axis {values['axis']}")
    return _cut(" ".join(words))


def _cut(text: str) -> str:
    return plain(text, 26)
