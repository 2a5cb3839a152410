"""A sheet of architectures, each drawn as the thumbnail in its row: the picture at the top of README.md.

    python examples/gallery.py younger docs/images/gallery.png resnet18 densenet121 swin_t

Names select rows of config `graphs`, in this order; without any, the twelve most common families are drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matplotlib.patches import Patch

from younger_hf import load
from younger_hf.plots.preview import COLOURS
from younger_hf.plots.style import FAINT, encode, figure_in_style

COLUMNS = 6
MOST = 12
LONGEST_NAME = 20


def rows_of(source: str, names: list[str]) -> list[dict[str, Any]]:
    """The rows with these names, the smallest graph of each; or one row of each of the most common families."""
    columns = ["name", "family", "num_nodes", "preview"]
    found = [row for rows in load("graphs", source=source).values() for row in rows.select_columns(columns)]
    found.sort(key=lambda row: row["num_nodes"])
    if names:
        by_name = {row["name"]: row for row in reversed(found)}
        return [by_name[name] for name in names]
    families: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        families.setdefault(row["family"] or row["name"], []).append(row)
    largest = sorted(families.values(), key=len, reverse=True)[:MOST]
    return sorted((rows[0] for rows in largest), key=lambda row: row["num_nodes"])


def draw(rows: list[dict[str, Any]]) -> bytes:
    """The sheet as a PNG; the same rows give the same bytes."""
    lines = -(-len(rows) // COLUMNS)
    with figure_in_style(9.6, 2.15 * lines + 0.5) as figure:
        for axes, row in zip(figure.subplots(lines, COLUMNS, squeeze=False).flat, rows, strict=False):
            axes.imshow(row["preview"].convert("RGB"), interpolation="nearest")
            name = row["name"]
            axes.set_title(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…", fontsize=8.5, pad=4)
            axes.set_xlabel(f"{row['num_nodes']:,} operators", fontsize=8, color=FAINT, loc="left")
        for axes in figure.axes:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        patches = [Patch(color=f"#{value}", label=group) for group, (_, value) in COLOURS.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
        return encode(figure)


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", help="a release directory or Hub repository")
    parser.add_argument("output", type=Path, help="the PNG to write")
    parser.add_argument("names", nargs="*", help="rows to draw")
    options = parser.parse_args()
    options.output.write_bytes(draw(rows_of(options.release, options.names)))


if __name__ == "__main__":
    main()
