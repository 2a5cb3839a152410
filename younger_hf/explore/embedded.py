"""Rows near a row or a model by the vectors of a trained encoder: `Embedded`.

In goes an encoder, or a file that `younger-hf embed --level graph` wrote; out come rows. Vectors are made once, in a
process that ends with them and begins when they are first asked for, and kept in the user's cache: C numbers a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from younger_hf.errors import YoungerError
from younger_hf.explore.afterwards import Afterwards
from younger_hf.explore.aside import Aside
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.encoder import Encoded, Encoder, vector, vectors, vectors_of_file
from younger_hf.explore.learned import Learned
from younger_hf.explore.relatives import Relative
from younger_hf.explore.remembered import Remembered
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.recipes.directions import Directions, Floats


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of K graphs.

    Attributes:
        encoder: that made them.
        rows: the fingerprints of the rows that each graph stands for.
        vectors: float32 [K, C].
    """

    encoder: Encoder
    rows: list[list[str]]
    vectors: Floats

    @cached_property
    def directions(self) -> Directions:
        """Of the vectors."""
        return Directions.of(self.vectors)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Which of the graphs each row has."""
        return {row: place for place, rows in enumerate(self.rows) for row in rows}

    def nearest(self, vector: Floats, k: int, without: str) -> list[tuple[str, float]]:
        """The fingerprints of k rows, and the cosines of their vectors with one, float32 [C], the nearest first."""
        cosines = self.directions.cosines(vector)
        found: list[tuple[str, float]] = []
        for at in np.argsort(-cosines, kind="stable").tolist():
            found.extend((key, float(cosines[at])) for key in self.rows[at] if key != without)
            if len(found) >= k:
                break
        return found[:k]


class Embedded:
    """The rows of a catalogue by their vectors.

    Args:
        catalogue: the rows.
        learned: the encoder.
        file: vectors, and the run that made them; without it, those of the encoder.
        cache: where vectors are kept.

    Attributes:
        failed: why there are none, in a sentence; "" while that is not known.
    """

    def __init__(self, catalogue: Catalogue, learned: Learned, file: Path | None, cache: Remembered) -> None:
        self._catalogue = catalogue
        self._learned = learned
        self._file = file
        self._cache = cache
        self._aside = Aside()
        self._vectors = Afterwards(self._make, "vectors")
        self.failed = ""

    @property
    def is_there(self) -> bool:
        """Whether there may be vectors, as far as is known before they are made."""
        return not self.failed and (self._file is not None or not self._learned.why_not)

    def near(self, graph: OperatorGraph, k: int, fingerprint: str) -> list[Relative] | None:
        """The k rows nearest to a graph; None while the vectors are made, which the first call begins.

        Args:
            graph: its operators, in any order.
            k: how many.
            fingerprint: of the graph: a row that has it is not near itself, and its vector is known.

        Raises:
            YoungerError: there are no vectors.
        """
        made = self._vectors()
        if self.failed:
            raise YoungerError(self.failed)
        if made is None:
            return None
        place = made.places.get(fingerprint)
        of = self._learned.aside(vector, made.encoder, graph) if place is None else made.vectors[place]
        return [
            Relative(row, cosine=cosine)
            for key, cosine in made.nearest(of, k, fingerprint)
            if (row := self._catalogue.row(key)) is not None
        ]

    def wait(self) -> None:
        """Until the vectors are made, or cannot be."""
        self._vectors.join()

    def stop(self) -> None:
        """Make no further vectors."""
        self._aside.stop()
        self.wait()

    def _make(self) -> Vectors | None:
        try:
            if self._file is None:
                read = self._aside(vectors, self._learned.encoder, self._cache)
            else:
                read = self._aside(vectors_of_file, self._file)
            self._aside.rest()
            rows = self._rows(read)
            return Vectors(read.encoder, [rows.get(one, []) for one in read.keys], read.vectors)
        except (YoungerError, ImportError, MemoryError):
            self.failed = "The encoder's vectors of this release cannot be read or made."
            return None

    def _rows(self, read: Encoded) -> Mapping[str, list[str]]:
        """The rows of `graphs` that each graph stands for: without attributes, several may be one."""
        if read.attributes:
            return {key: [key] for key in self._catalogue.positions}
        found = defaultdict(list)
        columns = ["fingerprint", "type_fingerprint"]
        check_foreign_release(self._catalogue.release, {"graphs": columns})
        for _, part in self._catalogue.release.row_groups("graphs", columns):
            for own, common in zip(*(part.column(name).to_pylist() for name in columns), strict=True):
                found[common].append(own)
        return found
