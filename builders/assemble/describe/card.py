"""The dataset card: README.md of a release, made of `dataset_card.md` at the root of the repository.

In go the report, the files of every split and the rows of config `graphs`; out comes Markdown with YAML front
matter. What a source wrote (names, licences, tasks) is escaped wherever it is shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median_low
from typing import Any, Final

import jinja2
import yaml

from builders.assemble.describe.croissant import CITATION
from builders.assemble.describe.report import ReleaseReport
from builders.assemble.describe.shared_blocks import LEAST_SHOWN, shared_blocks
from builders.assemble.families import model_backbones, model_family
from builders.assemble.merge import Merged
from builders.assemble.split.assignment import PAPER_SEED
from builders.assemble.split.near_duplicates import SIMILAR
from builders.assemble.write.configs import Files
from builders.assemble.write.features import card_features
from builders.assemble.write.parquet import SplitFiles
from builders.measure.blocks import LEAST_NODES, MOST_NODES
from builders.measure.facts import MEASUREMENT_VERSION, Facts
from builders.model_ref import ModelRef
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


def render_card(report: ReleaseReport, files: Files, graphs: Sequence[Merged], vocabulary: Vocabulary) -> str:
    """Render the card of a release.

    Args:
        report: the counts.
        files: what was written, by config and split; configs and splits without rows are not in it.
        graphs: the rows of config `graphs`.
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
        exporters=_exporters(graphs),
        schema_version=SCHEMA_VERSION,
        several_graphs=_count_several(graphs),
        composed=_composed(graphs),
        beside_the_paper=_beside_the_paper(report, graphs),
        measures=_measures(graphs),
        shapes_known=_share_of_shapes(graphs),
        costs_known=sum(row.representative.facts.costs is not None for row in graphs),
        has_families=any(row.representative.prominent_model.family for row in graphs),
        tables=_tables(graphs),
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


def _exporters(graphs: Iterable[Merged]) -> list[dict[str, str]]:
    """The packages that took part in the conversions; one that came in several versions is there with each."""
    tools = (tool for row in graphs for one in row.members for tool in one.models.values())
    used = {package for tool in tools for package in tool.versions.items()}
    return [{"name": package, "version": found} for package, found in sorted(used)]


def _count_several(graphs: Iterable[Merged]) -> int:
    """How many models have a part that is several rows."""
    rows = Counter(name for row in graphs for name in {(one.source, one.id, one.component) for one, _ in row.models})
    return sum(count > 1 for count in rows.values())


def _composed(graphs: Sequence[Merged]) -> list[tuple[str, int, int]]:
    """What is unique, with composed models and without; nothing where there are none."""
    if all(model.origin != "composed" for row in graphs for model, _ in row.models):
        return []
    of_pair: dict[str, Callable[[ModelRef, Facts], Hashable]] = {
        "models": lambda model, _: (model.source, model.id, model.revision, model.component),
        "skeletons": lambda _, facts: facts.skeleton,
        "graphs with attributes": lambda _, facts: facts.graph,
        "graphs without attributes": lambda _, facts: facts.type_graph,
        "normal forms": lambda _, facts: facts.normal,
    }
    every: dict[str, set[Hashable]] = {what: set() for what in of_pair}
    published: dict[str, set[Hashable]] = {what: set() for what in of_pair}
    for row in graphs:
        for model, facts in row.models:
            for what, key in of_pair.items():
                every[what].add(key(model, facts))
                if model.origin != "composed":
                    published[what].add(key(model, facts))
    return [(what, len(every[what]), len(published[what])) for what in of_pair]


def _beside_the_paper(report: ReleaseReport, graphs: Sequence[Merged]) -> list[tuple[str, int, int]]:
    """What both count: here, and there (Tables 2 and 3, Figure 2, section 4)."""
    subgraphs = {config: counts.unique for config, counts in report.subgraphs.items()}
    return [
        ("models converted", report.models, 174_000),
        ("graphs with attributes", len(graphs), 7_629),
        ("mean operators of a graph", round(mean(one.num_nodes for one in _facts(graphs))), 1_658),
        ("mean data flows of a graph", round(mean(one.num_edges for one in _facts(graphs))), 2_113),
        ("operator types", len({label for one in _facts(graphs) for label in one.types}), 187),
        ("tasks", len({model.task for row in graphs for model, _ in row.models if model.task}), 31),
        ("subgraphs with attributes", subgraphs.get("subgraphs", 0), 38_803),
        ("subgraphs without attributes", subgraphs.get("subgraphs-no-attributes", 0), 29_581),
    ]


def _measures(graphs: Sequence[Merged]) -> list[dict[str, Any]]:
    columns: dict[str, list[int]] = defaultdict(list)
    for one in _facts(graphs):
        columns["operators"].append(one.num_nodes)
        columns["data flows"].append(one.num_edges)
        columns["depth"].append(one.depth)
        columns["parameters"].append(one.num_parameters)
        if one.costs:
            columns["multiply-accumulates"].append(one.costs.macs)
            columns["activations"].append(one.costs.activations)
    return [
        {
            "name": name,
            "min": min(values),
            "median": median_low(values),
            "mean": round(mean(values)),
            "max": max(values),
        }
        for name, values in columns.items()
    ]


def _share_of_shapes(graphs: Sequence[Merged]) -> _Trusted:
    """The share of data flows of which the shape is known, as a percentage with two digits after the point."""
    edges = sum(one.num_edges for one in _facts(graphs))
    return _Trusted(f"{100 * sum(one.num_shapes for one in _facts(graphs)) / edges:.2f} %" if edges else "–")


def _facts(graphs: Iterable[Merged]) -> Iterator[Facts]:
    """What rows show. They lie on disk, and are not all kept."""
    return (row.representative.facts for row in graphs)


def _tables(graphs: Sequence[Merged]) -> list[dict[str, Any]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in graphs:
        counts["operator"].update(row.representative.facts.types)
        for one in row.members:
            counts["opset"][str(one.facts.opset)] += 1
            counts["exporter"].update(tool.exporter for tool in one.models.values())
            for model in one.models:
                counts["source"][model.source] += 1
                counts["origin"][model.origin] += 1
                counts["licence of the model"][model.license or "not stated"] += 1
                counts["task"][model.task or "not stated"] += 1
                counts["family"][model_family(model) or "not known"] += 1
                counts["backbone"].update(model_backbones(model))
    tables = [
        _table("source", "models", counts["source"], 30),
        _table("origin", "models", counts["origin"], 10),
        _table("exporter", "models", counts["exporter"], 30),
        _table("opset", "skeletons", counts["opset"], 20),
        _table("licence of the model", "models", counts["licence of the model"], 30),
        _table("task", "models", counts["task"], 40),
        _table("family", "models", counts["family"], 40),
        _table("backbone", "models", counts["backbone"], 30),
        _table("operator", "nodes", counts["operator"], 30),
    ]
    return [table for table in tables if table["counts"]]


def _table(title: str, unit: str, counts: Mapping[str, int], most: int) -> dict[str, Any]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = ordered[most:]
    return {
        "title": title,
        "unit": unit,
        "counts": ordered[:most],
        "others": len(rest),
        "rest": sum(count for _, count in rest),
    }
