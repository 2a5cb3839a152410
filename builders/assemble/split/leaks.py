"""What leaks: rows that are held out though train has a near relative of them.

In go the splits of rows and what makes rows related; out come counts, for the split by family and for the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from builders.assemble.split.assignment import TRAIN, Codes
from builders.assemble.split.placement import PlacedRows, Placement, Ragged
from younger_hf.schema import SPLITS


@dataclass(frozen=True)
class Share:
    """Some rows out of all that are held out.

    Attributes:
        count: those that have a relative in train.
        of: validation, test and unseen rows.
    """

    count: int
    of: int


@dataclass(frozen=True)
class Leak:
    """One kind of relation between the rows of one config.

    Attributes:
        config: the config.
        relation: what a held-out row and a row of train have in common.
        by_family: how many rows that concerns in the split by family.
        by_paper: the same in the paper's.
    """

    config: str
    relation: str
    by_family: Share
    by_paper: Share


def share_with_train(splits: Codes, relatives: Ragged, of_train: Ragged | None = None) -> Share:
    """Count the held-out rows that have something in common with a row of train.

    Args:
        splits: of each row; NONE for a row that is in none.
        relatives: what makes each row related to others.
        of_train: the same for the rows of train, where it differs.
    """
    train = SPLITS.index(TRAIN)
    by_train = of_train or relatives
    known = np.zeros(int(relatives.things.max(initial=-1)) + 1, np.bool_)
    known[by_train.things[splits[by_train.rows] == train]] = True
    related = np.zeros(len(splits), np.bool_)
    related[relatives.rows[known[relatives.things]]] = True
    held_out = splits > train
    return Share(int((related & held_out).sum()), int(held_out.sum()))


def graph_leaks(placement: Placement) -> list[Leak]:
    """The leaks of `graphs` and `graphs-no-attributes`; of near-duplicates where any are known."""
    graphs, types = placement.graphs, placement.type_graphs
    every = np.arange(len(graphs), dtype=np.int32)
    kinds = [
        ("the same graph without attributes", graphs, Ragged(every, placement.type_of)),
        ("a model of the same family or backbone", graphs, _families(placement, graphs)),
        ("a model of the same family or backbone", types, _families(placement, types)),
    ]
    if len(placement.near.rows):
        # A graph is in the pairs of the row that it is part of: it has that row in its place.
        order = np.argsort(placement.near.rows, kind="stable")
        of_type, pairs = placement.near.rows[order], placement.near.things[order]
        first, last = (np.searchsorted(of_type, placement.type_of, side) for side in ("left", "right"))
        counts = last - first
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        of_graphs = Ragged(np.repeat(every, counts), pairs[np.repeat(first, counts) + within])
        kinds += [("a near-duplicate", graphs, of_graphs), ("a near-duplicate", types, placement.near)]
    return [
        Leak(
            "graphs" if rows is graphs else "graphs-no-attributes",
            relation,
            by_family=share_with_train(rows.splits, relatives),
            by_paper=share_with_train(rows.paper_splits, relatives),
        )
        for relation, rows, relatives in kinds
    ]


def _families(placement: Placement, rows: PlacedRows) -> Ragged:
    return Ragged(rows.rows.members.group_of()[placement.families.rows], placement.families.things)
