"""Two rows side by side: what they have in common and what not, by operators and by blocks.

In go two opened rows; out comes what `younger_hf.recognise.diff_models` says of them, summed up to be read. Rows that
are too large to be matched are compared by how many operators of each type, and modules of each class, they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from younger_hf.explore.facts import Architecture, Architectures
from younger_hf.explore.kept import Kept
from younger_hf.recognise import BlockChange, ModelDifference
from younger_hf.recognise.difference import diff_graphs, diff_models

MOST_COMPARED: Final = 12_000
"""Operators of both rows together: matching those of more would keep others waiting."""

_KEPT: Final = 64
_MOST_LINES: Final = 40
_MOST_BLOCKS: Final = 200


@dataclass(frozen=True)
class BlockLine:
    """What became of a block, or of several alike that follow one another.

    Attributes:
        fate: as of `BlockChange`, as are depth, num_nodes and num_common.
        depth: how deep it stands.
        place: where the first model has it, and the second where that is elsewhere.
        kind: the name of its class.
        times: how many blocks.
        num_nodes: operators in the first and in the second.
        num_common: of these, how many are common.
    """

    fate: str
    depth: int
    place: str
    kind: str
    times: int
    num_nodes: tuple[int, int]
    num_common: int


@dataclass(frozen=True)
class Comparison:
    """What is shown of two rows.

    Attributes:
        difference: all of it.
        changes: for `replaced`, `removed` and `added`, what and how often, most first.
        blocks: the same by blocks, where modules are known.
        more: blocks that are left out.
    """

    difference: ModelDifference
    changes: dict[str, list[tuple[str, int]]]
    blocks: list[BlockLine]
    more: int

    @property
    def share(self) -> float:
        """The share of the larger model's operators that are common."""
        return self.difference.num_common / max(1, *self.difference.num_nodes)


@dataclass(frozen=True)
class Tallies:
    """What is shown of two rows that are too large to be matched.

    Attributes:
        num_nodes: operators of the first and of the second.
        num_common: operators that both have, by type, wherever they stand.
        operators: types of which they have different numbers, and these; the largest difference first.
        modules: the same of classes of modules; None where modules are not known of both.
        more: types that are left out.
    """

    num_nodes: tuple[int, int]
    num_common: int
    operators: list[tuple[str, int, int]]
    modules: list[tuple[str, int, int]] | None
    more: int

    @property
    def share(self) -> float:
        """The share of the larger model's operators that the other has, too."""
        return self.num_common / max(1, *self.num_nodes)


class Comparisons:
    """Comparisons of rows, the latest kept."""

    def __init__(self, architectures: Architectures) -> None:
        self._architectures = architectures
        self._latest = Kept(self._compare, _KEPT)

    def of(self, first: str, second: str) -> Comparison | Tallies:
        """Compare two rows by fingerprint; by tallies alone if they are too large.

        Raises:
            UsageError: there is no such row.
            ReleaseError: the release cannot be read.
        """
        return self._latest(first, second)

    def _compare(self, first: str, second: str) -> Comparison | Tallies:
        one, other = self._architectures.open(first), self._architectures.open(second)
        if one.graph.num_nodes + other.graph.num_nodes > MOST_COMPARED:
            return tally(one, other)
        found = _difference(one, other)
        changes = {fate: _counted(getattr(found, fate)) for fate in ("replaced", "removed", "added")}
        blocks = list(_lines(found.blocks))
        return Comparison(found, changes, blocks[:_MOST_BLOCKS], max(0, len(blocks) - _MOST_BLOCKS))


def _difference(one: Architecture, other: Architecture) -> ModelDifference:
    if one.skeleton is None or other.skeleton is None:
        return diff_graphs(one.graph, other.graph)
    return diff_models(one.skeleton, other.skeleton)


def tally(one: Architecture, other: Architecture) -> Tallies:
    """Compare two rows by how many of each operator type and class of modules they have."""
    first, second = (Counter(opened.graph.operator_counts()) for opened in (one, other))
    operators = _unequal(first, second)
    modules = None
    if one.modules is not None and other.modules is not None:
        classes = (
            Counter(module.kind.rpartition(".")[2] for module in tree.modules if not module.kind.startswith("#"))
            for tree in (one.modules, other.modules)
        )
        modules = _unequal(*classes)[:_MOST_LINES]
    return Tallies(
        (one.graph.num_nodes, other.graph.num_nodes),
        (first & second).total(),
        operators[:_MOST_LINES],
        modules,
        max(0, len(operators) - _MOST_LINES),
    )


def _unequal(first: Counter[str], second: Counter[str]) -> list[tuple[str, int, int]]:
    """What two counts have different numbers of, the largest difference first."""
    names = [name for name in first | second if first[name] != second[name]]
    names.sort(key=lambda name: (-abs(first[name] - second[name]), name))
    return [(name, first[name], second[name]) for name in names]


def _counted(changes: Any) -> list[tuple[str, int]]:
    counts = Counter[str]()
    for change in changes:
        counts[str(change)] += change.count
    return counts.most_common(_MOST_LINES)


def _lines(blocks: tuple[BlockChange, ...]) -> Iterator[BlockLine]:
    for _, alike in groupby(blocks, _what):
        first, *rest = alike
        last = rest[-1] if rest else first
        place = _place(first) if not rest else f"{_place(first)} … {_place(last)}"
        kind = first.kind.rpartition(".")[2]
        yield BlockLine(
            first.fate,
            min(first.depth, 5),
            place,
            "" if kind.startswith("#") else kind,
            1 + len(rest),
            first.num_nodes,
            first.num_common,
        )


def _what(block: BlockChange) -> object:
    alone = block.path if block.fate == "changed" or block.path != block.by else None
    return block.fate, block.depth, block.kind, block.num_nodes, alone


def _place(block: BlockChange) -> str:
    if block.path is None or block.by is None or block.path == block.by:
        return block.by or block.path or "the network"
    return f"{block.path} → {block.by}"
