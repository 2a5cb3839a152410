"""Rows near a row, or near a model that a visitor hands in: by sketch, and by how often each operator occurs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.shelf import Shelf
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.recognise.nearest import SketchIndex
from younger_hf.recognise.sketch import Counts, Hashes


@dataclass(frozen=True)
class Relative:
    """A row near another.

    Attributes:
        row: what Browse shows of it.
        likeness: the share of neighbourhoods in common, 0 to 1; by sketch alone, as the two are by theirs.
        edits: operators to add or take away until both have equally many of each type.
        cosine: of an encoder's vectors, -1 to 1.
    """

    row: dict[str, Any]
    likeness: float | None = None
    edits: int | None = None
    cosine: float | None = None


class Relatives:
    """The rows of a catalogue, to be searched for those near something."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = Lock()
        self._sketches = Shelf(catalogue.release, "graphs", ("sketch", "minhash"))

    @cached_property
    def _index(self) -> SketchIndex | None:
        release = self._catalogue.release
        if "sketch" not in release.columns("graphs"):
            return None
        columns = [name for name in ("sketch", "minhash") if name in release.columns("graphs")]
        check_foreign_release(release, {"graphs": columns})
        return SketchIndex.of(release)

    @property
    def index(self) -> SketchIndex | None:
        """The sketches of all rows, read when first asked for; None where the release has none."""
        with self._lock:
            return self._index

    def by_sketch(self, counts: Counts, hashes: Hashes | None, k: int, without: str = "") -> list[Relative]:
        """The k rows that have most neighbourhoods of operators in common with a sketch, by normal forms."""
        if self.index is None:
            return []
        found = self.index.nearest(counts, k + 1, hashes)
        return [
            Relative(row, near.similarity if near.overlap is None else near.overlap)
            for near in found
            if near.fingerprint != without and (row := self._catalogue.row(near.fingerprint)) is not None
        ][:k]

    def of_row(self, fingerprint: str, k: int) -> list[Relative]:
        """As `by_sketch`, of a row."""
        if self.index is None:
            return []
        (row, *_) = self._sketches.find(fingerprint)
        if row["sketch"] is None:
            return []
        hashes = None if row.get("minhash") is None else np.asarray(row["minhash"], np.uint8)
        return self.by_sketch(np.asarray(row["sketch"], np.int32), hashes, k, fingerprint)

    def by_operators(self, graph: OperatorGraph, k: int, without: str = "") -> list[Relative]:
        """The k rows with the fewest edits of the operator histogram: the L1 distance between counts."""
        catalogue = self._catalogue
        ours = np.zeros(len(catalogue.operators), np.int64)
        places = {label: place for place, label in enumerate(catalogue.operators)}
        unknown = 0
        for label, count in graph.operator_counts().items():
            if label in places:
                ours[places[label]] = count
            else:
                unknown += count
        edits = np.abs(catalogue.counts - ours).sum(axis=1) + unknown
        order = np.argsort(edits, kind="stable")[: k + 1]
        rows = catalogue.rows(order)
        found = [Relative(row, edits=int(edits[at])) for row, at in zip(rows, order.tolist(), strict=True)]
        return [one for one in found if one.row["fingerprint"] != without][:k]
