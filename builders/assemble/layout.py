"""The layout of a release: which row stands where, in which split.

In go merged architectures; out come the rows of each config in the order of (size decile, key), with their splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builders.assemble.merge import Merged
from builders.assemble.splits import (
    TRAIN,
    assign_groups,
    family_name,
    join_families,
    paper_splits,
    set_apart_unseen,
    size_deciles,
)
from builders.assemble.vocabulary import count_types


@dataclass(frozen=True)
class Placed:
    """A row and its place.

    Attributes:
        merged: what the row is.
        parent: the key of the row that it is part of, "" for a row without attributes.
        group: the group of families that it belongs to.
        decile: its size decile among the rows of its config.
        split: by family.
        paper_split: by the paper's scheme.
    """

    merged: Merged
    parent: str
    group: str
    decile: int
    split: str = TRAIN
    paper_split: str | None = None


@dataclass(frozen=True)
class Layout:
    """The rows of configs `graphs`, `graphs-no-attributes` and `skeletons`, each in its order."""

    graphs: list[Placed]
    type_graphs: list[Placed]
    skeletons: list[Placed]


def lay_out(type_graphs: Sequence[Merged], seed: int) -> Layout:
    """Give every row its place.

    Args:
        type_graphs: the rows without attributes, as `builders.assemble.merge` makes them.
        seed: of the split by family.
    """
    families = [{family_name(model) for model, _ in row.models} for row in type_graphs]
    group_of = join_families(families)
    groups = [group_of[min(names)] for names in families]
    types = [(row, "", group) for row, group in zip(type_graphs, groups, strict=True)]
    graphs = [(graph, row.key, group) for row, _, group in types for graph in row.parts]
    skeletons = [(skeleton, graph.key, group) for graph, _, group in graphs for skeleton in graph.parts]

    placed_types, placed_graphs = _place(types), _place(graphs)
    deciles: dict[str, list[int]] = defaultdict(list)
    for row in placed_graphs:
        deciles[row.group].append(row.decile)
    split_of = assign_groups(deciles, seed)
    return Layout(
        graphs=_split(placed_graphs, split_of, attributes=True),
        type_graphs=_split(placed_types, split_of, attributes=False),
        skeletons=_place(skeletons),
    )


def _place(rows: Sequence[tuple[Merged, str, str]]) -> list[Placed]:
    """Put rows in order; given are (row, key of the parent, group)."""
    deciles = size_deciles([row.representative.facts.num_nodes for row, _, _ in rows]).tolist()
    placed = [Placed(*row, decile) for row, decile in zip(rows, deciles, strict=True)]
    return sorted(placed, key=lambda row: (row.decile, row.merged.key))


def _split(rows: Sequence[Placed], split_of: Mapping[str, str], attributes: bool) -> list[Placed]:
    facts = [row.merged.representative.facts for row in rows]
    operators = [set(one.variants if attributes else count_types(one.variants)) for one in facts]
    sizes = [(one.num_nodes, one.num_edges, row.merged.key) for row, one in zip(rows, facts, strict=True)]
    by_family = set_apart_unseen([split_of[row.group] for row in rows], operators)
    by_paper = paper_splits(sizes, operators)
    return [
        replace(row, split=split, paper_split=paper_split)
        for row, split, paper_split in zip(rows, by_family, by_paper, strict=True)
    ]
