"""`Vocabulary`: the two id spaces of a release, and the mapping between ids and operators.

In go the rows of config `operators`; out come ids for a graph, or the `Operator` that an id stands for.
"operator" ids number the types (`Conv`), "variant" ids the types with their attributes (`Conv{"group":1,…}`).
In both, 0 stands for anything unknown and 1 is the mask of a learning task; a later release only appends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from younger_hf.choices import check_choice
from younger_hf.conventions import MASK, UNKNOWN
from younger_hf.errors import ReleaseError, YoungerError
from younger_hf.graph import IntArray, Operator, OperatorGraph

if TYPE_CHECKING:
    import pyarrow as pa

KINDS: Final = ("operator", "variant")
UNKNOWN_ID: Final = 0
MASK_ID: Final = 1
_SPECIAL: Final = (UNKNOWN, MASK)


class VocabularyError(YoungerError, LookupError):
    """An id is not in the vocabulary."""


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """The meaning of a release's operator ids.

    Ids are int64; a label that is not in the vocabulary gets id 0.

    Attributes:
        operators: the `type_label` of every operator id.
        variants: the `label` of every variant id.
        operator_of_variant: int64 [len(variants)]: the operator id of every variant.
    """

    operators: tuple[str, ...]
    variants: tuple[str, ...]
    operator_of_variant: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "operators", tuple(self.operators))
        object.__setattr__(self, "variants", tuple(self.variants))
        table = np.array(self.operator_of_variant, dtype=np.int64)
        table.flags.writeable = False
        object.__setattr__(self, "operator_of_variant", table)
        for kind, labels in (("operator", self.operators), ("variant", self.variants)):
            if labels[:2] != _SPECIAL:
                raise ReleaseError(f"{kind} ids 0 and 1 must be {UNKNOWN} and {MASK}")
            if len(set(labels)) != len(labels):
                raise ReleaseError(f"two {kind} ids have the same label")
        if table.shape != (len(self.variants),) or not ((table >= 0) & (table < len(self.operators))).all():
            raise ReleaseError("a variant has an operator id that is not in the vocabulary")

    @classmethod
    def load(cls, source: str | Path = "younger", revision: str | None = None) -> Vocabulary:
        """Read the vocabulary of a release; it is cached, so that further calls are cheap.

        Args:
            source: a release directory, or the id of a Hub dataset repository.
            revision: the repository's branch, tag or commit.

        Raises:
            ReleaseError: the release is missing, incomplete, or of another schema version.
        """
        from younger_hf.release import open_release

        release = open_release(source, revision)
        # A release directory can be built anew under the same name: its files' stamps are part of the key.
        stamps = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in release.files("operators"))
        return _load(str(release.source), release.revision, stamps)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Vocabulary:
        """Make a vocabulary from rows of config `operators`, in any order.

        Args:
            rows: mappings with at least `kind`, `id`, `label`, `operator_id`.

        Raises:
            ReleaseError: the ids of a kind are not 0, 1, 2, …, or a row contradicts another.
        """
        by_kind: dict[str, dict[int, tuple[str, int]]] = {kind: {} for kind in KINDS}
        for row in rows:
            check_choice("kind of vocabulary entry", row["kind"], KINDS)
            by_kind[row["kind"]][int(row["id"])] = (row["label"], int(row["operator_id"]))
        for kind, entries in by_kind.items():
            if sorted(entries) != list(range(len(entries))):
                raise ReleaseError(f"the {kind} ids of the vocabulary have gaps")
        operators, variants = (sorted(entries.items()) for entries in by_kind.values())
        return cls(
            tuple(label for _, (label, _) in operators),
            tuple(label for _, (label, _) in variants),
            np.array([operator for _, (_, operator) in variants], dtype=np.int64),
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> Vocabulary:
        """Make a vocabulary from config `operators` as an Arrow table; see `from_rows`."""
        return cls.from_rows(table.select(["kind", "id", "label", "operator_id"]).to_pylist())

    def operator_id(self, label: str) -> int:
        """The id of an operator's `type_label`; 0 if it is not in the vocabulary."""
        return self._ids["operator"].get(label, UNKNOWN_ID)

    def variant_id(self, label: str) -> int:
        """The id of an operator's `label`; 0 if it is not in the vocabulary."""
        return self._ids["variant"].get(label, UNKNOWN_ID)

    def encode(self, graph: OperatorGraph, kind: str = "variant") -> IntArray:
        """The ids of a graph's nodes.

        Args:
            graph: N operators.
            kind: "operator" or "variant".

        Returns:
            int64 [N]; 0 for operators that are not in the vocabulary.
        """
        check_choice("vocabulary", kind, KINDS)
        ids = self._ids[kind]
        if kind == "variant":
            labels = [operator.label for operator in graph.operator]
        else:
            labels = [operator.type_label for operator in graph.operator]
        return np.fromiter((ids.get(label, UNKNOWN_ID) for label in labels), np.int64, len(labels))

    def decode(self, ids: ArrayLike, kind: str = "variant") -> tuple[Operator, ...]:
        """The operators that ids stand for; ids 0 and 1 are the operators `__UNK__` and `__MASK__`.

        Args:
            ids: integers [N].
            kind: "operator" (the operators come without attributes) or "variant".

        Raises:
            VocabularyError: an id is negative or too large.
        """
        check_choice("vocabulary", kind, KINDS)
        operators = self._decoded[kind]
        wanted = np.asarray(ids, dtype=np.int64).ravel()
        wrong = wanted[(wanted < 0) | (wanted >= len(operators))]
        if wrong.size:
            raise VocabularyError(
                f"no {kind} has id {wrong[0]}: the vocabulary has ids 0 to {len(operators) - 1}; "
                "is it of the same release as the ids?"
            )
        return tuple(map(operators.__getitem__, wanted.tolist()))

    @cached_property
    def _ids(self) -> dict[str, dict[str, int]]:
        ids = {
            "operator": {label: number for number, label in enumerate(self.operators)},
            "variant": {label: number for number, label in enumerate(self.variants)},
        }
        # The label of the operator that a special id is decoded to.
        ids["variant"].update({f"{label}{{}}": number for number, label in enumerate(_SPECIAL)})
        return ids

    @cached_property
    def _decoded(self) -> dict[str, tuple[Operator, ...]]:
        return {
            "operator": tuple(_operator_of_type(label) for label in self.operators),
            "variant": (
                *(_operator_of_type(label) for label in _SPECIAL),
                *(Operator.from_label(label) for label in self.variants[2:]),
            ),
        }

    def __repr__(self) -> str:
        return f"Vocabulary(operators={len(self.operators)}, variants={len(self.variants)})"


def _operator_of_type(type_label: str) -> Operator:
    domain, _, op_type = type_label.rpartition("::")
    return Operator(domain, op_type)


@lru_cache(maxsize=8)
def _load(source: str, revision: str | None, _: tuple[tuple[int, int], ...]) -> Vocabulary:
    from younger_hf.release import open_release

    return Vocabulary.from_table(open_release(source, revision).read("operators"))
