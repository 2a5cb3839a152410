"""Pictures of embeddings by t-SNE, as in the paper.

In go vectors and what is known of each; out come PNGs. Operators and subgraphs have the colours of the groups of
operators that they have in the previews, graphs one for each of the largest families.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from tqdm import tqdm

from younger_hf.errors import MissingExtraError
from younger_hf.plots.figures import ORDER, colour_of, group_of
from younger_hf.plots.style import encode, figure_in_style
from younger_hf.text import plain

try:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits
except ImportError as error:
    raise MissingExtraError("scikit-learn", "plots") from error

RANDOM_STATE: Final = 42
FEWEST_POINTS: Final = 4
MOST_POINTS: Final = 5_000
TOP_FAMILIES: Final = 12

_PERPLEXITY: Final = 30.0
_BACKGROUND: Final = "#d5d9df"
_LONGEST_NAME: Final = 24
_LONGEST_KIND: Final = 18  # so that four columns of a legend fit
_MOST_NAMED: Final = 40
_FAMILY_COLOURS: Final = (
    "#2f6fdb", "#f28a2e", "#4fae3f", "#e0269b", "#17a2a0", "#7b3fc4", "#d43d2a", "#f2c12e", "#8a5a2b", "#6fc3f7",
    "#1c1c1c", "#a6d854",
)  # fmt: skip

_SIZES: Final = ((7.2, 6.6), (10.8, 6.2))
_NAME_SIZE: Final = 7
_FAR: Final = 1e5
_NO_NAMES: Final[Mapping[int, str]] = {}

# The previews' grey is that of the background here.
_GROUP_COLOURS: Final = {group: colour_of(group) for group in ORDER} | {"data movement": "#5c6673"}

Points = NDArray[np.float32]
Box = tuple[float, float, float, float]


def project(vectors: NDArray[Any]) -> Points:
    """Put vectors on a plane by t-SNE (van der Maaten and Hinton, JMLR 9, 2008), as the paper does.

    Args:
        vectors: floating point [n, d], n at least `FEWEST_POINTS`.

    Returns:
        float32 [n, 2].
    """
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    # scikit-learn does not say how far it is: half a minute for the most points that there are.
    bar = tqdm(desc=f"t-SNE of {len(vectors):,} vectors", bar_format="{desc} … {elapsed}", disable=None, leave=False)
    # On one thread: sums do not depend on the machine, and threads that wait for each other take longer on a busy one.
    with bar, threadpool_limits(1):
        points: Points = TSNE(2, perplexity=perplexity, random_state=RANDOM_STATE).fit_transform(np.asarray(vectors))
    return points


def scatter_operators(panels: Mapping[str, NDArray[Any]], operators: Sequence[str], top: int) -> bytes:
    """Operators by the rows of an embedding layer.

    Args:
        panels: for each title ("before training", "after training"), floating point [n, d].
        operators: the `type_label` of each of the n rows, the most frequent first.
        top: so many rows are coloured and, if they are few, named.
    """
    operators = operators[:MOST_POINTS]
    groups = [group_of(operator) if row < top else None for row, operator in enumerate(operators)]
    names = dict(enumerate(operators[:top])) if top <= _MOST_NAMED else {}
    title = f"{len(operators):,} operators, the {min(top, len(operators)):,} most frequent in colour"
    points = {head: project(vectors[:MOST_POINTS]) for head, vectors in panels.items()}
    return _draw(title, points, groups, _GROUP_COLOURS, names)


def scatter_subgraphs(vectors: NDArray[Any], groups: Sequence[str]) -> bytes:
    """Subgraphs by their embeddings.

    Args:
        vectors: floating point [n, d].
        groups: the group of operators that each of the n consists of most.
    """
    chosen = _choose(len(vectors))
    title = f"{_number(chosen, len(vectors))} subgraphs, by what most of their operators do"
    return _draw(title, {"": project(vectors[chosen])}, [groups[i] for i in chosen], _GROUP_COLOURS)


def scatter_graphs(vectors: NDArray[Any], families: Sequence[str | None]) -> bytes:
    """Graphs by their embeddings.

    Args:
        vectors: floating point [n, d].
        families: of each of the n, if it has one.
    """
    chosen = _choose(len(vectors))
    counts = Counter(family for i in chosen if (family := families[i]) is not None)
    largest = [family for family, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP_FAMILIES]]
    colours = {family: _FAMILY_COLOURS[rank] for rank, family in enumerate(largest)}
    shown = [family if family in colours else None for family in (families[i] for i in chosen)]
    title = f"{_number(chosen, len(vectors))} graphs, the {len(largest)} largest families in colour"
    return _draw(title, {"": project(vectors[chosen])}, shown, colours)


def _draw(
    title: str,
    panels: Mapping[str, Points],
    kinds: Sequence[str | None],
    colours: Mapping[str, str],
    names: Mapping[int, str] = _NO_NAMES,
) -> bytes:
    """Points side by side; those without a kind stay in the background, and a legend counts those with one."""
    counts = Counter(kinds)
    area = float(np.clip(6000 / max(1, len(kinds)), 4, 40))
    with figure_in_style(*_SIZES[len(panels) > 1]) as figure:
        figure.suptitle(title, x=0.012, ha="left", weight="bold", size=12)
        shown: list[tuple[str | None, str]] = [(kind, colour) for kind, colour in colours.items() if counts[kind]]
        shown += [(None, _BACKGROUND)] if counts[None] else []
        handles = [_dot(f"{plain(kind or 'others', _LONGEST_KIND)} ({counts[kind]:,})", c) for kind, c in shown]
        figure.legend(handles=handles, loc="outside lower center", ncols=4 if len(panels) == 1 else 6, fontsize=8)
        everything = list(zip(np.ravel(figure.subplots(1, len(panels))), panels.items(), strict=True))
        for axes, (head, points) in everything:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(_BACKGROUND)
            axes.spines[:].set_visible(True)
            axes.set_title(head, size=10, weight="normal", pad=6)
            axes.margins(0.06)
            for kind, colour in reversed(shown):
                x, y = points[[i for i, of in enumerate(kinds) if of == kind]].T
                axes.scatter(x, y, area, colour, linewidths=0.3, edgecolors="white")
        figure.draw_without_rendering()  # names are placed where points have come to lie
        for axes, (_, points) in everything:
            _write_names(axes, points, names)
        return encode(figure)


def _write_names(axes: Axes, points: Points, names: Mapping[int, str]) -> None:
    """Write names beside their points, each on the side where it covers the fewest points and names."""
    pixels_per_point = axes.figure.dpi / 72
    places = axes.transData.transform(points) / pixels_per_point
    left, bottom, right, top = (edge / pixels_per_point for edge in axes.bbox.extents)
    taken: list[Box] = [(x - 2, y - 2, x + 2, y + 2) for x, y in places]
    taken += [(-_FAR, -_FAR, left, _FAR), (right, -_FAR, _FAR, _FAR)]
    taken += [(-_FAR, -_FAR, _FAR, bottom), (-_FAR, top, _FAR, _FAR)]
    for row, name in names.items():
        text = plain(name, _LONGEST_NAME)
        width, height = 0.56 * _NAME_SIZE * len(text), 1.1 * _NAME_SIZE
        x, y = places[row]
        across, along = (4.0, -width / 2, -4.0 - width), (-height / 2, 3.0, -3.0 - height)
        sides = [(dx, dy) for dy in along for dx in across if (dx, dy) != (across[1], along[0])]
        boxes = [(x + dx, y + dy, x + dx + width, y + dy + height) for dx, dy in sides]
        covered = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = int(np.argmin(covered))
        taken.append(boxes[best])
        axes.annotate(text, points[row], sides[best], textcoords="offset points", size=_NAME_SIZE)


def _overlap(one: Box, other: Box) -> float:
    """The area that two rectangles (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _dot(label: str, colour: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=5, mew=0, color=colour, label=label)


def _choose(size: int) -> NDArray[np.int64]:
    """All of so many vectors or, since t-SNE takes minutes for more, `MOST_POINTS` of them by chance, ascending."""
    chosen = np.random.default_rng(RANDOM_STATE).permutation(size)[:MOST_POINTS]
    return np.sort(chosen)


def _number(chosen: NDArray[np.int64], size: int) -> str:
    return f"{size:,}" if len(chosen) == size else f"{len(chosen):,} of {size:,}"
