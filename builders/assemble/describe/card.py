"""The dataset card: README.md of a release, made of `dataset_card.md` at the root of the repository.

In go the report, the files of every split and what the rows of `graphs` show; out comes Markdown with YAML front
matter. What a source wrote (names, licences, tasks) is escaped wherever it is shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any, Final

import jinja2
import numpy as np
import yaml

from builders.assemble.describe.counted import Counted
from builders.assemble.describe.croissant import CITATION
from builders.assemble.describe.report import ReleaseReport
from builders.assemble.describe.shared_blocks import LEAST_SHOWN, shared_blocks
from builders.assemble.measured import Kind
from builders.assemble.merge import Rows
from builders.assemble.split.assignment import PAPER_SEED
from builders.assemble.split.near_duplicates import SIMILAR
from builders.assemble.write.configs import Files
from builders.assemble.write.features import card_features
from builders.assemble.write.parquet import SplitFiles
from builders.measure.blocks import LEAST_NODES, MOST_NODES
from builders.measure.facts import MEASUREMENT_VERSION
from younger_hf import __version__
from younger_hf.communities import MOST_NEIGHBOURS
from younger_hf.operator_groups import GROUPED_CONVOLUTION, MEMBERS
from younger_hf.plots.preview import COLOURS, PREVIEW_SIZE
from younger_hf.release import MEASUREMENT_VERSION_KEY, SCHEMA_VERSION_KEY
from younger_hf.schema import DEFAULT_CONFIG, SCHEMA, SCHEMA_VERSION, SPLITS, features
from younger_hf.vocabulary import Vocabulary

_SIZE_CATEGORIES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LONGEST_NAME: Final = 80
_LEGEND_EXAMPLES: Final = 6


class _Trusted(str):
    """Text of our own, which is Markdown or YAML as it stands."""

    __slots__ = ()


def render_card(report: ReleaseReport, files: Files, rows: Rows, counted: Counted, vocabulary: Vocabulary) -> str:
    """Render the card of a release.

    Args:
        report: the counts.
        files: what was written, by config and split; configs and splits without rows are not in it.
        rows: those of config `graphs`.
        counted: what they show.
        vocabulary: of the release.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_template().parent),
        finalize=_show,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - HTML alone is not enough: `_show` escapes for Markdown and HTML
    )
    return environment.get_template(_template().name).render(
        trusted=_Trusted,
        front_matter=_Trusted(_front_matter(files, vocabulary)),
        report=report,
        similar=SIMILAR,
        rows={config: sum(splits.values()) for config, splits in report.rows.items()},
        splits=[split for split in SPLITS if any(split in of_config for of_config in files.values())],
        configs=[
            {
                "name": config,
                "default": config == DEFAULT_CONFIG,
                "description": SCHEMA[config].row,
                "rows": {split: written.num_rows for split, written in of_config.items()},
            }
            for config, of_config in files.items()
        ],
        columns=_columns(files),
        legend=_legend(),
        preview_size=PREVIEW_SIZE,
        paper_seed=PAPER_SEED,
        share=lambda share: _Trusted(f"{share.count} of {share.of}" if share.of else "–"),
        most_neighbours=MOST_NEIGHBOURS,
        block_nodes=(LEAST_NODES, MOST_NODES),
        shared_blocks=shared_blocks(
            (path for one in files.get("blocks", {}).values() for path in one.paths), vocabulary
        ),
        least_shown=LEAST_SHOWN,
        tools=_tools(),
        exporters=[{"name": package, "version": found} for package, found in counted.packages],
        schema_version=SCHEMA_VERSION,
        several_graphs=_count_several(rows),
        composed=_composed(rows, counted),
        beside_the_paper=_beside_the_paper(report, counted),
        measures=[{"name": name, **_distribution(values)} for name, values in counted.measures.items()],
        shapes_known=_share_of_shapes(counted),
        costs_known=len(counted.measures.get("multiply-accumulates", ())),
        has_families=any(counted.counts["family"].keys() - {""}),
        tables=_tables(counted),
        citation=CITATION,
    )


