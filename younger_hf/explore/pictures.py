"""Drawings of opened rows as SVG: whole and folded, operator by operator, or one module of it.

In goes an `Architecture`; out comes an SVG, whose texts are escaped. The latest ones are kept as they are sent,
compressed.
"""

from __future__ import annotations

import gzip
from typing import Final

from younger_hf.errors import UsageError
from younger_hf.explore.facts import Architectures
from younger_hf.explore.kept import Kept
from younger_hf.module_tree import ModuleTree

MOST_IN_FULL: Final = 2000
"""Operators that are drawn one by one: with more, a browser no longer scrolls."""

_MOST_BYTES: Final = 64 << 20
_COMPRESSION: Final = 5


class Pictures:
    """Drawings of the rows that are opened."""

    def __init__(self, architectures: Architectures) -> None:
        self._architectures = architectures
        self._latest = Kept(self._draw, _MOST_BYTES, len)

    def draw(self, fingerprint: str, module: int | None = None, *, full: bool = False) -> bytes:
        """Draw a row, or one of its modules, as SVG in gzip.

        Args:
            fingerprint: of the row.
            module: the position of a module; None for all.
            full: draw every operator; otherwise what repeats is drawn once, and what is too much summed up.

        Raises:
            UsageError: there is no such row or module, or it has too many operators to be drawn in full.
            ReleaseError: the release cannot be read.
        """
        return self._latest(fingerprint, module, full)

    def _draw(self, fingerprint: str, module: int | None, full: bool) -> bytes:
        from younger_hf.plots.layered import draw_graph

        opened = self._architectures.open(fingerprint)
        graph, tree, title = opened.graph, opened.modules, str(opened.facts["name"] or "")
        if module is not None:
            modules, nodes = opened.inside(module)
            found = modules.modules[module]
            graph, tree = graph.part(nodes), ModuleTree(modules.modules, modules.node[nodes])
            title = f"{title}: {found.path or found.kind.rpartition('.')[2]}"
        if full and graph.num_nodes > MOST_IN_FULL:
            raise UsageError(
                f"{graph.num_nodes:,} operators are too many to be drawn one by one (at most {MOST_IN_FULL:,}): "
                "choose a module"
            )
        svg = draw_graph(graph, title, collapse=not full, modules=tree).to_svg()
        return gzip.compress(svg.encode(), _COMPRESSION)
