"""Reports of a release's statistics: JSON for programs, text for people.

In go `Statistics`; out comes text that is a function of them alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from younger_hf.errors import YoungerError
from younger_hf.schema import SCHEMA_VERSION
from younger_hf.statistics import Distribution, SplitStatistics, Statistics
from younger_hf.text import plain, table

TOP_OPERATORS: Final = 30

_TOP_NAMES: Final = 10


def to_json(statistics: Statistics) -> str:
    """The statistics as ASCII JSON: the same release gives the same bytes.

    `operators` are the 30 most frequent; in `tasks`, `families`, `sources`, `origins` and `licenses`, `graphs` has
    every name, the most frequent first, and `unknown` is the number of graphs without one.
    """
    graphs = {
        "schema_version": SCHEMA_VERSION,
        "graphs": statistics.nodes.size,
        "models": statistics.models,
        "nodes": _spread(statistics.nodes),
        "edges": _spread(statistics.edges),
        "operator_types": len(statistics.operators),
        "operator_variants": statistics.variants,
        "operators": [asdict(operator) for operator in statistics.operators[:TOP_OPERATORS]],
    }
    catalogues = {
        catalogue: {
            "distinct": len(counts.keys() - {None}),
            "unknown": counts.get(None, 0),
            "graphs": {name: count for name, count in counts.items() if name is not None},
        }
        for catalogue, counts in statistics.catalogues.items()
    }
    configs = {
        config: {split: _split(one) for split, one in splits.items()} for config, splits in statistics.splits.items()
    }
    return json.dumps({**graphs, **catalogues, "configs": configs}, indent=2) + "\n"


def to_text(statistics: Statistics) -> str:
    """The statistics as tables for a terminal."""
    nodes = max(statistics.nodes.total, 1)
    parts = [
        f"{statistics.nodes.size:,} graphs made from {statistics.models:,} models; "
        f"{len(statistics.operators):,} operator types, {statistics.variants:,} with attributes",
        table(
            ["", "min", "median", "mean", "max", "total"],
            [["nodes", *_cells(statistics.nodes)], ["edges", *_cells(statistics.edges)]],
        ),
        table(
            ["config", "split", "rows", "nodes: min", "median", "mean", "max", "edges: median", "mean"],
            [
                [
                    config,
                    name,
                    _number(split.rows),
                    *(_cells(split.nodes)[:4] if split.nodes.size else [""] * 4),
                    *(_cells(split.edges)[1:3] if split.edges.size else [""] * 2),
                ]
                for config, splits in statistics.splits.items()
                for name, split in splits.items()
            ],
            text_columns=2,
        ),
        *(_catalogue(name, counts) for name, counts in statistics.catalogues.items()),
        table(
            ["most frequent operators", "nodes", "share", "graphs"],
            [
                [one.operator, _number(one.nodes), f"{one.nodes / nodes:.1%}", _number(one.graphs)]
                for one in statistics.operators[:TOP_OPERATORS]
            ],
        ),
    ]
    return "\n\n".join(parts)


def write(statistics: Statistics, directory: Path, figures: Mapping[str, bytes]) -> list[Path]:
    """Write `statistics.json` and figures into a directory; files of these names are replaced.

    Args:
        statistics: what the JSON says.
        directory: made if it is not there.
        figures: PNGs by file name.

    Raises:
        YoungerError: the directory cannot be written.
    """
    contents = {"statistics.json": to_json(statistics).encode(), **figures}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (directory / name).write_bytes(content)
    except OSError as error:
        raise YoungerError(f"the statistics cannot be written to {directory} ({error.strerror})") from error
    return [directory / name for name in contents]


def _split(split: SplitStatistics) -> dict[str, Any]:
    sizes = {"nodes": split.nodes, "edges": split.edges}
    return {"rows": split.rows, **{name: _spread(size) for name, size in sizes.items() if size.size}}


def _spread(size: Distribution) -> dict[str, int | float]:
    return {"min": size.min, "median": size.median, "mean": size.mean, "max": size.max, "total": size.total}


def _catalogue(name: str, counts: Mapping[str | None, int]) -> str:
    known = [(plain(label), count) for label, count in counts.items() if label is not None]
    rows = known[:_TOP_NAMES]
    if len(known) > len(rows):
        rows.append((f"{len(known) - len(rows)} more", sum(count for _, count in known[len(rows) :])))
    if None in counts:
        rows.append(("(not known)", counts[None]))
    return table([f"{len(known):,} {name}", "graphs"], [[label, _number(count)] for label, count in rows])


def _cells(size: Distribution) -> list[str]:
    median = f"{size.median:,.1f}".removesuffix(".0")
    return [_number(size.min), median, f"{size.mean:,.1f}", _number(size.max), _number(size.total)]


def _number(value: int) -> str:
    return f"{value:,}"
