"""The place of every row: where it stands in its config, and in which split.

In go merged architectures, the splits of the release before and pairs of near-duplicates; out come the rows of each
config in the order of (size decile, key), with their splits. Places are arrays of numbers, some tens of bytes a row; a
row is made when it is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from builders.assemble.merge import Merged, Rows
from builders.assemble.scratch_file import Int32s
from builders.assemble.split.assignment import (
    NONE,
    TRAIN,
    Codes,
    assign_histograms,
    paper_splits,
    set_apart_unseen,
    size_deciles,
)
from builders.assemble.split.kept import keep_family_splits
from builders.assemble.split.near_duplicates import join_pairs
from builders.assemble.split.roots import smallest_roots
from builders.assemble.split.stratified import stratified_splits
from younger_hf.schema import SPLITS

Splits = Mapping[str, str]
"""The split of each row of a config, by key."""

_PARENT: Final = {"type_graph": None, "graph": "type_graph", "skeleton": "graph"}


@dataclass(frozen=True)
class PlacedRow:
    """A row and its place.

    Attributes:
        merged: what the row is.
        parent: the key of the row that it is part of, "" for a row without attributes.
        family_split: train, validation or test, by family; "" for a skeleton.
        split: its family split, or unseen.
        paper_split: by the paper's scheme.
        stratified_split: that by which every family of validation and test is in train too.
    """

    merged: Merged
    parent: str
    family_split: str
    split: str = TRAIN
    paper_split: str | None = None
    stratified_split: str = TRAIN


@dataclass(frozen=True, eq=False)
class Ragged:
    """What rows have, any number of things each.

    Attributes:
        rows: int32 [P], the row of each pair of a row and a thing.
        things: int32 [P].
    """

    rows: Int32s
    things: Int32s


@dataclass(frozen=True, eq=False)
class PlacedRows(Sequence[PlacedRow]):
    """The rows of a config, in its order.

    Attributes:
        rows: what they are, in the order of their keys; all else here is in that order too, but `order`.
        order: int32, which of them is where.
        deciles: the size decile of each.
        groups: the group of families that each belongs to.
        family_splits: of each.
        splits: of each.
        paper_splits: of each.
        stratified_splits: of each.
    """

    rows: Rows
    order: Int32s
    deciles: Codes
    groups: Int32s
    family_splits: Codes
    splits: Codes
    paper_splits: Codes
    stratified_splits: Codes

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, at: Any) -> Any:
        """A row by where it stands; it is made anew each time."""
        row = int(self.order[at])
        merged = self.rows[row]
        parent = _PARENT[self.rows.kind]
        return PlacedRow(
            merged,
            getattr(merged.representative.facts, parent).key if parent else "",
            split_name(self.family_splits[row]) or "",
            split_name(self.splits[row]) or TRAIN,
            split_name(self.paper_splits[row]),
            split_name(self.stratified_splits[row]) or TRAIN,
        )

    def row_keys(self) -> Iterator[str]:
        """The key of each row, in the order of rows."""
        return self.rows.measured.keys(self.rows.kind, self.representatives())

    def keys_of(self, positions: Int32s) -> list[str]:
        """The keys of some rows by where they stand."""
        members = self.rows.members
        first = members.things[members.starts[self.order[positions]]]
        return list(self.rows.measured.keys(self.rows.kind, first))

    def representatives(self) -> Int32s:
        """The most prominent architecture of each row, in the order of rows."""
        return self.rows.representatives[self.order]

    def of_split(self, split: str) -> Int32s:
        """Where the rows of a split stand."""
        return np.flatnonzero(self.splits[self.order] == SPLITS.index(split)).astype(np.int32)

    def sizes(self) -> NDArray[np.int64]:
        """Nodes and edges of each, by key."""
        measured, chosen = self.rows.measured, self.rows.representatives
        return np.array(measured.num_nodes, np.int64)[chosen] + np.array(measured.num_edges, np.int64)[chosen]

    def num_models(self) -> NDArray[np.int64]:
        """Models of each, by key: those of its members together."""
        members = self.rows.members
        counts = np.array(self.rows.measured.num_models, np.int64)[members.things]
        return np.add.reduceat(counts, members.starts[:-1])


@dataclass(frozen=True, eq=False)
class Placement:
    """The rows of configs `graphs`, `graphs-no-attributes` and `skeletons`, each in its order.

    Attributes:
        graphs: the rows with attributes.
        type_graphs: the rows without attributes.
        skeletons: the skeletons.
        type_of: of each graph, by key, the row without attributes that it is part of.
        families: of each architecture, by its number, the families of its models and of their backbones.
        near: of each row without attributes, by key, the pairs of near-duplicates that it is in.
        conflicts: how many groups of families are in several splits, since they were published there before a row
            joined them.
    """

    graphs: PlacedRows
    type_graphs: PlacedRows
    skeletons: PlacedRows
    type_of: Int32s
    families: Ragged
    near: Ragged
    conflicts: int


def place_rows(
    type_graphs: Rows,
    seed: int,
    published: Mapping[str, Splits] | None = None,
    stratified: Mapping[str, Splits] | None = None,
    near_duplicates: Int32s | None = None,
    similar: Int32s | None = None,
) -> Placement:
    """Give every row its place.

    Args:
        type_graphs: the rows without attributes, as `builders.assemble.merge` makes them.
        seed: of the split by family.
        published: for each config the splits of the release before.
        stratified: for each config its stratified splits.
        near_duplicates: int32 [P, 2], pairs of rows of `graphs` that are to be in one split though they may be of
            different families.
        similar: the same of pairs that are not joined where that would make too large a group; first come those that
            are joined before others.
    """
    graphs, type_of = type_graphs.finer_rows()
    skeletons, graph_of = graphs.finer_rows()
    splits_of, strata_of = published or {}, stratified or {}
    numbers, ids, digests = type_graphs.measured.split_families(seed)
    families = Ragged(numbers, ids)
    member_of = type_graphs.members.group_of()
    held, near = _join_near(Ragged(member_of[numbers], ids), type_graphs, type_of, near_duplicates, similar)
    # A group is named by its smallest family, and families are numbered in the order of their names.
    groups = _groups(held, len(type_graphs))
    # Rows that are alike without attributes are in one family split: it is decided for them together.
    kept = np.full(len(type_graphs), NONE, np.int8)
    graph_splits, type_splits = (splits_of.get(name, {}) for name in ("graphs", "graphs-no-attributes"))
    if graph_splits or type_splits:
        before = _published(type_graphs, type_of, type_splits, graph_splits)
        kept = codes(keep_family_splits(_sets(held, len(type_graphs)), before))
    both = np.unique(groups.astype(np.int64) * len(SPLITS) + kept)  # -1 is what no other group with a split has
    conflicts = int((np.unique((both + 1) // len(SPLITS), return_counts=True)[1] > 1).sum())

    deciles = _deciles(graphs)
    of_graph = kept[type_of]
    decided = np.stack([np.bincount(deciles[of_graph == split], minlength=10) for split in range(3)])
    names, of_names = np.unique(groups, return_inverse=True)
    histograms = np.zeros((len(names), 10), np.int32)
    free = of_graph == NONE
    np.add.at(histograms, (of_names[type_of[free]], deciles[free]), 1)
    asked = np.flatnonzero(histograms.any(axis=1))
    assigned = np.full(len(names), NONE, np.int8)
    assigned[asked] = assign_histograms(histograms[asked], digests[:, names[asked]], decided)
    family_splits = np.where(kept == NONE, assigned[of_names], kept).astype(np.int8)
    return Placement(
        _split(graphs, groups[type_of], family_splits[type_of], graph_splits, strata_of.get("graphs", {})),
        _split(type_graphs, groups, family_splits, type_splits, strata_of.get("graphs-no-attributes", {})),
        _place(skeletons, groups[type_of[graph_of]]),
        type_of,
        families,
        near,
        conflicts,
    )


def _join_near(
    families: Ragged, rows: Rows, type_of: Int32s, near_duplicates: Int32s | None, similar: Int32s | None
) -> tuple[Ragged, Ragged]:
    """The families of each row without attributes, a pair that is joined being one too; and the pairs of each."""
    sizes = np.bincount(type_of, minlength=len(rows))
    near = Ragged(*np.zeros((2, 0), np.int32))
    numbered = 0
    for pairs, all_joined in ((near_duplicates, True), (similar, False)):
        if pairs is None or not len(pairs):
            continue
        places = type_of[pairs]
        parted = np.flatnonzero(places[:, 0] != places[:, 1]).astype(np.int32)
        places = places[parted]
        joined = np.ones(len(parted), np.bool_)
        if not all_joined:
            joined = np.asarray(join_pairs(_groups(families, len(rows)), sizes, places), np.bool_)
        near = _with(near, places, parted + np.int32(numbered))
        first = int(families.things.max(initial=-1)) + 1
        families = _with(families, places[joined], first + np.arange(joined.sum(), dtype=np.int32))
        numbered += len(pairs)
    return families, near


def _with(ragged: Ragged, places: Int32s, things: Int32s) -> Ragged:
    """What rows have, and things that two rows each have too."""
    rows = np.concatenate([ragged.rows, places[:, 0], places[:, 1]])
    return Ragged(rows.astype(np.int32), np.concatenate([ragged.things, things, things]).astype(np.int32))


def _groups(families: Ragged, rows: int) -> Int32s:
    """The smallest family of the group of each row."""
    smallest = np.full(rows, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(smallest, families.rows, families.things)
    roots = smallest_roots(int(families.things.max(initial=-1)) + 1, smallest[families.rows], families.things)
    found: Int32s = roots[smallest]
    return found


def _sets(families: Ragged, rows: int) -> list[Collection[int]]:
    found: list[set[int]] = [set() for _ in range(rows)]
    for row, family in zip(families.rows.tolist(), families.things.tolist(), strict=True):
        found[row].add(family)
    return list(found)


def _published(rows: Rows, type_of: Int32s, type_splits: Splits, graph_splits: Splits) -> list[str | None]:
    """The split of each row without attributes in the release before, or of one of the rows that it stands for."""
    best = np.full(len(rows), len(SPLITS), np.int8)
    finer, _ = rows.finer_rows()
    for key, row in zip(finer.row_keys(), type_of.tolist(), strict=True):
        if key in graph_splits:
            best[row] = min(best[row], SPLITS.index(graph_splits[key]))
    for row, key in enumerate(rows.row_keys()):
        if key in type_splits:
            best[row] = min(best[row], SPLITS.index(type_splits[key]))
    return [SPLITS[split] if split < len(SPLITS) else None for split in best.tolist()]


def _deciles(rows: Rows) -> Codes:
    return size_deciles(np.array(rows.measured.num_nodes, np.int64)[rows.representatives]).astype(np.int8)


def _place(rows: Rows, groups: Int32s) -> PlacedRows:
    """Put rows in order."""
    deciles = _deciles(rows)
    none = np.full(len(rows), NONE, np.int8)
    return PlacedRows(rows, np.argsort(deciles, kind="stable").astype(np.int32), deciles, groups, *[none] * 4)


def _split(rows: Rows, groups: Int32s, family_splits: Codes, published: Splits, stratified: Splits) -> PlacedRows:
    placed = _place(rows, groups)
    measured, chosen = rows.measured, rows.representatives

    def lacking(train: NDArray[np.bool_]) -> NDArray[np.bool_]:
        mask = np.zeros(len(measured), np.bool_)
        mask[chosen[train]] = True
        return measured.lack_operators(mask, attributes=rows.kind == "graph")[chosen]

    stays = codes(map(published.get, rows.row_keys())) if published else np.full(len(rows), NONE, np.int8)
    nodes, edges = (np.array(column, np.int32)[chosen] for column in (measured.num_nodes, measured.num_edges))
    by_size = np.lexsort((edges, nodes))  # which is stable: ties are in the order of keys
    before = [stratified.get(key) for key in rows.row_keys()] if stratified else None
    strata = stratified_splits(rows.row_keys(), measured.prominent_families(chosen), before)
    return PlacedRows(
        *(rows, placed.order, placed.deciles, groups, family_splits),
        set_apart_unseen(family_splits, stays, lacking),
        paper_splits(by_size, lacking),
        codes(strata),
    )


def codes(splits: Iterable[str | None]) -> Codes:
    """Splits by their position in SPLITS."""
    code_of: dict[str | None, int] = {split: code for code, split in enumerate(SPLITS)}
    return np.fromiter((code_of.get(split, NONE) for split in splits), np.int8)


def split_name(code: Any) -> str | None:
    """The name of a split, or None for NONE."""
    return None if code == NONE else SPLITS[code]
