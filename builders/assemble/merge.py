"""Merging: which architectures are one row, at three levels of sameness.

In go measured architectures, one for each distinct skeleton in the ledger; out comes a tree: a row without
attributes holds the rows with attributes that look alike without them, and each of these holds its skeletons.
Every model stays with the skeleton that it came with. The tree is arrays of numbers, 32 bytes a row and level; a row is
made when it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.assemble.measured import Kind, Measured, MeasuredStore
from builders.assemble.scratch_file import Int32s
from builders.measure.facts import Facts
from builders.model_ref import ModelRef


@dataclass(frozen=True)
class Merged:
    """What is one row of a config.

    Attributes:
        key: of its identity, see `builders.measure.facts.Identity`.
        members: the architectures in it, that of the most prominent model first.
        num_models: of all members together.
        parts: the rows of the next finer level that it is made of, by key.
    """

    key: str
    members: Sequence[Measured]
    num_models: int
    parts: Sequence[Merged] = ()

    @cached_property
    def representative(self) -> Measured:
        """The architecture whose facts, graph and prominent model the row shows."""
        return self.members[0]

    @cached_property
    def models(self) -> list[tuple[ModelRef, Facts]]:
        """Every model in the row, with the facts of its own skeleton, by (source, id, revision)."""
        pairs = [(model, member.facts) for member in self.members for model in member.models]
        return sorted(pairs, key=lambda pair: (*_identity(pair[0]), pair[1].skeleton.fingerprint))


@dataclass(frozen=True, eq=False)
class Grouping:
    """Things in groups: those of group `i` are `things[starts[i]:starts[i + 1]]`, in their order within it.

    Attributes:
        things: int32 [N].
        starts: int32 [G + 1].
    """

    things: Int32s
    starts: Int32s

    @classmethod
    def of(cls, group: Int32s, order: Int32s | None = None) -> Grouping:
        """Group things by the number of the group of each, in the given order of things or in that of their numbers."""
        keys = (group,) if order is None else (order, group)
        counts = np.bincount(group)
        return cls(np.lexsort(keys).astype(np.int32), np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, group: int) -> Int32s:
        return self.things[self.starts[group] : self.starts[group + 1]]

    def group_of(self) -> Int32s:
        """The group of each thing."""
        found = np.empty(len(self.things), np.int32)
        found[self.things] = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))
        return found


@dataclass(frozen=True, eq=False)
class Rows(Sequence[Merged]):
    """The rows of one level, by key.

    Attributes:
        measured: the architectures.
        kind: what is the same in a row.
        members: the architectures of each row, the most prominent first.
        finer: the rows of the next finer level, None for skeletons.
        parts: which of these each row is made of.
    """

    measured: MeasuredStore
    kind: Kind
    members: Grouping
    finer: Rows | None = None
    parts: Grouping | None = None

    @property
    def representatives(self) -> Int32s:
        """The most prominent architecture of each row."""
        return self.members.things[self.members.starts[:-1]]

    def finer_rows(self) -> tuple[Rows, Int32s]:
        """The rows of the next finer level, and of each the row that it is part of."""
        if self.finer is None or self.parts is None:
            raise ValueError("there is nothing finer than skeletons")
        return self.finer, self.parts.group_of()

    def row_keys(self) -> Iterator[str]:
        """The key of each row."""
        return self.measured.keys(self.kind, self.representatives)

    def __len__(self) -> int:
        return len(self.members)

    def with_keys(self, keys: set[str]) -> set[str]:
        """Those of some keys that are of rows."""
        return keys.intersection(self.row_keys()) if keys else set()

    def __getitem__(self, row: Any) -> Any:
        """A row; it is made anew each time."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        members = Chosen(self.measured, self.members[row])
        parts: Sequence[Merged] = ()
        if self.finer is not None and self.parts is not None:
            parts = Chosen(self.finer, self.parts[row])
        num_models = self.measured.num_models
        return Merged(
            getattr(members[0].facts, self.kind).key,
            members,
            sum(num_models[number] for number in members.numbers.tolist()),
            parts,
        )


@dataclass(frozen=True, eq=False)
class Chosen(Sequence[Any]):
    """Some things out of many, each fetched when it is looked at.

    Attributes:
        things: all of them.
        numbers: int32, those that are chosen.
    """

    things: Sequence[Any]
    numbers: Int32s

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Chosen(self.things, self.numbers[at])
        return self.things[int(self.numbers[at])]


def merge(measured: MeasuredStore) -> Rows:
    """Merge architectures into rows.

    Two are one row only where they are surely isomorphic: their fingerprints are equal and exact, or the graphs
    are equal as they stand. Nothing is merged on a guess.

    Returns:
        The rows without attributes, by key. Their parts are the rows with attributes, and the parts of these
        their skeletons.
    """
    prominence = measured.prominence_ranks()
    rows = Rows(measured, "skeleton", Grouping.of(measured.ranks("skeleton"), prominence))
    kinds: tuple[Kind, ...] = ("graph", "type_graph")
    for kind in kinds:
        # What a row is at the next level, its most prominent architecture decides.
        _, coarser = np.unique(measured.ranks(kind)[rows.representatives], return_inverse=True)
        group = coarser.astype(np.int32)
        members = Grouping.of(group[rows.members.group_of()], prominence)
        rows = Rows(measured, kind, members, rows, Grouping.of(group))
    return rows


def count_wl_collisions(graphs: Rows) -> int:
    """Pairs of rows with one WL hash that are not isomorphic: what the paper would have merged wrongly."""
    wl, fingerprint = (graphs.measured.ranks(name)[graphs.representatives] for name in ("wl_hash", "fingerprint"))
    return _pairs(wl) - _pairs(wl.astype(np.int64) << 32 | fingerprint)


def count_undecided(graphs: Rows) -> int:
    """Pairs of rows of which nobody knows whether they are isomorphic, since the search ran out of budget."""
    return _pairs(graphs.measured.ranks("fingerprint")[graphs.representatives])


def by_normal_form(graphs: Rows) -> Grouping:
    """The rows of config `graphs` that share a normal form, by its key and by theirs."""
    _, form = np.unique(graphs.measured.ranks("normal")[graphs.representatives], return_inverse=True)
    return Grouping.of(form.astype(np.int32))


def normal_form_pairs(forms: Grouping) -> NDArray[np.int32]:
    """Pairs of rows, int32 [P, 2], that link all rows of one normal form."""
    first = np.repeat(forms.things[forms.starts[:-1]], np.diff(forms.starts))
    pairs = np.stack((first, forms.things), axis=1)
    linked: NDArray[np.int32] = pairs[first != forms.things]
    return linked


def _identity(model: ModelRef) -> tuple[str, str, str, str]:
    return model.source, model.id, model.revision, model.component


def _pairs(values: NDArray[np.signedinteger[Any]]) -> int:
    """How many pairs there are of equal values."""
    _, counts = np.unique(values, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())
