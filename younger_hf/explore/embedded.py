"""Rows near a row or a model by the vectors of a trained encoder: `Embedded`.

In goes an encoder, or a file that `younger-hf embed --level graph` wrote; out come rows. Vectors are made once, on a
thread that begins when they are first asked for, and kept in the user's cache: C numbers a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.dataset import to_graph
from younger_hf.errors import YoungerError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.learned import Learned, vector_of
from younger_hf.explore.relatives import Relative
from younger_hf.explore.remembered import Remembered
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run

Floats = NDArray[np.float32]

_BATCH: Final = 64
_STRUCTURE: Final = ("edge_index", "edge_slot", "node_scope")


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of K graphs.

    Attributes:
        opened: the run that made them, and its model.
        rows: the fingerprints of the rows that each graph stands for.
        mean: float32 [C].
        directions: float32 [K, C], without the mean and of length 1.
    """

    opened: tuple[Run, Any]
    rows: list[list[str]]
    mean: Floats
    directions: Floats

    @classmethod
    def of(cls, opened: tuple[Run, Any], rows: list[list[str]], vectors: Floats) -> Vectors:
        """Take off what all have in common, as `inspect --embeddings` does."""
        mean = vectors.mean(axis=0)
        return cls(opened, rows, mean, _directions(vectors - mean))

    def nearest(self, vector: Floats, k: int, without: str) -> list[tuple[str, float]]:
        """The fingerprints of k rows, and the cosines of their vectors with one, float32 [C], the nearest first."""
        cosines = self.directions @ _directions((vector - self.mean)[None])[0]
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
        self._thread: Thread | None = None
        self._vectors: Vectors | None = None
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
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._make, name="vectors", daemon=True)
                self._thread.start()
        if self.failed:
            raise YoungerError(self.failed)
        vectors = self._vectors
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
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Make no further vectors: a process that ends waits for this, since PyTorch ends with no thread at work."""
        self._is_stopped = True
        self.wait()

    def _make(self) -> None:
        try:
            self._vectors = self._of_encoder() if self._file is None else self._of_file(self._file)
        except (YoungerError, ImportError, MemoryError):
            self.failed = "The encoder's vectors of this release cannot be read or made."

    def _of_file(self, file: Path) -> Vectors:
        from younger_hf.recipes.checkpoints import load_best
        from younger_hf.recipes.embedding_files import GraphEmbeddings, matrix

        read = GraphEmbeddings.load(file)
        rows = self._rows(read.run)
        keys = read.table.column("fingerprint").to_pylist()
        return Vectors.of(
            (read.run, load_best(read.run)), [rows.get(key, []) for key in keys], matrix(read.table.column("vector"))
        )

    def _of_encoder(self) -> Vectors:
        from younger_hf.recipes.embed import embed_graph

        release, opened = self._catalogue.release, self._learned.opened()
        run, model = opened
        config, key = _config(run), _key(run)
        columns = [key, f"node_{run.config.vocabulary}", *_STRUCTURE]
        check_foreign_release(release, {config: columns, "operators": None})
        vocabulary = Vocabulary.load(release.source, release.revision)
        run.check_vocabulary(vocabulary, may_have_more=True)
        keys = [one for _, part in release.row_groups(config, [key]) for one in part.column(key).to_pylist()]
        name = f"{release.contents.get(config, '')}-{blake2b(run.checkpoint.read_bytes(), digest_size=8).hexdigest()}"
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
        return Vectors.of(opened, [rows.get(one, []) for one in keys], vectors)

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


def _config(run: Run) -> str:
    return "graphs" if run.config.attributes else "graphs-no-attributes"


def _key(run: Run) -> str:
    return "fingerprint" if run.config.attributes else "type_fingerprint"


def _directions(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions
