"""The rows of a subgraph config: found in every graph, each subgraph kept once, with its place.

In go the rows of `graphs` or `graphs-no-attributes`; out come `FoundSubgraphs`, whose subgraphs are on disk meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from builders.assemble.merge import Grouping
from builders.assemble.scratch_file import Int32s
from builders.assemble.split.assignment import TRAIN, Codes
from builders.assemble.split.leaks import Leak, share_with_train
from builders.assemble.split.placement import PlacedRows, Ragged, Splits
from builders.assemble.subgraphs.placement import PlacedSubgraphs, place_subgraphs
from builders.assemble.subgraphs.store import SubgraphStore
from builders.executor.ordered_map import LostError, OrderedMap
from builders.measure.cut import find_subgraphs_in
from builders.measure.spool import Spool
from younger_hf.errors import YoungerError
from younger_hf.schema import SPLITS
from younger_hf.vocabulary import Vocabulary


@dataclass(frozen=True)
class SubgraphCounts:
    """What was cut from the graphs.

    Attributes:
        found: communities that have a boundary.
        unique: those that differ, as subgraphs with their boundaries.
        inexact: unique ones that may have a twin, since the search ran out of budget.
    """

    found: int
    unique: int
    inexact: int


@dataclass(frozen=True, eq=False)
class FoundSubgraphs:
    """The subgraphs of all rows of a config.

    Attributes:
        store: the subgraphs by number.
        placed: their places.
        graphs: the rows that they were cut from.
        counts: what was cut.
        leak: how many held-out subgraphs are cut from a graph that train is cut from.
    """

    store: SubgraphStore
    placed: PlacedSubgraphs
    graphs: PlacedRows
    counts: SubgraphCounts
    leak: Leak
    _occurrences: Grouping
    _occurs_in: Int32s

    def occurs_in(self, number: int) -> Int32s:
        """The positions in `graphs` of the rows that a subgraph occurs in, ascending."""
        return self._occurs_in[self._occurrences[number]]


@contextmanager
def subgraphs_of(
    config: str,
    graphs: PlacedRows,
    spool: Path,
    vocabulary: Vocabulary,
    *,
    attributes: bool,
    published: Splits,
    mapped: OrderedMap,
) -> Iterator[FoundSubgraphs]:
    """Find the subgraphs of every row; the block may read them.

    Args:
        config: the subgraph config.
        graphs: the rows of `graphs`, or of `graphs-no-attributes`.
        spool: the file that their graphs are in; the subgraphs are set aside beside it meanwhile.
        vocabulary: of the release.
        attributes: whether operators are told apart by their attributes too.
        published: the splits of the config in the release before.
        mapped: where graphs are cut.

    Raises:
        YoungerError: a graph cannot be cut.
        OSError: the disk is full, or the directory not writable.
    """
    with closing(SubgraphStore(spool.with_suffix(f".{config}"))) as store:
        _fill(store, graphs, Spool(spool), vocabulary, attributes, mapped)
        occurrences = store.occurrences()
        family_splits = graphs.family_splits[graphs.order]
        placed = place_subgraphs(store, occurrences, family_splits, published)
        yield FoundSubgraphs(
            store,
            placed,
            graphs,
            SubgraphCounts(store.num_found, len(store), store.num_inexact),
            _leak(config, family_splits, placed, occurrences),
            Grouping.of(occurrences.rows),
            occurrences.things,
        )


def _fill(
    store: SubgraphStore,
    graphs: PlacedRows,
    spool: Spool,
    vocabulary: Vocabulary,
    attributes: bool,
    mapped: OrderedMap,
) -> None:
    """Cut every graph and add what is found to the store."""
    records = (spool.record(number, attributes=attributes) for number in graphs.representatives().tolist())
    results = mapped(partial(find_subgraphs_in, attributes), records)
    number = 0
    try:
        for number, found in enumerate(tqdm(results, desc="cut", total=len(graphs), unit="graph", disable=None)):
            if attributes:
                ids = [vocabulary.variant_id(operator.label) for operator in found.operators]
            else:
                ids = [vocabulary.operator_id(operator.type_label) for operator in found.operators]
            store.add(number, found, np.array(ids, dtype=np.int32))
    except LostError as error:
        key = graphs[number].merged.key
        raise YoungerError(f"the graph {key}, or one soon after it, cannot be cut into subgraphs: {error}") from error


def _leak(config: str, family_splits: Codes, placed: PlacedSubgraphs, cut_from: Ragged) -> Leak:
    # A subgraph that is found in several splits is in train as one that is cut from the graphs of train.
    of_train_graph = family_splits[cut_from.things] == SPLITS.index(TRAIN)
    of_train = Ragged(cut_from.rows[of_train_graph], cut_from.things[of_train_graph])
    return Leak(
        config,
        "a part of the same graph",
        by_family=share_with_train(placed.splits, cut_from, of_train),
        by_paper=share_with_train(placed.paper_splits, cut_from),
    )
