"""A drawing of an architecture: stacks of operators, frames and lines, as SVG or PNG.

In goes what stands where, in pixels; out come files. `younger_hf.plots.layered` decides what stands where.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from younger_hf.errors import UsageError
from younger_hf.plots.preview import COLOURS
from younger_hf.whole_files import write_whole

ROW_WIDTH: Final = 168
ROW_HEIGHT: Final = 19
MARGIN: Final = 24
"""Pixels."""

_FONT: Final = 11
_INK, _FAINT, _FRAME = "#2b2f36", "#b9c0c9", "#f4f6f8"
_PNG_SCALE: Final = 2


@dataclass(frozen=True)
class Row:
    """A line of a stack.

    Attributes:
        text: what it says.
        group: its group of operators.
        title: what it is in full.
        node: the node of the graph that it is; None for several.
    """

    text: str
    group: str
    title: str
    node: int | None = None


@dataclass(frozen=True)
class Box:
    """A stack with its place: left and top in pixels."""

    rows: tuple[Row, ...]
    x: float
    y: float

    @property
    def height(self) -> float:
        """In pixels."""
        return ROW_HEIGHT * len(self.rows)


@dataclass(frozen=True)
class PartFrame:
    """What belongs together: a rectangle in pixels, how often it is there, and the module that it is, if known."""

    times: int
    x: float
    y: float
    width: float
    height: float
    label: str = ""

    @property
    def texts(self) -> list[tuple[float, str, str, str]]:
        """What is written along its top, over the lines that cross it: left, anchor and weight as in SVG, words."""
        found = [(self.x + 6, "start", "normal", self.label)] if self.label else []
        if self.times > 1:
            found.append((self.x + self.width - 6, "end", "bold", f"×{self.times}"))
        return found


@dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing of an architecture.

    Attributes:
        title: what is drawn.
        width: pixels.
        height: pixels.
        boxes: the stacks of operators.
        frames: outer ones first.
        lines: the data flows between stacks, as points in pixels, and whether each passes over many layers.
    """

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    frames: tuple[PartFrame, ...]
    lines: tuple[tuple[tuple[tuple[float, float], ...], bool], ...]

    def __repr__(self) -> str:
        return f"<Drawing of {self.title!r}: {self.width:.0f} by {self.height:.0f} pixels>"

    def to_svg(self) -> str:
        """As SVG; the same drawing gives the same text. What is one node has its number as `data-node`."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" font-family="Helvetica, Arial, sans-serif" '
            f'font-size="{_FONT}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="100%" height="100%" fill="#ffffff"/><text x="{MARGIN}" y="{MARGIN}" fill="{_INK}" '
            f'font-weight="bold">{escape(self.title)}</text>',
        ]
        parts += (
            f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.width:.1f}" height="{frame.height:.1f}" '
            f'rx="6" fill="{_FRAME}" fill-opacity="0.8" stroke="{_FAINT}"/>'
            for frame in self.frames
        )
        for points, is_far in self.lines:
            path = _curve(points)
            parts.append(f'<path d="{path}" fill="none" stroke="{_FAINT if is_far else _INK}" stroke-width="1"/>')
        for frame in self.frames:
            for x, anchor, weight, words in frame.texts:
                parts.append(
                    f'<text x="{x:.1f}" y="{frame.y + 13:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
                    f'fill="{_INK}" stroke="{_FRAME}" stroke-width="3" paint-order="stroke">{escape(words)}</text>'
                )
        for box in self.boxes:
            for number, row in enumerate(box.rows):
                fill, ink = _colours(row.group)
                y = box.y + number * ROW_HEIGHT
                node = "" if row.node is None else f' data-node="{row.node}"'
                parts.append(
                    f'<g{node}><title>{escape(row.title)}</title><rect x="{box.x:.1f}" y="{y:.1f}" width="{ROW_WIDTH}" '
                    f'height="{ROW_HEIGHT - 1}" rx="2" fill="{fill}"/><text x="{box.x + 6:.1f}" y="{y + 13:.1f}" '
                    f'fill="{ink}">{escape(row.text)}</text></g>'
                )
        return "\n".join((*parts, "</svg>\n"))

    def to_png(self) -> bytes:
        """As a PNG of twice as many pixels."""
        scale = _PNG_SCALE
        image = Image.new("RGB", (round(self.width) * scale, round(self.height) * scale), "#ffffff")
        canvas = ImageDraw.Draw(image)
        font = ImageFont.load_default(_FONT * scale)

        def text(x: float, y: float, words: str, fill: str, anchor: str = "ls", halo: int = 0) -> None:
            canvas.text(
                (x * scale, y * scale),
                words.replace("×", "x"),  # Pillow's own font lacks the sign
                fill=fill,
                font=font,
                anchor=anchor,
                stroke_width=halo,
                stroke_fill=_FRAME,
            )

        text(MARGIN, MARGIN, self.title, _INK)
        for frame in self.frames:
            corners = (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)
            canvas.rounded_rectangle([scale * at for at in corners], 6 * scale, _FRAME, _FAINT, scale)
        for points, is_far in self.lines:
            path = [(x * scale, y * scale) for x, y in points]
            canvas.line(path, fill=_FAINT if is_far else _INK, width=scale, joint="curve")
        for frame in self.frames:
            for x, anchor, _, words in frame.texts:
                text(x, frame.y + 13, words, _INK, "rs" if anchor == "end" else "ls", halo=scale)
        for box in self.boxes:
            for number, row in enumerate(box.rows):
                fill, ink = _colours(row.group)
                y = box.y + number * ROW_HEIGHT
                corners = (box.x, y, box.x + ROW_WIDTH, y + ROW_HEIGHT - 1)
                canvas.rounded_rectangle([scale * at for at in corners], 2 * scale, fill)
                text(box.x + 6, y + 13, row.text, ink)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write it to a file, `.svg` or `.png`.

        Raises:
            UsageError: another ending.
            YoungerError: the file cannot be written.
        """
        path = Path(path)
        check_ending(path)
        write_whole(path, self.to_svg().encode() if path.suffix == ".svg" else self.to_png())

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.to_svg()


def check_ending(path: str | PathLike[str]) -> None:
    """Refuse a file that is neither `.svg` nor `.png`.

    Raises:
        UsageError: it is not.
    """
    if Path(path).suffix not in (".svg", ".png"):
        raise UsageError(f"a drawing is written as .svg or .png, not as {Path(path).name}")


def _colours(group: str) -> tuple[str, str]:
    """The fill of a row, and the ink that can be read on it."""
    value = COLOURS[group][1]
    red, green, blue = (int(value[at : at + 2], 16) for at in (0, 2, 4))
    return f"#{value}", "#ffffff" if 299 * red + 587 * green + 114 * blue < 112_000 else _INK


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """A smooth path through points, upright at each."""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        if x == to_x:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (y + to_y) / 2
            path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(path)
