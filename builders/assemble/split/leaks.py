"""What leaks: rows that are held out though train has a near relative of them.

In go the splits of rows and what makes rows related; out come counts, for the split by family and for the paper's.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from builders.assemble.split.assignment import TRAIN
from builders.assemble.split.placement import PlacedRow


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


def share_with_train(
    splits: Sequence[str | None],
    relatives: Sequence[Collection[Hashable]],
    of_train: Sequence[Collection[Hashable]] | None = None,
) -> Share:
    """Count the held-out rows that have something in common with a row of train.

    Args:
        splits: of each row; None for a row that is in none.
        relatives: what makes each row related to others.
        of_train: the same for the rows of train, where it differs.
    """
    rows = list(zip(splits, relatives, of_train or relatives, strict=True))
    known = {relative for split, _, found in rows if split == TRAIN for relative in found}
    held_out = [found for split, found, _ in rows if split not in (None, TRAIN)]
    return Share(sum(not known.isdisjoint(found) for found in held_out), len(held_out))


def graph_leaks(graphs: Sequence[PlacedRow], type_graphs: Sequence[PlacedRow]) -> list[Leak]:
    """The leaks of `graphs` and `graphs-no-attributes`; of near-duplicates where any are known."""
    families, type_families = ([row.families for row in rows] for rows in (graphs, type_graphs))
    kinds: list[tuple[str, str, Sequence[PlacedRow], Sequence[Collection[Hashable]]]] = [
        ("graphs", "the same graph without attributes", graphs, [{row.parent} for row in graphs]),
        ("graphs", "a model of the same family or backbone", graphs, families),
        ("graphs-no-attributes", "a model of the same family or backbone", type_graphs, type_families),
    ]
    if any(row.near for row in type_graphs):
        kinds += [
            ("graphs", "a near-duplicate", graphs, [row.near for row in graphs]),
            ("graphs-no-attributes", "a near-duplicate", type_graphs, [row.near for row in type_graphs]),
        ]
    return [
        Leak(
            config,
            relation,
            by_family=share_with_train([row.split for row in rows], relatives),
            by_paper=share_with_train([row.paper_split for row in rows], relatives),
        )
        for config, relation, rows, relatives in kinds
    ]
