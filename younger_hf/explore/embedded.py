"""Rows near a row or a model by the vectors of a trained encoder: `Embedded`.

In goes an encoder, or a file that `younger-hf embed --level graph` wrote; out come rows. Vectors are made once, on a
thread that begins when they are first asked for, and kept in the user's cache: C numbers a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from younger_hf.dataset import to_graph
from younger_hf.errors import YoungerError
from younger_hf.explore.afterwards import Afterwards
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.learned import Learned, vector_of
from younger_hf.explore.relatives import Relative
from younger_hf.explore.remembered import Remembered
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.recipes.directions import Directions, Floats
from younger_hf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run

_BATCH: Final = 64
_STRUCTURE: Final = ("edge_index", "edge_slot", "node_scope")


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of K graphs.

    Attributes:
        opened: the run that made them, and its model.
        rows: the fingerprints of the rows that each graph stands for.
        directions: of their vectors.
    """

    opened: tuple[Run, Any]
    rows: list[list[str]]
    directions: Directions

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
        self._lock = Lock()
        self._vectors = Afterwards(self._make, "vectors")
        self._is_stopped = False
        self.failed = ""

    @property
    def is_there(self) -> bool:
        """Whether there may be vectors, as far as is known before they are made."""
        return not self.failed and (self._file is not None or not self._learned.why_not)

    def near(self, graph: OperatorGraph, k: int, without: str = "") -> list[Relative] | None:
        """The k rows nearest to a graph; None while the vectors are made, which the first call begins.

        Raises:
            YoungerError: there are no vectors.
        """
        vectors = self._vectors()
        if self.failed:
            raise YoungerError(self.failed)
        if vectors is None:
            return None
        with self._lock:
            vector = vector_of(vectors.opened, graph)
        return [
            Relative(row, cosine=cosine)
            for key, cosine in vectors.nearest(vector, k, without)
            if (row := self._catalogue.row(key)) is not None
        ]

    def wait(self) -> None:
        """Until the vectors are made, or cannot be."""
        self._vectors.join()

    def stop(self) -> None:
        """Make no further vectors: a process that ends waits for this, since PyTorch ends with no thread at work."""
        self._is_stopped = True
        self.wait()

    def _make(self) -> Vectors | None:
        try:
            return self._of_encoder() if self._file is None else self._of_file(self._file)
        except (YoungerError, ImportError, MemoryError):
            self.failed = "The encoder's vectors of this release cannot be read or made."
            return None

    def _of_file(self, file: Path) -> Vectors:
        from younger_hf.recipes.checkpoints import load_best
        from younger_hf.recipes.embedding_files import GraphEmbeddings, matrix

        read = GraphEmbeddings.load(file)
        rows = self._rows(read.run)
        keys = read.table.column("fingerprint").to_pylist()
        directions = Directions.of(matrix(read.table.column("vector")))
        return Vectors((read.run, load_best(read.run)), [rows.get(key, []) for key in keys], directions)

    def _of_encoder(self) -> Vectors:
        from younger_hf.recipes.embed import embed_graph

        release, opened = self._catalogue.release, self._learned.opened()
        run, model = opened
        config, key = run.config.in_form("graphs"), run.config.graph_key
        columns = [key, f"node_{run.config.vocabulary}", *_STRUCTURE]
        check_foreign_release(release, {config: columns, "operators": None})
        vocabulary = Vocabulary.load(release.source, release.revision)
        run.check_vocabulary(vocabulary, may_have_more=True)
        keys = [one for _, part in release.row_groups(config, [key]) for one in part.column(key).to_pylist()]
        name = f"{release.contents.get(config, '')}-{run.digest()}"
        name = "" if name.startswith("-") else name
        vectors = self._cache.get(name, len(keys))
        if vectors is None:
            graphs = (
                to_graph(row, vocabulary)  # in canonical order, as rows are
                for _, part in release.row_groups(config, columns)
                for batch in part.to_batches(max_chunksize=_BATCH)
                for row in batch.to_pylist()
            )
            made = []
            for graph in graphs:
                if self._is_stopped:
                    raise YoungerError("the server ends")
                made.append(embed_graph(run.recipe, model, graph, run.ids_of(graph))[0])
            vectors = np.stack(made)
            self._cache.put(name, vectors)
        rows = self._rows(run)
        return Vectors(opened, [rows.get(one, []) for one in keys], Directions.of(vectors))

    def _rows(self, run: Run) -> Mapping[str, list[str]]:
        """The rows of `graphs` that each graph of a run stands for: without attributes, several may be one."""
        if run.config.attributes:
            return {key: [key] for key in self._catalogue.positions}
        found = defaultdict(list)
        columns = ["fingerprint", "type_fingerprint"]
        check_foreign_release(self._catalogue.release, {"graphs": columns})
        for _, part in self._catalogue.release.row_groups("graphs", columns):
            for own, common in zip(*(part.column(name).to_pylist() for name in columns), strict=True):
                found[common].append(own)
        return found
