"""What a trained encoder answers, in the process that has PyTorch: `suggest`, `vector` and `vectors`.

In go an `Encoder`, which says where it lies, and a graph; out come suggestions and vectors. All of it is called through
`younger_hf.explore.aside`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from younger_hf.dataset import to_graph
from younger_hf.errors import YoungerError
from younger_hf.explore.remembered import Remembered
from younger_hf.foreign_release import check_foreign_release
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize
from younger_hf.recipes.directions import Floats
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
class Encoded:
    """The vectors of K graphs.

    Attributes:
        encoder: that made them.
        keys: fingerprints of the graphs, without attributes where the encoder reads none.
        attributes: whether it reads them.
        vectors: float32 [K, C].
    """

    encoder: Encoder
    keys: list[str]
    attributes: bool
    vectors: Floats


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


def vectors(encoder: Encoder, cache: Remembered) -> Encoded:
    """The vectors of all graphs of a release, from the cache where they were made before.

    Raises:
        YoungerError: the encoder or the release cannot be read.
    """
    run, model = opened(encoder)
    from younger_hf.recipes.embed import embed_graph

    release = encoder.release
    config, key = run.config.in_form("graphs"), run.config.graph_key
    columns = [key, f"node_{run.config.vocabulary}", *_STRUCTURE]
    check_foreign_release(release, {config: columns, "operators": None})
    vocabulary = Vocabulary.load(release.source, release.revision)
    run.check_vocabulary(vocabulary, may_have_more=True)
    keys = [one for _, part in release.row_groups(config, [key]) for one in part.column(key).to_pylist()]
    name = f"{release.contents.get(config, '')}-{run.digest()}"
    name = "" if name.startswith("-") else name
    made = cache.get(name, len(keys))
    if made is None:
        graphs = _graphs(release, config, columns, vocabulary)
        made = np.stack([embed_graph(run.recipe, model, graph, run.ids_of(graph))[0] for graph in graphs])
        cache.put(name, made)
    return Encoded(encoder, keys, run.config.attributes, made)


def vectors_of_file(file: Path) -> Encoded:
    """The vectors that `younger-hf embed --level graph` wrote.

    Args:
        file: `graph-embeddings.parquet`.

    Raises:
        EmbeddingsError: it is no such file, or its run is not where it was, or has been trained further.
    """
    from younger_hf.recipes.embedding_files import GraphEmbeddings, matrix

    read = GraphEmbeddings.load(file)
    keys = read.table.column("fingerprint").to_pylist()
    by = Encoder(read.run.config.release, read.run.config.revision, read.run.directory)
    return Encoded(by, keys, read.run.config.attributes, matrix(read.table.column("vector")))


def _graphs(release: Release, config: str, columns: list[str], vocabulary: Vocabulary) -> Iterator[OperatorGraph]:
    """The graphs of a config, in canonical order, as rows are."""
    for _, part in release.row_groups(config, columns):
        for at in range(part.num_rows):  # one at a time: as Python's integers they take many times as much
            yield from (to_graph(row, vocabulary) for row in part.slice(at, 1).to_pylist())
