"""The style of all figures, independent of the user's matplotlib settings, and their encoding as PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from matplotlib import style
from matplotlib.figure import Figure

INK: Final = "#2b2f36"
FAINT: Final = "#868d97"

_STYLE: Final[dict[str, Any]] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 14,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "font.size": 9,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.major.size": 3,
    "ytick.color": INK,
    "ytick.major.size": 0,
}


@contextmanager
def figure_in_style(width: float, height: float) -> Iterator[Figure]:
    """A figure of a width and height in inches, to be drawn within the context."""
    with style.context(["default", _STYLE]):
        yield Figure(figsize=(width, height), layout="constrained")


def encode(figure: Figure) -> bytes:
    """The figure as a PNG: equal figures give the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name from anywhere may be in a script that matplotlib's own font does not have: it shows as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
