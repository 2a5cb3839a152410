"""The configs of a release, written one after the other.

In go the rows with their places, those of config `operators`, and the spool; out come Parquet files, and what was
written. The subgraphs are found on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from builders.assemble.blocks import block_rows
from builders.assemble.merge import Chosen, Grouping
from builders.assemble.previous import Previous
from builders.assemble.split.assignment import TRAIN
from builders.assemble.split.leaks import Leak
from builders.assemble.split.placement import PlacedRow, PlacedRows, Placement
from builders.assemble.subgraphs.found import SubgraphCounts, subgraphs_of
from builders.assemble.write.parquet import SplitFiles, write_split
from builders.assemble.write.rows import (
    architecture_row,
    graph_row,
    shapes_row,
    skeleton_row,
    subgraph_row,
    type_graph_row,
)
from builders.assemble.write.sample import SAMPLE_BYTES, choose_sample
from builders.executor.ordered_map import OrderedMap
from builders.ledger import Entry
from builders.ledger.published import to_rows
from builders.measure.spool import Spool
from younger_hf.schema import SPLITS, features
from younger_hf.vocabulary import Vocabulary

Files = Mapping[str, Mapping[str, SplitFiles]]
Row = dict[str, Any]
_Placed = TypeVar("_Placed")

_OPERATORS_PER_GROUP: Final = 10_000
_CONVERSIONS_PER_GROUP: Final = 10_000
# What a model adds to the size of a row, where a node or an edge is one.
_MODEL_SIZE: Final = 20


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: by config and split; a split without rows is not in it.
        subgraphs: counts of each subgraph config.
        leaks: what leaks in the subgraph configs.
    """

    files: Files
    subgraphs: dict[str, SubgraphCounts]
    leaks: list[Leak]


def write_configs(
    directory: Path,
    placement: Placement,
    forms: Grouping,
    operators: list[Row],
    vocabulary: Vocabulary,
    spool_path: Path,
    *,
    entries: Iterable[Entry],
    previous: Previous,
    results: Mapping[str, Iterable[Mapping[str, Any]]],
    mapped: OrderedMap,
) -> Written:
    """Write every config.

    Args:
        directory: that of the release.
        placement: the rows and their places.
        forms: the rows of `graphs` by normal form.
        operators: the rows of config `operators`.
        vocabulary: what they say.
        spool_path: the file that graphs, pictures, skeletons and module trees are in.
        entries: what the ledger knows of models and attempts.
        previous: what must not change.
        results: the rows of the configs of results.
        mapped: where graphs and networks are cut.

    Raises:
        YoungerError: a graph cannot be cut into subgraphs.
        OSError: the disk is full, or the directory not writable.
    """
    files: dict[str, dict[str, SplitFiles]] = {}
    spool = Spool(spool_path)

    def write(config: str, split: str, rows: Iterable[Row], **options: int) -> SplitFiles:
        written = write_split(directory / config, split, rows, features(config, vocabulary.operators), **options)
        if written.num_rows:
            files.setdefault(config, {})[split] = written
        return written

    def graph(row: PlacedRow) -> Row:
        return graph_row(row, spool, vocabulary)

    def type_graph(row: PlacedRow) -> Row:
        return type_graph_row(row, spool, vocabulary)

    def skeleton(row: PlacedRow) -> Row:
        return skeleton_row(row, spool)

    def shapes(row: PlacedRow) -> Row:
        return shapes_row(row, spool)

    for config, make, placed in (
        ("graphs", graph, placement.graphs),
        ("graphs-no-attributes", type_graph, placement.type_graphs),
    ):
        for split in SPLITS:
            rows = Chosen(placed, placed.of_split(split))
            write(config, split, map(make, _progress(rows, f"{config} {split}")))

    subgraphs, leaks = {}, []
    for config, placed, attributes in (
        ("subgraphs", placement.graphs, True),
        ("subgraphs-no-attributes", placement.type_graphs, False),
    ):
        published = previous.split_of(config)
        with subgraphs_of(
            config, placed, spool_path, vocabulary, attributes=attributes, published=published, mapped=mapped
        ) as found:
            subgraph = partial(subgraph_row, found=found, vocabulary=vocabulary, attributes=attributes)
            for split in SPLITS:
                numbers = found.placed.of_split(split).tolist()
                write(config, split, map(subgraph, _progress(numbers, f"{config} {split}")))
        subgraphs[config] = found.counts
        leaks.append(found.leak)

    limit = float("inf")
    while True:
        chosen = _sample(placement.graphs, limit)
        written = write("sample", TRAIN, map(graph, chosen))
        if written.file_bytes <= SAMPLE_BYTES:
            break
        # Too large as a file: choose again, within a size at which it should fit.
        size = int(_sizes(placement.graphs)[placement.graphs.order[chosen.numbers]].sum())
        limit = 0.9 * size * SAMPLE_BYTES / written.file_bytes

    write("operators", TRAIN, operators, rows_per_group=_OPERATORS_PER_GROUP)
    write("skeletons", TRAIN, map(skeleton, _progress(placement.skeletons, "skeletons")))
    write("shapes", TRAIN, map(shapes, _progress(placement.graphs, "shapes")))
    architectures = (Chosen(placement.graphs.rows, forms[form]) for form in range(len(forms)))
    write("architectures", TRAIN, map(architecture_row, architectures))
    with block_rows(placement.graphs, spool_path, vocabulary, mapped=mapped) as blocks:
        write("blocks", TRAIN, blocks)
    key_of = placement.skeletons.rows.measured.key_of_skeleton
    write("conversions", TRAIN, to_rows(entries, key_of), rows_per_group=_CONVERSIONS_PER_GROUP)
    for config, known in results.items():
        write(config, TRAIN, (dict(row) for row in known))
    return Written(files, subgraphs, leaks)


def _sample(graphs: PlacedRows, limit: float) -> Chosen:
    rows = choose_sample(graphs.groups, graphs.deciles, _sizes(graphs), limit)
    places = np.empty(len(graphs), np.int32)
    places[graphs.order] = np.arange(len(graphs), dtype=np.int32)
    return Chosen(graphs, np.sort(places[rows]))


def _sizes(graphs: PlacedRows) -> NDArray[np.int64]:
    """About how large the rows are, by key."""
    return graphs.sizes() + _MODEL_SIZE * graphs.num_models()


def _progress(rows: Sequence[_Placed], what: str) -> Iterable[_Placed]:
    return tqdm(rows, desc=f"write {what}", unit="row", disable=None) if rows else rows
