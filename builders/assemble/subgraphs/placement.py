"""The place of every subgraph: where it stands in its config, and in which split.

In go unique subgraphs, the splits of the graphs that they occur in, and those of the release before; out come the
rows of the config in the order of (size decile, key), with their splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builders.assemble.scratch_file import Int32s
from builders.assemble.split.assignment import (
    NONE,
    TRAIN,
    Codes,
    paper_splits,
    set_apart_unseen,
    size_deciles,
)
from builders.assemble.split.placement import Ragged, Splits, codes
from builders.assemble.subgraphs.store import SubgraphStore
from younger_hf.schema import SPLITS


@dataclass(frozen=True, eq=False)
class PlacedSubgraphs:
    """The rows of a subgraph config; all but `order` by the numbers of subgraphs.

    Attributes:
        order: int32, the numbers of the subgraphs in the order of rows.
        splits: by the family splits of the graphs that each occurs in.
        paper_splits: by the paper's scheme.
    """

    order: Int32s
    splits: Codes
    paper_splits: Codes

    def of_split(self, split: str) -> Int32s:
        """The numbers of the subgraphs of a split, in the order of rows."""
        numbers: Int32s = self.order[self.splits[self.order] == SPLITS.index(split)]
        return numbers


def place_subgraphs(
    store: SubgraphStore, occurrences: Ragged, family_splits: Codes, published: Splits | None = None
) -> PlacedSubgraphs:
    """Give every subgraph its place: a row of a subgraph config.

    Args:
        store: the subgraphs.
        occurrences: the graphs that each was found in.
        family_splits: train, validation or test for each graph.
        published: the splits of the config in the release before.
    """
    # One that is found on several sides is in train.
    least, most = np.full(len(store), len(SPLITS), np.int8), np.full(len(store), NONE, np.int8)
    found_in = family_splits[occurrences.things]
    np.minimum.at(least, occurrences.rows, found_in)
    np.maximum.at(most, occurrences.rows, found_in)
    sides = np.where(least == most, least, SPLITS.index(TRAIN)).astype(np.int8)
    stays = codes(map(published.get, store.keys())) if published else np.full(len(store), NONE, np.int8)
    ranks, nodes, edges = store.ranks(), np.array(store.num_nodes), np.array(store.num_edges)
    return PlacedSubgraphs(
        np.lexsort((ranks, size_deciles(nodes))).astype(np.int32),
        set_apart_unseen(sides, stays, store.operators.lack),
        paper_splits(np.lexsort((ranks, edges, nodes)), store.operators.lack),
    )
