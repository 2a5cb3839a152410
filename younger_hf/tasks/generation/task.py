"""Generation: how likely a model finds the graphs of a split, and, of graphs that it makes, what they are worth.

A run is scored by its negative log-likelihood of each graph as a sequence of decisions. The order of nodes is part of
what the sequence says, and drawn for each graph by its fingerprint, so that all models see the same ones.
`Evaluator("generation")` scores samples as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from younger_hf.errors import UsageError
from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.generation.slotted import SlottedGraph, random_order, rows_of, slotted_graphs
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import Choices, Columns, Task

_ORDERS_SEED: Final = 12345


@dataclass(frozen=True)
class GenerationChoices(Choices):
    """Which graphs are meant.

    Attributes:
        max_nodes: the largest.
    """

    max_nodes: int = 40

    def __post_init__(self) -> None:
        if self.max_nodes < 2:
            raise UsageError(f"max_nodes is 2 or more, not {self.max_nodes}")


def evaluation_graphs(table: GraphTable, max_nodes: int) -> Iterator[tuple[int, SlottedGraph]]:
    """The rows of a split that are scored, each with its graph in an order that its fingerprint decides."""
    rows = rows_of(table, max_nodes)
    for row, graph in zip(rows.tolist(), slotted_graphs(table, rows.tolist()), strict=True):
        generator = np.random.default_rng([_ORDERS_SEED, *table.fingerprints[row].as_py().encode()])
        yield row, graph.reordered(random_order(graph, generator))


def derive(table: GraphTable, choices: GenerationChoices) -> Iterator[Columns]:
    """The rows that are scored, and how many nodes they have."""
    rows = rows_of(table, choices.max_nodes)
    yield {"row": rows, "y_true": table.num_nodes[rows]}


def score(y_true: Array, y_pred: Array, _: int | None) -> dict[str, float]:
    """Negative log-likelihood, in nats: the mean of graphs, and that of nodes."""
    check_kind("y_true", y_true, "iu", "integer, numbers of nodes")
    check_values("y_true", y_true, y_true > 0, "and no graph has fewer nodes than one")
    check_kind("y_pred", y_pred, "f", "floating point, in nats")
    check_values("y_pred", y_pred, np.isfinite(y_pred), "no number")
    return {"nll": float(y_pred.mean()), "nats_per_node": float(y_pred.sum() / y_true.sum())}


def figures(given: Mapping[str, Any]) -> dict[str, float]:
    """As `younger_hf.tasks.generation.figures.figures_of`, which imports what it needs."""
    from younger_hf.tasks.generation.figures import figures_of

    return figures_of(given)


TASK: Final = Task(
    name="generation",
    title="generation",
    table="subgraphs",
    metrics=("nll", "nats_per_node"),
    labels=pa.schema([("fingerprint", pa.string()), ("y_true", pa.int64())]),
    prediction=pa.field("y_pred", pa.float64()),
    derive=derive,
    score=score,
    choices=GenerationChoices,
    losses=("nll", "nats_per_node"),
    is_claimed=True,
    samples=figures,
    expects="""\
Generation, of samples: {"samples": samples, "train": train, "test": test, "labels": labels}
- samples, train, test: lists of younger_hf.tasks.generation.slotted.SlottedGraph
- labels: what the vocabulary ids in them stand for
Of likelihoods: {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: [M], integer, how many nodes each graph has
- y_pred: [M], floating point, its negative log-likelihood in nats""",
    gives="""\
Of samples: {"v1": float, "v2": float, "unique": float, "novel": float, "novel_types": float, "useful": float, ...}
- v1: share that is acyclic, in one piece, with slots as the schema has them
- v2: share of which, besides, required inputs are filled and element types unify
- unique, novel, novel_types: share of distinct fingerprints; of fingerprints (with types alone) that train lacks
- useful: share that is v2, and new, and the first of its kind
- mmd_*: squared maximum mean discrepancy to test, divided by that of train to test
- auc: of a classifier that tells samples from test graphs, 0.5 where it cannot
Of likelihoods: {"nll": float, "nats_per_node": float}""",
)
