"""Embeddings as files: a Parquet file of vectors that says which run they are of, and the paper's t-SNE picture.

In goes a run; out come `LEVEL-embeddings.parquet` and `.png` for a level: node, subgraph or graph. `GraphEmbeddings`
reads the file of graphs back, finds the run, and tells which graphs a vector is nearest to.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from torch import nn
from tqdm import tqdm

from younger_hf.choices import check_choice
from younger_hf.dataset import load, to_graph
from younger_hf.errors import YoungerError
from younger_hf.operator_groups import GROUPS
from younger_hf.plots.embedding import FEWEST_POINTS, draw_graphs, draw_operators, draw_subgraphs
from younger_hf.plots.figures import group_of
from younger_hf.recipes.batches import GraphTable
from younger_hf.recipes.embed import Floats, embed_graph, embed_operators, embed_subgraphs
from younger_hf.recipes.run import Run, RunError
from younger_hf.recipes.samples import Cut
from younger_hf.recipes.training import find_device
from younger_hf.release import Release
from younger_hf.tasks.predictions import CONFIGS
from younger_hf.vocabulary import Vocabulary
from younger_hf.whole_files import write_whole

Level: TypeAlias = tuple[pa.Table, Callable[[], bytes]]
"""The table of a level, and what draws its picture."""

LEVELS: Final = ("node", "subgraph", "graph")
TOP_OPERATORS: Final = {True: 500, False: 20}
"""How many operators are in colour, with attributes and without, as in the paper."""

_METADATA: Final = b"younger_embeddings"
_BATCH: Final = 256
_SPECIAL: Final = 2  # __UNK__ and __MASK__
_GRAPH_COLUMNS: Final = ["fingerprint", "split", "name", "family", "num_subgraphs", "vector"]


class EmbeddingsError(YoungerError):
    """A file that holds no embeddings, or those of a run that is not there or has changed."""


def write_embeddings(
    run: Run, level: str, output: Path, release: Release, cut: Cut, device: str = "auto"
) -> list[Path]:
    """Embed a release at a level, and write vectors and picture.

    Of nodes, the file has `id`, `label`, `num_nodes`, `before`, `after`, a row an operator; of subgraphs `fingerprint`,
    `split`, `group` (what most of its operators do), `vector`; of graphs `fingerprint`, `split`, `name`, `family`,
    `num_subgraphs`, `vector`. Vectors are float32. The run is named by where it lies, seen from the file.

    Args:
        run: of either task.
        level: "node" (the operators of the vocabulary), "subgraph" or "graph".
        output: a directory; it is made if it is not there.
        release: what is embedded; of the run's vocabulary.
        cut: as `sample_batch` takes it; for graphs.
        device: as in the run's configuration.

    Returns:
        The files; no picture where there are fewer than `FEWEST_POINTS` vectors.

    Raises:
        RunError: the run has no checkpoint, or another vocabulary than the release.
        ReleaseError: the release has no such rows.
        YoungerError: a file cannot be written.
    """
    check_choice("level", level, LEVELS)
    run.check_vocabulary(Vocabulary.load(release.source, release.revision))
    if level == "node":
        table, draw = _operators(run, release)
    else:
        model = run.load_best(find_device(device))
        table, draw = _subgraphs(run, model, release) if level == "subgraph" else _graphs(run, model, release, cut)
    about = {
        "level": level,
        "run": os.path.relpath(run.directory.resolve(), output.resolve()),
        "checkpoint": _checkpoint(run),
        "task": run.config.task,
        "model": run.config.model,
        "release": release.name,
        "revision": release.revision,
    }
    buffer = io.BytesIO()
    table = table.replace_schema_metadata({_METADATA: json.dumps(about, sort_keys=True)}).combine_chunks()
    pq.write_table(table, buffer, compression="zstd")
    files = {f"{level}-embeddings.parquet": buffer.getvalue()}
    if table.num_rows >= FEWEST_POINTS:
        files[f"{level}-embeddings.png"] = draw()
    for name, content in files.items():
        write_whole(output / name, content)
    return [output / name for name in files]


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
            table = pq.read_table(file)
            about = json.loads((table.schema.metadata or {})[_METADATA])
            level, directory, checkpoint = about["level"], file.parent / about["run"], about["checkpoint"]
        except FileNotFoundError:
            raise EmbeddingsError(f"there is no file {file}") from None
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise EmbeddingsError(f"{file} holds no embeddings: `younger-hf embed RUN` writes them") from error
        vector = table.schema.field("vector").type if table.column_names == _GRAPH_COLUMNS else None
        if level != "graph" or vector is None or not pa.types.is_fixed_size_list(vector) or table["vector"].null_count:
            raise EmbeddingsError(
                f"{file} holds no embeddings of graphs: write them with `younger-hf embed --level graph`"
            )
        try:
            run = Run.open(directory)
            run.best()
        except RunError as error:
            raise EmbeddingsError(f"the run of {file} is not where it was: {error}") from error
        if _checkpoint(run) != checkpoint:
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
        """
        vectors = _matrix(self.table.column("vector"))
        mean = vectors.mean(axis=0)
        directions, direction = _normalised(vectors - mean), _normalised((vector - mean)[None])[0]
        similarity = directions @ direction
        order = np.argsort(-similarity, kind="stable")[:count]
        rows = self.table.select(["name", "family", "fingerprint", "split"]).take(pa.array(order)).to_pylist()
        return [{**row, "similarity": float(similarity[i])} for row, i in zip(rows, order, strict=True)]


