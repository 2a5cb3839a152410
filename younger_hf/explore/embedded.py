"""Rows near a row or a model by the vectors of a trained encoder: `Embedded`.

In goes an encoder, or a file that `younger-hf embed --level graph` wrote; out come rows. Vectors are made once, in a
process that ends with them and begins when they are first asked for, and kept in the user's cache: C numbers a row.
"""

from __future__ import annotations

from pathlib import Path

from younger_hf.errors import YoungerError
from younger_hf.explore.afterwards import Afterwards
from younger_hf.explore.aside import Aside
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.encoder import Vectors, vector, vectors, vectors_of_file
from younger_hf.explore.learned import Learned
from younger_hf.explore.relatives import Relative
from younger_hf.explore.remembered import Remembered
from younger_hf.graph import OperatorGraph


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
                made = self._aside(vectors, self._learned.encoder, self._cache)
            else:
                made = self._aside(vectors_of_file, self._file, self._catalogue.release)
            self._aside.rest()
        except (YoungerError, ImportError, MemoryError):
            self.failed = "The encoder's vectors of this release cannot be read or made."
            return None
        return made
