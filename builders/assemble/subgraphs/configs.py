"""Configs `subgraphs` and `subgraphs-no-attributes`: cut from every graph, each subgraph kept once, placed, written.

In go the rows of `graphs` or `graphs-no-attributes`; out come the rows of the config, split by split, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from builders.assemble.describe.report import SubgraphCounts
from builders.assemble.split.assignment import TRAIN
from builders.assemble.split.leaks import Leak, share_with_train
from builders.assemble.split.placement import Placed, PlacedSubgraph, Splits, lay_out_subgraphs
from builders.assemble.subgraphs.cut import subgraphs_of_record
from builders.assemble.subgraphs.store import SubgraphStore
from builders.assemble.write.rows import graph_record, subgraph_row, type_graph_record
from builders.executor.ordered_map import ordered_map
from younger_hf.errors import YoungerError
from younger_hf.graph import IntArray
from younger_hf.schema import SPLITS
from younger_hf.vocabulary import Vocabulary

Row = dict[str, Any]


def write_subgraphs(
    graphs: Sequence[Placed],
    spool: Path,
    vocabulary: Vocabulary,
    write: Callable[[str, Iterable[Row]], object],
    *,
    attributes: bool,
    published: Splits,
    jobs: int,
) -> tuple[SubgraphCounts, Leak]:
    """Write a subgraph config.

    Args:
        graphs: the rows of `graphs`, or of `graphs-no-attributes`.
        spool: the file that their graphs are in; the subgraphs are set aside beside it meanwhile.
        vocabulary: of the release.
        write: takes a split and its rows.
        attributes: which of the two configs it is.
        published: the splits of the config in the release before.
        jobs: processes to cut graphs in.

    Raises:
        YoungerError: a graph cannot be cut.
        OSError: the disk is full, or the directory not writable.
    """
    keys = [graph.merged.key for graph in graphs]
    with closing(SubgraphStore(spool.with_suffix(".subgraphs"))) as store:
        _cut(store, graphs, spool, vocabulary, attributes, jobs)
        occurrences = store.occurrences()
        placed = lay_out_subgraphs(store, occurrences, [graph.side for graph in graphs], published)
        for split in SPLITS:
            of_split = [row for row in placed if row.split == split]
            rows = tqdm(of_split, desc=f"write subgraphs {split}", unit="row", disable=None) if of_split else of_split
            write(
                split, (subgraph_row(row, store, occurrences[row.number], keys, vocabulary, attributes) for row in rows)
            )
        counts = SubgraphCounts(store.num_found, len(store), store.exact.count(0))
    return counts, _leak(graphs, placed, occurrences, attributes)


def _cut(
    store: SubgraphStore,
    graphs: Sequence[Placed],
    spool: Path,
    vocabulary: Vocabulary,
    attributes: bool,
    jobs: int,
) -> None:
    """Cut every graph and add what is found to the store."""
    record = graph_record if attributes else type_graph_record
    records = [record(graph.merged.representative.number) for graph in graphs]
    results = ordered_map(partial(subgraphs_of_record, spool, attributes), records, jobs)
    number = 0
    try:
        for number, found in enumerate(tqdm(results, desc="cut", total=len(records), unit="graph", disable=None)):
            if attributes:
                ids = [vocabulary.variant_id(operator.label) for operator in found.operators]
            else:
                ids = [vocabulary.operator_id(operator.type_label) for operator in found.operators]
            store.add(number, found, np.array(ids, dtype=np.int32))
    except BrokenProcessPool as error:
        key = graphs[number].merged.key
        raise YoungerError(f"the graph {key}, or one soon after it, cannot be cut into subgraphs: {error}") from error


def _leak(
    graphs: Sequence[Placed], placed: Sequence[PlacedSubgraph], occurrences: Sequence[IntArray], attributes: bool
) -> Leak:
    """How many held-out subgraphs are cut from a graph that train is cut from."""
    cut_from = [occurrences[row.number].tolist() for row in placed]
    # A subgraph that is found on several sides is in train as one that is cut from the graphs of train.
    of_train = [[graph for graph in found if graphs[graph].side == TRAIN] for found in cut_from]
    return Leak(
        "subgraphs" if attributes else "subgraphs-no-attributes",
        "a part of the same graph",
        by_family=share_with_train([row.split for row in placed], cut_from, of_train),
        by_paper=share_with_train([row.paper_split for row in placed], cut_from),
    )
