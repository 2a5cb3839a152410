"""A release as a whole: figures as plotly reads them, and `Atlas`, the map of all architectures.

In goes a `Catalogue`; out come figures as JSON. What stands in a row is escaped, since plotly reads some HTML. The
`customdata` of a point or bar is the address that it opens and, of an architecture, its fingerprint and its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from younger_hf.explore.afterwards import Afterwards
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.query import Query
from younger_hf.explore.relatives import Relatives
from younger_hf.explore.remembered import Remembered
from younger_hf.graph import Operator
from younger_hf.operator_groups import operator_group
from younger_hf.plots.preview import COLOURS
from younger_hf.text import plain

Figure = dict[str, Any]

_SHOWN: Final = 25
_FAMILIES: Final = 12
_FAMILY_COLOURS: Final = (
    "#2f6fdb", "#f28a2e", "#4fae3f", "#e0269b", "#17a2a0", "#7b3fc4", "#d43d2a", "#f2c12e", "#8a5a2b", "#6fc3f7",
    "#ff8fa3", "#a6d854",
)  # fmt: skip
_FEWEST_POINTS: Final = 4
_LOWEST: Final = 360
_LONGEST: Final = 40


def sizes(catalogue: Catalogue) -> Figure:
    """How many architectures have how many operators, in powers of two."""
    known = np.asarray([size for size in catalogue.table.column("num_nodes").to_pylist() if size], np.int64)
    counts = Counter((int(size).bit_length() - 1) for size in known.tolist())
    powers = range(min(counts, default=0), max(counts, default=0) + 1)
    names = [f"{2**power:,}–{2 ** (power + 1) - 1:,}" for power in powers]
    addresses = [Query(min_nodes=2**power, max_nodes=2 ** (power + 1) - 1).url() for power in powers]
    bars = {
        "type": "bar",
        "x": names,
        "y": [counts[power] for power in powers],
        "customdata": [[address] for address in addresses],
        "marker": {"color": "#2f6fdb"},
        "hovertemplate": "%{x} operators: %{y} architectures<extra></extra>",
    }
    return {
        "data": [bars],
        "layout": _layout(
            "Operators of an architecture", xaxis={"tickangle": -45}, yaxis={"title": {"text": "architectures"}}
        ),
    }


def operators(catalogue: Catalogue) -> Figure:
    """The operator types that most architectures have, in the colours of their groups."""
    found_in = dict(zip(catalogue.operators, (catalogue.counts > 0).sum(axis=0).tolist(), strict=True))
    shown = [(label, found_in[label]) for label in catalogue.used_operators[:_SHOWN]]
    colours = [f"#{COLOURS[operator_group(_operator(label))][1]}" for label, _ in shown]
    return _bars("Operator types by architectures", shown, lambda label: Query(all_of=(label,)).url(), colours)


def named(column: str, title: str) -> Callable[[Catalogue], Figure]:
    """How many architectures have each name of a column, most first."""

    def figure(catalogue: Catalogue) -> Figure:
        shown = catalogue.choices[column][:_SHOWN]
        return _bars(title, shown, lambda name: Query.parse([(column, name)]).url(), ["#2f6fdb"] * len(shown))

    return figure


FIGURES: Final[Mapping[str, Callable[[Catalogue], Figure]]] = {
    "sizes": sizes,
    "operators": operators,
    "families": named("family", "Families"),
    "tasks": named("task", "Tasks"),
    "sources": named("source", "Sources"),
    "licences": named("license", "Licences"),
}
"""The figures of a release by name."""


class Atlas:
    """The map of all architectures by t-SNE of their sketches: made once, on a thread, and kept in the user's cache.

    Attributes:
        failed: why there is no map; "" while that is not known.
    """

    def __init__(self, catalogue: Catalogue, relatives: Relatives, cache: Remembered) -> None:
        self._catalogue = catalogue
        self._relatives = relatives
        self._cache = cache
        self._figure = Afterwards(self._make, "map")
        self.failed = ""

    def figure(self) -> Figure | None:
        """The map; None while it is made, which the first call begins."""
        return self._figure()

    def wait(self) -> Figure | None:
        """The map, when it is made."""
        self.figure()
        return self._figure.join()

    def _make(self) -> Figure | None:
        index = self._relatives.index
        if index is None or len(index.rows) < _FEWEST_POINTS:
            self.failed = "The release has too few architectures with sketches to be put on a map."
            return None
        content = self._catalogue.release.contents.get("graphs", "")
        name = f"map-{content}" if content else ""  # a release that does not say what it has is put on a map anew
        points = self._cache.get(name, len(index.rows))
        if points is None:
            from younger_hf.plots.embedding import project

            points = project(index.directions)
            self._cache.put(name, points)
        return _map(self._catalogue, points)


def _map(catalogue: Catalogue, points: NDArray[np.float32]) -> Figure:
    """One trace for each of the largest families, and one for all others, which lies below."""
    columns = [catalogue.table.column(name).to_pylist() for name in ("fingerprint", "name", "family", "num_nodes")]
    rows = list(zip(*columns, strict=True))
    largest = [name for name, _ in catalogue.choices["family"][:_FAMILIES]]
    traces = []
    for family, colour in ((None, "#b4bac3"), *zip(largest, _FAMILY_COLOURS, strict=False)):
        inside = [at for at, row in enumerate(rows) if (row[2] if row[2] in largest else None) == family]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "others" if family is None else _text(family),
                "x": [round(float(points[at, 0]), 2) for at in inside],
                "y": [round(float(points[at, 1]), 2) for at in inside],
                "text": [
                    f"{_text(rows[at][1])}<br>{_text(rows[at][2])}, {rows[at][3] or 0:,} operators" for at in inside
                ],
                "customdata": [
                    [
                        f"/architecture/{quote(str(rows[at][0]), safe='')}",
                        rows[at][0],
                        plain(str(rows[at][1]), _LONGEST),
                    ]
                    for at in inside
                ],
                "marker": {"color": colour, "size": 5 if family is None else 7, "opacity": 0.8},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    hidden = {"visible": False}
    return {"data": traces, "layout": {"margin": {"l": 4, "r": 4, "t": 4, "b": 4}, "xaxis": hidden, "yaxis": hidden}}


def _bars(title: str, shown: Sequence[tuple[str, int]], address: Callable[[str], str], colours: list[str]) -> Figure:
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [_text(name) for name, _ in shown],
        "x": [count for _, count in shown],
        "customdata": [[address(name)] for name, _ in shown],
        "marker": {"color": colours},
        "hovertemplate": "%{y}: %{x} architectures<extra></extra>",
    }
    rows = {"autorange": "reversed", "dtick": 1, "type": "category", "ticksuffix": " "}
    return {"data": [bars], "layout": {**_layout(title, yaxis=rows), "height": max(_LOWEST, 120 + 19 * len(shown))}}


def _layout(title: str, **more: Any) -> Figure:
    return {"title": {"text": title}, "margin": {"l": 8, "r": 12, "t": 44, "b": 36}, **more}


def _text(name: Any) -> str:
    """A name for plotly, which shows it as it is."""
    return escape(plain(str(name), _LONGEST), quote=False)


def _operator(label: str) -> Operator:
    domain, _, op_type = label.rpartition("::")
    return Operator(domain, op_type)
