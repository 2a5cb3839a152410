"""Figures of a whole release: how large its graphs are, what they are made of, and how families differ in that.

In go `Statistics`; out come PNGs. Operators have the colours that they have in the previews.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from younger_hf.graph import Operator
from younger_hf.operator_groups import GROUPS, operator_group
from younger_hf.plots.preview import COLOURS
from younger_hf.plots.style import FAINT, INK, encode, figure_in_style
from younger_hf.statistics import Statistics
from younger_hf.statistics_report import TOP_OPERATORS
from younger_hf.text import plain

TOP_FAMILIES: Final = 24
ORDER: Final = (
    "convolution", "dense", "attention", "recurrent", "normalisation", "activation", "pooling", "elementwise",
    "selection", "quantisation", "control flow", "other", "data movement",
)  # fmt: skip
"""The groups of operators, from those that compute to what only moves data about."""

_SIZE_COLOURS: Final = {"nodes": "#2f6fdb", "edges": "#f28a2e"}
_LONGEST_LABEL: Final = 28


def draw_all(statistics: Statistics) -> dict[str, bytes]:
    """The figures by file name, each a PNG; the same statistics give the same bytes.

    `families.png` is left out where no graph has a family.
    """
    return {
        "sizes.png": draw_sizes(statistics),
        "operators.png": draw_operators(statistics),
        **({"families.png": draw_families(statistics)} if statistics.families else {}),
    }


def draw_sizes(statistics: Statistics) -> bytes:
    """How many graphs have how many nodes and edges, as Figure 2a of the paper; sizes are on a logarithmic scale."""
    sizes = {"nodes": statistics.nodes, "edges": statistics.edges}
    least = max(1, min(size.min for size in sizes.values()))
    most = max(least + 1, *(size.max + 1 for size in sizes.values()))
    bins = np.geomspace(least, most, int(np.clip(3 * np.sqrt(statistics.nodes.size), 12, 60)) + 1).tolist()
    with figure_in_style(7.2, 4.6) as figure:
        panels = figure.subplots(2, 1, sharex=True, sharey=True)
        for axes, (name, size) in zip(panels, sizes.items(), strict=True):
            colour = _SIZE_COLOURS[name]
            axes.hist(size.values, bins, weights=size.counts, color=colour, edgecolor="white", lw=0.4)
            axes.axvline(size.median, color=INK, lw=1, ls=(0, (4, 3)))
            summary = f"median {size.median:,.0f}\nmean {size.mean:,.0f}\n{size.min:,} to {size.max:,}"
            axes.text(0.985, 0.92, name, transform=axes.transAxes, ha="right", color=colour, weight="bold")
            axes.text(0.985, 0.88, summary, transform=axes.transAxes, ha="right", va="top", linespacing=1.4)
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
            axes.set_ylabel("graphs")
        panels[0].set_title(f"Sizes of {statistics.nodes.size:,} graphs")
        panels[1].set(xscale="log", xlim=(bins[0], bins[-1]), xlabel="nodes or edges of a graph (logarithmic scale)")
        panels[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[1].xaxis.set_minor_locator(NullLocator())
        panels[1].xaxis.set_major_formatter(lambda value, _: _short(value))
        return encode(figure)


def draw_operators(statistics: Statistics) -> bytes:
    """The 30 most frequent operators, as Figure 2b of the paper, each with the share of graphs that have it."""
    top = statistics.operators[:TOP_OPERATORS]
    groups = [group_of(one.operator) for one in top]
    total = max(1, statistics.nodes.total)
    with figure_in_style(7.2, 0.9 + 0.235 * len(top)) as figure:
        axes = figure.add_subplot()
        bars = axes.barh(
            range(len(top)),
            [one.nodes / total for one in top],
            height=0.78,
            color=[colour_of(group) for group in groups],
        )
        axes.bar_label(bars, [_short(one.nodes) for one in top], padding=4, color=INK, fontsize=8)
        axes.margins(x=0.1)
        axes.set_title("The most frequent operators")
        _label_rows(axes, [one.operator for one in top])
        _label_right(axes, "graphs with it", [f"{one.graphs / statistics.nodes.size:.0%}" for one in top])
        axes.set_xlabel("share of all nodes")
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
        axes.legend(handles=group_patches(groups), loc="lower right")
        return encode(figure)


def draw_families(statistics: Statistics) -> bytes:
    """What the graphs of the largest families are made of: the share of each group of operators in their nodes."""
    top = statistics.families[:TOP_FAMILIES]
    nodes = np.array([family.nodes for family in top], dtype=np.float64).reshape(len(top), len(GROUPS))
    shares = nodes / nodes.sum(axis=1, keepdims=True)
    with figure_in_style(7.2, 1.5 + 0.235 * len(top)) as figure:
        axes = figure.add_subplot()
        left = np.zeros(len(top))
        shown = [group for group in ORDER if nodes[:, GROUPS.index(group)].any()]
        for group in shown:
            share = shares[:, GROUPS.index(group)]
            axes.barh(range(len(top)), share, left=left, height=0.78, color=colour_of(group), edgecolor="white", lw=0.5)
            left += share
        axes.set_title("What families are made of")
        _label_rows(axes, [family.name for family in top])
        _label_right(axes, "graphs", [f"{family.graphs:,}" for family in top])
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the nodes of all graphs of the family")
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
        figure.legend(handles=group_patches(shown), loc="outside lower center", ncols=4)
        return encode(figure)


def _label_rows(axes: Axes, names: Iterable[str]) -> None:
    """Name the bars, the first one at the top."""
    labels = [plain(name, _LONGEST_LABEL) for name in names]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def _label_right(axes: Axes, head: str, labels: list[str]) -> None:
    """Write a column of text beside the bars."""
    for row, text in enumerate([head, *labels], start=-1):
        axes.annotate(
            text,
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(34, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color=FAINT,
            annotation_clip=False,
        )


def group_patches(groups: Iterable[str]) -> list[Patch]:
    """The entries of a legend for groups of operators."""
    present = set(groups)
    return [Patch(color=colour_of(group), label=group) for group in ORDER if group in present]


def group_of(type_label: str) -> str:
    """The group of an operator, by its `type_label`."""
    domain, _, op_type = type_label.rpartition("::")
    return operator_group(Operator(domain, op_type))


def colour_of(group: str) -> str:
    """The colour of a group of operators."""
    return f"#{COLOURS[group][1]}"


def _short(number: float) -> str:
    """A number as 950, 1.2K, 3.4M."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:g}"
