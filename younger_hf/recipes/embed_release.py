"""The embeddings that a run gives the operators, subgraphs or graphs of a release, and the paper's t-SNE picture.

In go a run and a release; out come `LEVEL-embeddings.parquet` and `.png` for a level: node, subgraph or graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from datasets import Dataset
from torch import nn
from tqdm import tqdm

from younger_hf.choices import check_choice
from younger_hf.dataset import load, to_graph
from younger_hf.graph import IntArray
from younger_hf.operator_groups import GROUPS
from younger_hf.plots.embedding import FEWEST_POINTS, scatter_graphs, scatter_operators, scatter_subgraphs
from younger_hf.plots.figures import group_of
from younger_hf.recipes.batches import GraphBatch
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.embed import embed_graph, embed_operators, embed_subgraphs
from younger_hf.recipes.embedding_files import GRAPH_COLUMNS, to_parquet, vector_column
from younger_hf.recipes.run import Run
from younger_hf.recipes.training import find_device
from younger_hf.release import Release
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.vocabulary import UNKNOWN_ID, Vocabulary
from younger_hf.whole_files import write_whole

Level: TypeAlias = tuple[pa.Table, Callable[[], bytes]]
"""The table of a level, and what draws its picture."""

LEVELS: Final = ("node", "subgraph", "graph")
TOP_OPERATORS: Final = {True: 500, False: 20}
"""How many operators are in colour, with attributes and without, as in the paper."""

_BATCH: Final = 256
_SPECIAL: Final = 2  # __UNK__ and __MASK__


def write_embeddings(run: Run, level: str, output: Path, release: Release, device: str = "auto") -> list[Path]:
    """Embed a release at a level, and write vectors and picture.

    Of nodes, the file has `id`, `label`, `num_nodes`, `before`, `after`, a row an operator; of subgraphs `fingerprint`,
    `split`, `group` (what most of its operators do), `vector`; of graphs `fingerprint`, `split`, `name`, `family`,
    `num_subgraphs`, `vector`. Vectors are float32. The run is named by where it lies, seen from the file.

    Args:
        run: of either task.
        level: "node" (the operators of the vocabulary), "subgraph" or "graph".
        output: a directory; it is made if it is not there.
        release: what is embedded; of the run's vocabulary, or a later one, whose new operators are `__UNK__`.
        device: as in the run's configuration.

    Returns:
        The files; no picture where there are fewer than `FEWEST_POINTS` vectors.

    Raises:
        RunError: the run has no checkpoint, or another vocabulary than the release.
        ReleaseError: the release has no such rows.
        YoungerError: a file cannot be written.
    """
    check_choice("level", level, LEVELS)
    run.check_vocabulary(Vocabulary.load(release.source, release.revision), may_have_more=True)
    if level == "node":
        table, draw = _operators(run, release)
    else:
        model = load_best(run, find_device(device))
        table, draw = _subgraphs(run, model, release) if level == "subgraph" else _graphs(run, model, release)
    files = {f"{level}-embeddings.parquet": to_parquet(table, level, run, output, release)}
    if table.num_rows >= FEWEST_POINTS:
        files[f"{level}-embeddings.png"] = draw()
    for name, content in files.items():
        write_whole(output / name, content)
    return [output / name for name in files]


def _operators(run: Run, release: Release) -> Level:
    before, after = embed_operators(run)
    kind = run.config.vocabulary
    counts = {row["id"]: row["num_nodes"] for row in release.read("operators").to_pylist() if row["kind"] == kind}
    num_nodes = [counts[number] for number in range(len(run.labels))]
    columns = {"id": np.arange(len(run.labels)), "label": run.labels, "num_nodes": num_nodes}
    table = pa.table({**columns, "before": vector_column(before), "after": vector_column(after)})

    def draw() -> bytes:
        frequent = sorted(range(_SPECIAL, len(run.labels)), key=lambda number: (-num_nodes[number], number))
        panels = {"before training": before[frequent], "after training": after[frequent]}
        return scatter_operators(
            panels, [_type_label(run.labels[i]) for i in frequent], TOP_OPERATORS[run.config.attributes]
        )

    return table, draw


def _subgraphs(run: Run, model: nn.Module, release: Release) -> Level:
    group_of_id = np.array([GROUPS.index(group_of(_type_label(label))) for label in run.labels])
    device = next(model.parameters()).device
    vectors, groups, rows = [], [], []
    for split, of_split in _splits(release, run.config.in_form("subgraphs")):
        table = GraphTable(of_split, run.config.vocabulary)
        rows += [(fingerprint, split) for fingerprint in table.fingerprints.to_pylist()]
        for part in tqdm(list(table.parts(_BATCH)), f"embed {split}", unit="batch", disable=None):
            graphs = table.union(part)
            batch = GraphBatch.of(replace(graphs, x=known_ids(graphs.x, run)))
            vectors.append(embed_subgraphs(run.recipe, model, batch.to(device)))
            counts = np.zeros((batch.num_graphs, len(GROUPS)), np.int64)
            np.add.at(counts, (batch.batch.numpy(), group_of_id[batch.x.numpy()]), 1)
            groups += [GROUPS[i] for i in counts.argmax(axis=1)]
    everything = np.concatenate(vectors)
    fingerprints, splits = zip(*rows, strict=True)
    table = pa.table(
        {"fingerprint": fingerprints, "split": splits, "group": groups, "vector": vector_column(everything)}
    )
    return table, lambda: scatter_subgraphs(everything, groups)


def _graphs(run: Run, model: nn.Module, release: Release) -> Level:
    config, nodes, key = run.config.in_form("graphs"), f"node_{run.config.vocabulary}", run.config.graph_key
    vocabulary = Vocabulary.load(release.source, release.revision)
    vectors, rows = [], []
    for split, of_split in _splits(release, config):
        columns = [key, "name", "family", nodes, "edge_index", "edge_slot", "node_scope"]
        for row in tqdm(of_split.select_columns(columns), f"embed {split}", unit="graph", disable=None):
            graph = to_graph(row, vocabulary)
            vector, num_subgraphs = embed_graph(run.recipe, model, graph, known_ids(np.array(row[nodes]), run))
            vectors.append(vector)
            rows.append((row[key], split, row["name"], row["family"], num_subgraphs))
    everything = np.stack(vectors)
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    table = pa.table([*columns, vector_column(everything)], names=GRAPH_COLUMNS)
    return table, lambda: scatter_graphs(everything, table.column("family").to_pylist())


def known_ids(ids: IntArray, run: Run) -> IntArray:
    """The ids that a run knows; the others become `__UNK__`."""
    return np.where(ids < len(run.labels), ids, UNKNOWN_ID)


def configs_embedded(run: Run, level: str) -> tuple[str, ...]:
    """What `write_embeddings` opens of a release, for a level."""
    return ("operators",) if level == "node" else (run.config.in_form(f"{level}s"), "operators")


def _splits(release: Release, config: str) -> Iterator[tuple[str, Dataset]]:
    for split in release.splits(config):
        yield split, load(config, split, release.source, revision=release.revision)


def _type_label(label: str) -> str:
    return label.partition("{")[0]
