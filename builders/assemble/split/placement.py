"""The place of every row: where it stands in its config, and in which split.

In go merged architectures, the splits of the release before and pairs of near-duplicates; out come the rows of each
config in the order of (size decile, key), with their splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builders.assemble.merge import Merged
from builders.assemble.split.assignment import (
    TRAIN,
    assign_groups,
    join_families,
    paper_splits,
    set_apart_unseen,
    size_deciles,
)
from builders.assemble.split.families import model_family, split_families
from builders.assemble.split.kept import keep_family_splits
from builders.assemble.split.near_duplicates import join_pairs
from builders.assemble.split.stratified import stratified_splits
from younger_hf.schema import SPLITS

Splits = Mapping[str, str]
"""The split of each row of a config, by key."""


@dataclass(frozen=True)
class PlacedRow:
    """A row and its place.

    Attributes:
        merged: what the row is.
        parent: the key of the row that it is part of, "" for a row without attributes.
        group: the group of families that it belongs to.
        family_split: train, validation or test, by family.
        decile: its size decile among the rows of its config.
        split: its family split, or unseen.
        paper_split: by the paper's scheme.
        stratified_split: that by which every family of validation and test is in train too.
        near: the numbers of the pairs of near-duplicates that it, or what it stands for or is part of, is in.
    """

    merged: Merged
    parent: str
    group: str
    family_split: str
    decile: int = 0
    split: str = TRAIN
    paper_split: str | None = None
    stratified_split: str = TRAIN
    near: frozenset[int] = frozenset()

    @property
    def families(self) -> set[str]:
        """The families of its models and of their backbones."""
        return _families(self.merged)


@dataclass(frozen=True)
class Placement:
    """The rows of configs `graphs`, `graphs-no-attributes` and `skeletons`, each in its order.

    Attributes:
        graphs: the rows with attributes.
        type_graphs: the rows without attributes.
        skeletons: the skeletons.
        conflicts: how many groups of families are in several splits, since they were published there before a row
            joined them.
    """

    graphs: list[PlacedRow]
    type_graphs: list[PlacedRow]
    skeletons: list[PlacedRow]
    conflicts: int


def place_rows(
    type_graphs: Sequence[Merged],
    seed: int,
    published: Mapping[str, Splits] | None = None,
    stratified: Mapping[str, Splits] | None = None,
    near_duplicates: Sequence[tuple[str, str]] = (),
    similar: Sequence[tuple[str, str]] = (),
) -> Placement:
    """Give every row its place.

    Args:
        type_graphs: the rows without attributes, as `builders.assemble.merge` makes them.
        seed: of the split by family.
        published: for each config the splits of the release before.
        stratified: for each config its stratified splits.
        near_duplicates: pairs of rows of `graphs`, by fingerprint, that are to be in one split though they may be of
            different families; those of which no row is here are passed over.
        similar: the same of pairs that are not joined where that would make too large a group; first come those that
            are joined before others.
    """
    graph_splits = (published or {}).get("graphs", {})
    type_splits = (published or {}).get("graphs-no-attributes", {})
    families = [_families(row) for row in type_graphs]
    near: list[set[int]] = [set() for _ in type_graphs]
    for pairs, all_joined in ((near_duplicates, True), (similar, False)):
        parted = _parted(type_graphs, pairs)
        group_of = join_families(families)
        joined = join_pairs(
            [group_of[min(names)] for names in families], [len(row.parts) for row in type_graphs], [*parted.values()]
        )
        for (number, places), is_joined in zip(parted.items(), joined, strict=True):
            for place in places:
                near[place].add(number if all_joined else len(near_duplicates) + number)
                if is_joined or all_joined:
                    # A pair that must not be parted is like a family of two.
                    families[place].add(f"near {' '.join(sorted(pairs[number]))}")
    group_of = join_families(families)
    # Rows that are alike without attributes are in one family split: it is decided for them together.
    kept = keep_family_splits(families, [_published(row, type_splits, graph_splits) for row in type_graphs])
    types = [
        PlacedRow(row, "", group_of[min(names)], split or "", near=frozenset(pairs))
        for row, names, split, pairs in zip(type_graphs, families, kept, near, strict=True)
    ]
    graphs = [replace(row, merged=graph, parent=row.merged.key) for row in types for graph in row.merged.parts]
    skeletons = [replace(row, merged=part, parent=row.merged.key) for row in graphs for part in row.merged.parts]

    placed_graphs = _place(graphs)
    decided: dict[str, list[int]] = defaultdict(list)
    undecided: dict[str, list[int]] = defaultdict(list)
    for row in placed_graphs:
        (decided[row.family_split] if row.family_split else undecided[row.group]).append(row.decile)
    assigned = assign_groups(undecided, seed, decided)
    splits_of = Counter(group for group, _ in {(row.group, row.family_split) for row in types})
    return Placement(
        graphs=_split(placed_graphs, assigned, graph_splits, (stratified or {}).get("graphs", {}), attributes=True),
        type_graphs=_split(
            _place(types), assigned, type_splits, (stratified or {}).get("graphs-no-attributes", {}), attributes=False
        ),
        skeletons=_place(skeletons),
        conflicts=sum(count > 1 for count in splits_of.values()),
    )


def _families(row: Merged) -> set[str]:
    return set().union(*(split_families(model) for model, _ in row.models))


def _parted(type_graphs: Sequence[Merged], pairs: Sequence[tuple[str, str]]) -> dict[int, tuple[int, int]]:
    """By the number of the pair, the rows without attributes that it is of, if these are two."""
    place = {graph.key: number for number, row in enumerate(type_graphs) for graph in row.parts}
    places = {number: sorted({place[key] for key in pair if key in place}) for number, pair in enumerate(pairs)}
    return {number: (two[0], two[1]) for number, two in places.items() if len(two) == 2}


def _published(row: Merged, type_splits: Splits, graph_splits: Splits) -> str | None:
    """The split of a row without attributes in the release before, or of one of the rows that it stands for."""
    splits = {type_splits.get(row.key), *(graph_splits.get(graph.key) for graph in row.parts)}
    return next((split for split in SPLITS if split in splits), None)


def _place(rows: Sequence[PlacedRow]) -> list[PlacedRow]:
    """Put rows in order."""
    deciles = size_deciles([row.merged.representative.facts.num_nodes for row in rows]).tolist()
    placed = [replace(row, decile=decile) for row, decile in zip(rows, deciles, strict=True)]
    return sorted(placed, key=lambda row: (row.decile, row.merged.key))


def _split(
    rows: Sequence[PlacedRow], assigned: Mapping[str, str], published: Splits, stratified: Splits, attributes: bool
) -> list[PlacedRow]:
    facts = [row.merged.representative.facts for row in rows]
    operators = [set(one.variants if attributes else one.types) for one in facts]
    sizes = [(one.num_nodes, one.num_edges, row.merged.key) for row, one in zip(rows, facts, strict=True)]
    by_family = [row.family_split or assigned[row.group] for row in rows]
    splits = set_apart_unseen(by_family, operators, [published.get(row.merged.key) for row in rows])
    keys = [row.merged.key for row in rows]
    strata = [model_family(row.merged.representative.prominent_model) for row in rows]
    by_stratum = stratified_splits(keys, strata, [stratified.get(key) for key in keys])
    return [
        replace(row, family_split=family_split, split=split, paper_split=paper_split, stratified_split=stratified_split)
        for row, family_split, split, paper_split, stratified_split in zip(
            rows, by_family, splits, paper_splits(sizes, operators), by_stratum, strict=True
        )
    ]