def escape(text: str) -> str:
    """Text from anywhere as a piece of one line of Markdown that means nothing but itself, in HTML too."""
    visible = "".join(" " if unicodedata.category(c)[0] in "ZC" and c != " " else c for c in text[: 4 * _LONGEST_NAME])
    line = " ".join(visible.split())
    if len(line) > _LONGEST_NAME:
        line = line[: _LONGEST_NAME - 1] + "…"
    return re.sub(
        r"[^\w\s./-]|_|(?<![A-Za-z0-9])-|-(?![A-Za-z0-9])|(?<=www)\.", lambda match: f"&#{ord(match[0])};", line
    )


def _show(value: Any) -> str:
    """What Jinja puts in place of an expression: everything is escaped that is not marked as our own."""
    if isinstance(value, _Trusted):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value))


def _template() -> Path:
    """The template lies beside this module in a wheel, and at the root of the repository."""
    beside = Path(__file__).with_name("dataset_card.md")
    return beside if beside.exists() else Path(__file__).parents[3] / "dataset_card.md"


def _front_matter(files: Files, vocabulary: Vocabulary) -> str:
    rows = sum(written.num_rows for written in files[DEFAULT_CONFIG].values())
    entries = {
        "license": "apache-2.0",
        "pretty_name": "Younger",
        "task_categories": ["graph-ml"],
        "tags": ["graph-ml", "neural-architecture", "onnx", "graphs"],
        "size_categories": [next((name for most, name in _SIZE_CATEGORIES if rows < most), "1M<n<10M")],
        SCHEMA_VERSION_KEY: SCHEMA_VERSION,
        MEASUREMENT_VERSION_KEY: MEASUREMENT_VERSION,
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == DEFAULT_CONFIG else {}),
                # What `datasets` has read of a directory it keeps under what the card says of the config, and nothing
                # else: rows that changed must show here, or the old ones would be given for them.
                "description": f"content {_content(of_config)}",
                "data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in of_config],
            }
            for config, of_config in files.items()
        ],
        "dataset_info": [
            {
                "config_name": config,
                "features": card_features(features(config, vocabulary.operators)),
                "splits": [
                    {"name": split, "num_bytes": written.num_bytes, "num_examples": written.num_rows}
                    for split, written in of_config.items()
                ],
                "download_size": sum(written.file_bytes for written in of_config.values()),
                "dataset_size": sum(written.num_bytes for written in of_config.values()),
            }
            for config, of_config in files.items()
        ],
    }
    return yaml.safe_dump(entries, sort_keys=False, width=120).rstrip("\n")


def _content(of_config: Mapping[str, SplitFiles]) -> str:
    """A short hash of the files of a config."""
    digests = "".join(f"{split}:{' '.join(written.digests)}\n" for split, written in of_config.items())
    return blake2b(digests.encode(), digest_size=8).hexdigest()


def _columns(configs: Iterable[str]) -> dict[str, list[str]]:
    """What each column means, by name; more than one thing where configs differ in it."""
    meanings: dict[str, list[str]] = {}
    for config in configs:
        for name, column in SCHEMA[config].columns.items():
            known = meanings.setdefault(name, [])
            if column.meaning not in known:
                known.append(column.meaning)
    return meanings


def _legend() -> list[dict[str, str]]:
    members = {
        "quantisation": ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "MatMulInteger"],
        "other": ["operators of any other domain"],
        GROUPED_CONVOLUTION: ["Conv with more than one group of channels, as in depthwise convolutions"],
        **{group: names.split() for group, names in MEMBERS.items()},
    }
    return [
        {
            "colour": name,
            "value": value,
            "group": group,
            "examples": ", ".join(members[group][:_LEGEND_EXAMPLES])
            + (", …" if len(members[group]) > _LEGEND_EXAMPLES else ""),
        }
        for group, (name, value) in COLOURS.items()
    ]


