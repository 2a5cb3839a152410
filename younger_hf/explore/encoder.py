"""What a trained encoder answers, in the process that has PyTorch: `suggest`, `vector` and `vectors`.

In go an `Encoder`, which says where it lies, and a graph; out come suggestions and vectors. All of it is called through
`younger_hf.explore.aside`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from younger_hf.dataset import to_graph
from younger_hf.errors import YoungerError
from younger_hf.explore.remembered import Remembered
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize
from younger_hf.recipes.directions import Directions, Floats
from younger_hf.release import Release, open_release
from younger_hf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run

_STRUCTURE: Final = ("edge_index", "edge_slot", "node_scope")


class UnreadableEncoderError(YoungerError):
    """There is no such encoder, or it is damaged."""


@dataclass(frozen=True)
class Encoder:
    """Where an encoder lies.

    Attributes:
        source: a release directory, or a repository of the Hub, whose rows it reads.
        revision: of the repository.
        run: a directory; the encoder of the release if None.
    """

    source: Path | str
    revision: str | None = None
    run: Path | None = None

    @property
    def release(self) -> Release:
        """The release whose rows it reads."""
        return open_release(self.source, self.revision)


@dataclass(frozen=True)
class Suggested:
    """As `younger_hf.recipes.suggest.Place`, which only a process with PyTorch can receive.

    Attributes:
        operator: the label of the operator that stands in the place.
        rank: which suggestion it is, from 1; None where the encoder does not know it.
        suggestions: label and probability, the likeliest first.
    """

    operator: str
    rank: int | None
    suggestions: list[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of K graphs.

    Attributes:
        encoder: that made them.
        rows: the fingerprints of the rows of `graphs` that each graph stands for: without attributes, several may be
            one.
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


@lru_cache(maxsize=2)
def opened(encoder: Encoder) -> tuple[Run, Any]:
    """Its run, and its model in evaluation mode.

    Raises:
        UnreadableEncoderError: there is none, or it is damaged.
    """
    try:
        import torch

        from younger_hf.recipes.checkpoints import load_best
        from younger_hf.recipes.pretrained import open_encoder
        from younger_hf.recipes.run import Run

        torch.set_num_threads(1)  # the processors are for the visitors' pages
        run = open_encoder(encoder.release) if encoder.run is None else Run.open(encoder.run)
        return run, load_best(run)
    except (YoungerError, ImportError) as error:
        raise UnreadableEncoderError(str(error)) from error


def suggest(encoder: Encoder, graph: OperatorGraph, node: int) -> Suggested:
    """What could stand in the place of a node, as `younger_hf.recipes.suggest` says it.

    Args:
        encoder: of operators.
        graph: N operators, in any order.
        node: the position of the node.
    """
    run, model = opened(encoder)
    from younger_hf.recipes.suggest import suggest_place

    form = canonicalize(graph, run.config.attributes)
    found = suggest_place(run, form.graph, int(np.flatnonzero(form.order == node)[0]), model)
    return Suggested(found.operator, found.rank, found.suggestions)


def vector(encoder: Encoder, graph: OperatorGraph) -> Floats:
    """The vector of a graph, float32 [C], as `younger-hf embed --level graph` writes it.

    Args:
        encoder: of graphs.
        graph: N operators, in any order.
    """
    run, model = opened(encoder)
    from younger_hf.recipes.embed import embed_graph

    graph = canonicalize(graph, run.config.attributes).graph
    return embed_graph(run.recipe, model, graph, run.ids_of(graph))[0]


def vectors(encoder: Encoder, cache: Remembered) -> Vectors:
    """The vectors of all graphs of a release, from the cache where they were made before.

    Raises:
        YoungerError: the encoder or the release cannot be read.
    """
    run, model = opened(encoder)
    from younger_hf.recipes.embed import embed_graph

    release, key = encoder.release, run.config.graph_key
    columns = [key, f"node_{run.config.vocabulary}", *_STRUCTURE]
    check_foreign_release(release, {"graphs": columns, "operators": None})
    vocabulary = Vocabulary.load(release.source, release.revision)
    run.check_vocabulary(vocabulary, may_have_more=True)
    rows = _rows(release, key)
    content = release.contents.get("graphs", "")
    name = f"{content}-{run.digest()}" if content else ""
    made = cache.get(name, len(rows))
    if made is None:
        graphs = _graphs(release, key, columns, vocabulary)
        made = np.stack([embed_graph(run.recipe, model, graph, run.ids_of(graph))[0] for graph in graphs])
        cache.put(name, made)
    return Vectors(encoder, list(rows.values()), made)


def vectors_of_file(file: Path, release: Release) -> Vectors:
    """The vectors that `younger-hf embed --level graph` wrote.

    Args:
        file: `graph-embeddings.parquet`.
        release: whose rows they are of; some rows may have none.

    Raises:
        EmbeddingsError: it is no such file, or its run is not where it was, or has been trained further, or it has the
            vector of no row.
        ReleaseError: the release cannot be read.
    """
    from younger_hf.recipes.embedding_files import EmbeddingsError, GraphEmbeddings, matrix

    read = GraphEmbeddings.load(file)
    rows = _rows(release, read.run.config.graph_key)
    found = [rows.get(key, []) for key in read.table.column("fingerprint").to_pylist()]
    if not any(found):
        raise EmbeddingsError(
            f"{file} has vectors of another release, and of no architecture of {release.name}: "
            "write those of this one with `younger-hf embed --level graph`"
        )
    by = Encoder(read.run.config.release, read.run.config.revision, read.run.directory)
    return Vectors(by, found, matrix(read.table.column("vector")))


def _rows(release: Release, key: str) -> dict[str, list[str]]:
    """The fingerprints of the rows of `graphs` by a column that tells graphs apart, in the order of the release."""
    columns = list(dict.fromkeys((key, "fingerprint")))
    check_foreign_release(release, {"graphs": columns})
    found = defaultdict(list)
    for _, part in release.row_groups("graphs", columns):
        for graph, row in zip(*(part.column(name).to_pylist() for name in (key, "fingerprint")), strict=True):
            found[graph].append(row)
    return dict(found)


def _graphs(release: Release, key: str, columns: list[str], vocabulary: Vocabulary) -> Iterator[OperatorGraph]:
    """The graphs of config `graphs` that a column tells apart, each once and in its canonical order.

    Without attributes they stand in config `graphs-no-attributes`, too, which a release need not have.
    """
    seen = set()
    for _, part in release.row_groups("graphs", columns):
        for at in range(part.num_rows):  # one at a time: as Python's integers they take many times as much
            (row,) = part.slice(at, 1).to_pylist()
            if row[key] not in seen:
                seen.add(row[key])
                graph = to_graph(row, vocabulary)
                yield graph if key == "fingerprint" else canonicalize(graph, attributes=False).graph
