"""The layout of a release: which row stands where, in which split.

In go merged architectures, unique subgraphs, and the splits of the release before; out come the rows of each config
in the order of (size decile, key), with their splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builders.assemble.merge import Merged
from builders.assemble.split.assignment import (
    TRAIN,
    assign_groups,
    family_name,
    join_families,
    paper_splits,
    set_apart_unseen,
    size_deciles,
)
from builders.assemble.split.published import keep_sides
from builders.assemble.subgraphs.store import SubgraphStore
from builders.assemble.write.numbering import count_types
from younger_hf.graph import IntArray
from younger_hf.schema import SPLITS

Splits = Mapping[str, str]
"""The split of each row of a config, by key."""


@dataclass(frozen=True)
class Placed:
    """A row and its place.

    Attributes:
        merged: what the row is.
        parent: the key of the row that it is part of, "" for a row without attributes.
        group: the group of families that it belongs to.
        side: train, validation or test, by family.
        decile: its size decile among the rows of its config.
        split: its side, or unseen.
        paper_split: by the paper's scheme.
    """

    merged: Merged
    parent: str
    group: str
    side: str
    decile: int = 0
    split: str = TRAIN
    paper_split: str | None = None

    @property
    def families(self) -> set[str]:
        """The families of its models."""
        return {family_name(model) for model, _ in self.merged.models}


@dataclass(frozen=True)
class Layout:
    """The rows of configs `graphs`, `graphs-no-attributes` and `skeletons`, each in its order.

    Attributes:
        graphs: the rows with attributes.
        type_graphs: the rows without attributes.
        skeletons: the skeletons.
        conflicts: how many groups of families are on several sides, since these were published there before a row
            joined them.
    """

    graphs: list[Placed]
    type_graphs: list[Placed]
    skeletons: list[Placed]
    conflicts: int


@dataclass(frozen=True)
class PlacedSubgraph:
    """A subgraph and its place.

    Attributes:
        number: of the subgraph, in the store.
        split: by the sides of the graphs that it occurs in.
        paper_split: by the paper's scheme.
    """

    number: int
    split: str
    paper_split: str | None


def lay_out(type_graphs: Sequence[Merged], seed: int, published: Mapping[str, Splits] | None = None) -> Layout:
    """Give every row its place.

    Args:
        type_graphs: the rows without attributes, as `builders.assemble.merge` makes them.
        seed: of the split by family.
        published: for each config the splits of the release before.
    """
    graph_splits = (published or {}).get("graphs", {})
    type_splits = (published or {}).get("graphs-no-attributes", {})
    families = [{family_name(model) for model, _ in row.models} for row in type_graphs]
    group_of = join_families(families)
    # Rows that are alike without attributes are on one side: it is decided for them together.
    sides = keep_sides(families, [_published(row, type_splits, graph_splits) for row in type_graphs])
    types = [
        Placed(row, "", group_of[min(names)], side or "")
        for row, names, side in zip(type_graphs, families, sides, strict=True)
    ]
    graphs = [replace(row, merged=graph, parent=row.merged.key) for row in types for graph in row.merged.parts]
    skeletons = [replace(row, merged=part, parent=row.merged.key) for row in graphs for part in row.merged.parts]

    placed_graphs = _place(graphs)
    decided: dict[str, list[int]] = defaultdict(list)
    undecided: dict[str, list[int]] = defaultdict(list)
    for row in placed_graphs:
        (decided[row.side] if row.side else undecided[row.group]).append(row.decile)
    side_of = assign_groups(undecided, seed, decided)
    sides_of = Counter(group for group, _ in {(row.group, row.side) for row in types})
    return Layout(
        graphs=_split(placed_graphs, side_of, graph_splits, attributes=True),
        type_graphs=_split(_place(types), side_of, type_splits, attributes=False),
        skeletons=_place(skeletons),
        conflicts=sum(count > 1 for count in sides_of.values()),
    )


def lay_out_subgraphs(
    store: SubgraphStore,
    occurrences: Sequence[IntArray],
    sides: Sequence[str],
    published: Splits | None = None,
) -> list[PlacedSubgraph]:
    """Give every subgraph its place: a row of a subgraph config.

    Args:
        store: the subgraphs.
        occurrences: for each the numbers of the graphs that it was found in.
        sides: train, validation or test for each graph.
        published: the splits of the config in the release before.

    Returns:
        The subgraphs in the order of rows.
    """
    deciles = size_deciles(store.num_nodes).tolist()
    order = sorted(range(len(store)), key=lambda number: (deciles[number], store.keys[number]))
    found_on = [{sides[graph] for graph in graphs.tolist()} for graphs in occurrences]
    operators = [store.operators[number] for number in order]
    splits = set_apart_unseen(
        [next(iter(found_on[number])) if len(found_on[number]) == 1 else TRAIN for number in order],
        operators,
        [(published or {}).get(store.keys[number]) for number in order],
    )
    by_paper = paper_splits(
        [(store.num_nodes[number], store.num_edges[number], store.keys[number]) for number in order], operators
    )
    return [PlacedSubgraph(*place) for place in zip(order, splits, by_paper, strict=True)]


def _published(row: Merged, type_splits: Splits, graph_splits: Splits) -> str | None:
    """The split of a row without attributes in the release before, or of one of the rows that it stands for."""
    splits = {type_splits.get(row.key), *(graph_splits.get(graph.key) for graph in row.parts)}
    return next((split for split in SPLITS if split in splits), None)


def _place(rows: Sequence[Placed]) -> list[Placed]:
    """Put rows in order."""
    deciles = size_deciles([row.merged.representative.facts.num_nodes for row in rows]).tolist()
    placed = [replace(row, decile=decile) for row, decile in zip(rows, deciles, strict=True)]
    return sorted(placed, key=lambda row: (row.decile, row.merged.key))


def _split(rows: Sequence[Placed], side_of: Mapping[str, str], published: Splits, attributes: bool) -> list[Placed]:
    facts = [row.merged.representative.facts for row in rows]
    operators = [set(one.variants if attributes else count_types(one.variants)) for one in facts]
    sizes = [(one.num_nodes, one.num_edges, row.merged.key) for row, one in zip(rows, facts, strict=True)]
    sides = [row.side or side_of[row.group] for row in rows]
    splits = set_apart_unseen(sides, operators, [published.get(row.merged.key) for row in rows])
    return [
        replace(row, side=side, split=split, paper_split=by_paper)
        for row, side, split, by_paper in zip(rows, sides, splits, paper_splits(sizes, operators), strict=True)
    ]