def _tools() -> list[dict[str, str]]:
    packages = ("onnx", "pyarrow", "datasets")
    return [
        {"name": "younger-hf", "version": __version__},
        *({"name": package, "version": version(package)} for package in packages),
    ]


def _count_several(rows: Rows) -> int:
    """How many models have a part that is several rows."""
    row_of = rows.members.group_of()
    by_part = groupby(rows.measured.parts(), key=itemgetter(0))
    return sum(len({int(row_of[number]) for _, number in of_part}) > 1 for _, of_part in by_part)


def _composed(rows: Rows, counted: Counted) -> list[tuple[str, int, int]]:
    """What is unique, with composed models and without; nothing where there are none."""
    if not counted.counts["origin"]["composed"]:
        return []
    models, published = rows.measured.count_named()
    has_published = rows.measured.has_published()
    kinds: dict[str, Kind] = {
        "skeletons": "skeleton",
        "graphs with attributes": "graph",
        "graphs without attributes": "type_graph",
        "normal forms": "normal",
    }
    identities = {what: rows.measured.ranks(kind) for what, kind in kinds.items()}
    return [
        ("models", models, published),
        *((what, len(np.unique(of)), len(np.unique(of[has_published]))) for what, of in identities.items()),
    ]


def _beside_the_paper(report: ReleaseReport, counted: Counted) -> list[tuple[str, int, int]]:
    """What both count: here, and there (Tables 2 and 3, Figure 2, section 4)."""
    subgraphs = {config: counts.unique for config, counts in report.subgraphs.items()}
    return [
        ("models converted", report.models, 174_000),
        ("graphs with attributes", counted.num_graphs, 7_629),
        ("mean operators of a graph", round(mean(counted.measures["operators"])), 1_658),
        ("mean data flows of a graph", round(mean(counted.measures["data flows"])), 2_113),
        ("operator types", len(counted.counts["operator"]), 187),
        ("tasks", sum(task != "" for task in counted.counts["task"]), 31),
        ("subgraphs with attributes", subgraphs.get("subgraphs", 0), 38_803),
        ("subgraphs without attributes", subgraphs.get("subgraphs-no-attributes", 0), 29_581),
    ]


def _distribution(values: Sequence[int]) -> dict[str, int]:
    ordered = np.sort(np.array(values, np.int64))
    median = int(ordered[(len(ordered) - 1) // 2])
    return {"min": int(ordered[0]), "median": median, "mean": round(mean(values)), "max": int(ordered[-1])}


def _share_of_shapes(counted: Counted) -> _Trusted:
    """The share of data flows of which the shape is known, as a percentage with two digits after the point."""
    edges = sum(counted.measures["data flows"])
    return _Trusted(f"{100 * counted.num_shapes / edges:.2f} %" if edges else "–")


def _tables(counted: Counted) -> list[dict[str, Any]]:
    tables = [
        _table("source", "models", counted.counts["source"], 30),
        _table("origin", "models", counted.counts["origin"], 10),
        _table("exporter", "models", counted.counts["exporter"], 30),
        _table("opset", "skeletons", counted.counts["opset"], 20),
        _table("licence of the model", "models", counted.counts["licence"], 30, "not stated"),
        _table("task", "models", counted.counts["task"], 40, "not stated"),
        _table("family", "models", counted.counts["family"], 40, "not known"),
        _table("backbone", "models", counted.counts["backbone"], 30),
        _table("operator", "nodes", counted.counts["operator"], 30),
    ]
    return [table for table in tables if table["counts"]]


def _table(title: str, unit: str, counts: Mapping[str, int], most: int, unnamed: str = "") -> dict[str, Any]:
    named = ((name or unnamed, count) for name, count in counts.items())
    ordered = sorted(named, key=lambda item: (-item[1], item[0]))
    rest = ordered[most:]
    return {
        "title": title,
        "unit": unit,
        "counts": ordered[:most],
        "others": len(rest),
        "rest": sum(count for _, count in rest),
    }
