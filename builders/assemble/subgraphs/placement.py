"""The place of every subgraph: where it stands in its config, and in which split.

In go unique subgraphs, the splits of the graphs that they occur in, and those of the release before; out come the
rows of the config in the order of (size decile, key), with their splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builders.assemble.split.assignment import TRAIN, paper_splits, set_apart_unseen, size_deciles
from builders.assemble.split.placement import Splits
from builders.assemble.subgraphs.store import SubgraphStore
from younger_hf.graph import IntArray


@dataclass(frozen=True)
class PlacedSubgraph:
    """A subgraph and its place.

    Attributes:
        number: of the subgraph, in the store.
        split: by the family splits of the graphs that it occurs in.
        paper_split: by the paper's scheme.
    """

    number: int
    split: str
    paper_split: str | None


def place_subgraphs(
    store: SubgraphStore,
    occurrences: Sequence[IntArray],
    family_splits: Sequence[str],
    published: Splits | None = None,
) -> list[PlacedSubgraph]:
    """Give every subgraph its place: a row of a subgraph config.

    Args:
        store: the subgraphs.
        occurrences: for each the numbers of the graphs that it was found in.
        family_splits: train, validation or test for each graph.
        published: the splits of the config in the release before.

    Returns:
        The subgraphs in the order of rows.
    """
    deciles = size_deciles(store.num_nodes).tolist()
    order = sorted(range(len(store)), key=lambda number: (deciles[number], store.keys[number]))
    found_in = [{family_splits[graph] for graph in graphs.tolist()} for graphs in occurrences]
    operators = [store.operators[number] for number in order]
    splits = set_apart_unseen(
        [next(iter(found_in[number])) if len(found_in[number]) == 1 else TRAIN for number in order],
        operators,
        [(published or {}).get(store.keys[number]) for number in order],
    )
    by_paper = paper_splits(
        [(store.num_nodes[number], store.num_edges[number], store.keys[number]) for number in order], operators
    )
    return [PlacedSubgraph(*place) for place in zip(order, splits, by_paper, strict=True)]
