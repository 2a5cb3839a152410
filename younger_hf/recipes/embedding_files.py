"""Embeddings as files: a Parquet file of vectors that says which run they are of.

In go vectors; out comes a file. `GraphEmbeddings` reads that of a release's graphs back, finds the run, and tells which
graphs a model is nearest to.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from younger_hf.errors import YoungerError
from younger_hf.foreign_parquet import ForeignParquetError, read_foreign
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.directions import Directions
from younger_hf.recipes.embed import Floats, embed_graph
from younger_hf.recipes.named_graph import NamedGraph
from younger_hf.recipes.run import Run, RunError
from younger_hf.release import Release

GRAPH_COLUMNS: Final = ["fingerprint", "split", "name", "family", "num_subgraphs", "vector"]

_METADATA: Final = b"younger_embeddings"
_NEAREST: Final = 5
_MOST_ROWS: Final = 1 << 24


class EmbeddingsError(YoungerError):
    """A file has no embeddings, or its run is missing or has changed."""


def nearest(model: Path, embeddings: Path) -> list[dict[str, Any]]:
    """The architectures of a release that are nearest to a model, by the embeddings of the release.

    Args:
        model: an ONNX file.
        embeddings: `graph-embeddings.parquet` as `younger-hf embed` writes it.

    Returns:
        As `GraphEmbeddings.nearest`.
    """
    known = GraphEmbeddings.load(embeddings)
    run, graph = known.run, NamedGraph.read(model, known.run.config.attributes).graph
    vector, _ = embed_graph(run.recipe, load_best(run), graph, run.ids_of(graph))
    return known.nearest(vector, _NEAREST)


def to_parquet(table: pa.Table, level: str, run: Run, output: Path, release: Release) -> bytes:
    """The content of a file of embeddings, which names the run by where it lies, seen from the directory `output`."""
    about = {
        "level": level,
        "run": os.path.relpath(run.directory.resolve(), output.resolve()),
        "checkpoint": run.digest(),
        "task": run.config.recipe,
        "model": run.config.model,
        "release": release.name,
        "revision": release.revision,
    }
    buffer = io.BytesIO()
    table = table.replace_schema_metadata({_METADATA: json.dumps(about, sort_keys=True)}).combine_chunks()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def vector_column(vectors: Floats) -> pa.FixedSizeListArray:
    """Vectors, float32 [n, C], as a column of n rows."""
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


@dataclass(frozen=True, eq=False)
class GraphEmbeddings:
    """The embeddings of a release's graphs, and the run that made them.

    Attributes:
        run: of the same parameters as then.
        table: `fingerprint`, `split`, `name`, `family`, `num_subgraphs`, `vector`; G rows.
    """

    run: Run
    table: pa.Table

    @classmethod
    def load(cls, file: Path) -> GraphEmbeddings:
        """Read a file that `write_embeddings` wrote for level "graph", and open its run.

        Raises:
            EmbeddingsError: it is no such file, or the run is not where it was, or has been trained further.
        """
        try:
            with file.open("rb") as source:
                table = read_foreign(source, most_rows=_MOST_ROWS)
            about = json.loads((table.schema.metadata or {})[_METADATA])
            level, directory, checkpoint = about["level"], file.parent / about["run"], about["checkpoint"]
        except FileNotFoundError:
            raise EmbeddingsError(f"there is no file {file}") from None
        except (ForeignParquetError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise EmbeddingsError(f"{file} holds no embeddings: `younger-hf embed RUN` writes them") from error
        vector = table.schema.field("vector").type if table.column_names == GRAPH_COLUMNS else None
        if level != "graph" or not table.num_rows or not _is_vector(vector) or table["vector"].null_count:
            raise EmbeddingsError(
                f"{file} holds no embeddings of graphs: write them with `younger-hf embed --level graph`"
            )
        try:
            run = Run.open(directory)
            run.best()
        except RunError as error:
            raise EmbeddingsError(f"the run of {file} is not where it was: {error}") from error
        if run.digest() != checkpoint:
            raise EmbeddingsError(f"{run.directory} has been trained since {file} was written: embed the release again")
        return cls(run, table)

    def nearest(self, vector: Floats, count: int) -> list[dict[str, Any]]:
        """The rows whose vectors are nearest by the cosine of the angle, the nearest first.

        The mean of all vectors is taken off first: what all graphs have in common tells none apart.

        Args:
            vector: float32 [C].
            count: at most so many.

        Returns:
            `name`, `family`, `fingerprint`, `split` and `similarity`, from -1 to 1, of each.

        Raises:
            EmbeddingsError: the vectors of the file are of another length.
        """
        vectors = matrix(self.table.column("vector"))
        if vectors.shape[1] != len(vector):
            raise EmbeddingsError(
                f"the embeddings have vectors of {vectors.shape[1]} numbers, and {self.run.directory} "
                f"gives {len(vector)}: embed the release again"
            )
        similarity = Directions.of(vectors).cosines(vector)
        order = np.argsort(-similarity, kind="stable")[:count]
        rows = self.table.select(["name", "family", "fingerprint", "split"]).take(pa.array(order)).to_pylist()
        return [{**row, "similarity": float(similarity[i])} for row, i in zip(rows, order, strict=True)]


def _is_vector(kind: pa.DataType | None) -> bool:
    return kind is not None and pa.types.is_fixed_size_list(kind) and bool(pa.types.is_floating(kind.value_type))


def matrix(column: pa.ChunkedArray) -> Floats:
    """Vectors, float32 [n, C], of a column: the inverse of `vector_column`."""
    values = column.combine_chunks()
    return values.flatten().to_numpy().reshape(len(values), -1)  # type: ignore[no-any-return]