def _operators(run: Run, release: Release) -> Level:
    before, after = embed_operators(run)
    kind = run.config.vocabulary
    counts = {row["id"]: row["num_nodes"] for row in release.read("operators").to_pylist() if row["kind"] == kind}
    num_nodes = [counts[number] for number in range(len(run.labels))]
    columns = {"id": np.arange(len(run.labels)), "label": run.labels, "num_nodes": num_nodes}
    table = pa.table({**columns, "before": _vectors(before), "after": _vectors(after)})

    def draw() -> bytes:
        frequent = sorted(range(_SPECIAL, len(run.labels)), key=lambda number: (-num_nodes[number], number))
        panels = {"before training": before[frequent], "after training": after[frequent]}
        return draw_operators(
            panels, [_type_label(run.labels[i]) for i in frequent], TOP_OPERATORS[run.config.attributes]
        )

    return table, draw


def _subgraphs(run: Run, model: nn.Module, release: Release) -> Level:
    group_of_id = np.array([GROUPS.index(group_of(_type_label(label))) for label in run.labels])
    device = next(model.parameters()).device
    vectors, groups, rows = [], [], []
    for split, of_split in _splits(release, CONFIGS["operator", run.config.attributes]):
        table = GraphTable(of_split, run.config.vocabulary)
        rows += [(fingerprint, split) for fingerprint in table.fingerprints.to_pylist()]
        for batch in tqdm(
            table.batches(_BATCH), f"embed {split}", -(-len(table) // _BATCH), unit="batch", disable=None
        ):
            vectors.append(embed_subgraphs(model, batch.to(device)))
            counts = np.zeros((batch.num_graphs, len(GROUPS)), np.int64)
            np.add.at(counts, (batch.batch.numpy(), group_of_id[batch.x.numpy()]), 1)
            groups += [GROUPS[i] for i in counts.argmax(axis=1)]
    everything = np.concatenate(vectors)
    fingerprints, splits = zip(*rows, strict=True)
    table = pa.table({"fingerprint": fingerprints, "split": splits, "group": groups, "vector": _vectors(everything)})
    return table, lambda: draw_subgraphs(everything, groups)


def _graphs(run: Run, model: nn.Module, release: Release, cut: Cut) -> Level:
    config, nodes = CONFIGS["dataflow", run.config.attributes], f"node_{run.config.vocabulary}"
    key = "fingerprint" if run.config.attributes else "type_fingerprint"
    vocabulary = Vocabulary.load(release.source, release.revision)
    vectors, rows = [], []
    for split, of_split in _splits(release, config):
        columns = [key, "name", "family", nodes, "edge_index", "edge_slot", "node_scope"]
        for row in tqdm(of_split.select_columns(columns), f"embed {split}", unit="graph", disable=None):
            graph = to_graph(row, vocabulary)
            vector, num_subgraphs = embed_graph(model, graph, np.array(row[nodes]), cut)
            vectors.append(vector)
            rows.append((row[key], split, row["name"], row["family"], num_subgraphs))
    everything = np.stack(vectors)
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    table = pa.table([*columns, _vectors(everything)], names=_GRAPH_COLUMNS)
    return table, lambda: draw_graphs(everything, table.column("family").to_pylist())


def _splits(release: Release, config: str) -> Iterator[tuple[str, Dataset]]:
    for split in release.splits(config):
        yield split, load(config, split, release.source, revision=release.revision)


def _checkpoint(run: Run) -> str:
    """What tells the parameters of a run from others."""
    return blake2b((run.directory / "best.safetensors").read_bytes(), digest_size=16).hexdigest()


def _type_label(label: str) -> str:
    return label.partition("{")[0]


def _vectors(vectors: Floats) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


def _matrix(column: pa.ChunkedArray) -> Floats:
    """The inverse of `_vectors`."""
    values = column.combine_chunks()
    return values.flatten().to_numpy().reshape(len(values), -1)  # type: ignore[no-any-return]


def _normalised(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions
