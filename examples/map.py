"""A map of all architectures: those that are built alike lie together, the largest families are in colour.

    python examples/map.py younger docs/images/map.png

Each row of config `graphs` is a point, placed by t-SNE of its sketch; nothing is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from younger_hf.plots.embedding import scatter_graphs
from younger_hf.recognise.nearest import SketchIndex
from younger_hf.release import open_release


def draw(source: str) -> bytes:
    """The map as a PNG; on one machine the same release gives the same bytes."""
    index = SketchIndex.of(open_release(source))
    return scatter_graphs(index.directions, [family for *_, family in index.rows])


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a release directory, or the id of a Hub dataset repository")
    parser.add_argument("output", type=Path, help="the PNG to write")
    arguments = parser.parse_args()
    arguments.output.write_bytes(draw(arguments.source))


if __name__ == "__main__":
    main()
