"""Operator design (masked node classification): which operators stand at a subgraph's boundary (paper, local paradigm).

A subgraph is a community and its boundary; the operators of the boundary are masked, and are the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.boundaries import BOUNDARIES, with_boundary
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import Choices, Columns, Task
from younger_hf.vocabulary import MASK_ID

TOP: Final = 10
"""So many of the likeliest operators a file of predictions may hold."""

_PART: Final = 1 << 12
_TOPS: Final = (3, 5, 10)
_BINS: Final = 15


@dataclass(frozen=True)
class BoundaryChoices(Choices):
    """Which operators are to be predicted.

    Attributes:
        boundary: "both", or "successors" alone.
    """

    boundary: str = "both"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, BOUNDARIES)


def derive(table: GraphTable, choices: BoundaryChoices) -> Iterator[Columns]:
    """The nodes at the boundaries, and the operators that stand there."""
    for rows in table.parts(_PART):
        graphs, position = with_boundary(table.union(rows), choices.boundary)
        of = np.searchsorted(graphs.ptr, graphs.boundary, side="right") - 1
        yield {"row": rows[of], "node": position[graphs.boundary], "y_true": graphs.x[graphs.boundary]}


def score(
    y_true: Array, y_pred: Array, vocabulary_size: int | None, classes: Sequence[int] | None = None
) -> dict[str, float]:
    """Accuracy, and the means over operators of F1, precision and recall."""
    from sklearn import metrics

    for name, ids in (("y_true", y_true), ("y_pred", y_pred)):
        check_kind(name, ids, "iu", "integer, vocabulary ids")
        check_values(name, ids, ids >= 0, "no id of the vocabulary")
        if vocabulary_size is not None:
            last = vocabulary_size - 1
            check_values(name, ids, ids <= last, f"no id of the vocabulary, which ends with {last}")
    check_values("y_true", y_true, y_true != MASK_ID, "the mask: give the operators that it hides")
    accuracy = float(metrics.accuracy_score(y_true, y_pred))
    counted = None if classes is None else np.intersect1d(y_true, np.asarray(classes, np.int64))
    if counted is not None and not len(counted):
        return {"accuracy": accuracy, "f1": 0.0, "precision": 0.0, "recall": 0.0}
    macro = metrics.precision_recall_fscore_support(y_true, y_pred, labels=counted, average="macro", zero_division=0)
    precision, recall, f1 = map(float, macro[:3])
    return {"accuracy": accuracy, "f1": f1, "precision": precision, "recall": recall}


def details(table: pa.Table, vocabulary_size: int) -> dict[str, float]:
    """How often the operator is among the likeliest, and the calibration of the first.

    Returns:
        `top3`, `top5`, `top10`: shares. `ece`: the expected calibration error, of 15 bins of equal width (Guo et al.,
        "On calibration of modern neural networks", ICML 2017).
    """
    lists, scores = (table[name].combine_chunks() for name in ("top", "log_probability"))
    lengths, of_scores = (column.value_lengths().to_numpy(zero_copy_only=False) for column in (lists, scores))
    y_true, y_pred = (table[name].to_numpy() for name in ("y_true", "y_pred"))
    num = min(TOP, vocabulary_size)
    check_values("top", lengths, lengths == num, f"and {num} operators are to be named")
    check_values("log_probability", of_scores, of_scores == lengths, f"and {num} are to be given")
    if lists.flatten().null_count or scores.flatten().null_count:
        raise UsageError("top and log_probability must have no nulls")
    top, score_of = (column.flatten().to_numpy().reshape(-1, num) for column in (lists, scores))
    flat = top.reshape(-1)
    check_values("top", flat, (flat >= 0) & (flat < vocabulary_size), "no id of the vocabulary")
    check_values("top", flat.reshape(-1, num)[:, 0], top[:, 0] == y_pred, "and y_pred another: the first is y_pred")
    repeats = (np.diff(np.sort(top, axis=1), axis=1) == 0).any(axis=1)
    check_values("top", top[:, 0], ~repeats, "the first of ids of which one is there twice")
    # -inf is the logarithm of 0; float32 may round a sum of probabilities up.
    flat_scores = score_of.reshape(-1)
    check_values("log_probability", flat_scores, flat_scores <= 1e-6, "the logarithm of no probability")
    ordered = (score_of[:, 1:] <= score_of[:, :-1]).all(axis=1)
    check_values("log_probability", score_of[:, 0], ordered, "and not the largest comes first")
    total = np.exp(score_of.astype(np.float64)).sum(axis=1)
    check_values("log_probability", total, total <= 1 + 1e-4, "the sum of the probabilities, more than 1")
    hit = top == y_true[:, None]
    shares = {f"top{k}": float(hit[:, :k].any(axis=1).mean()) for k in _TOPS}
    confidence = np.exp(score_of[:, 0].astype(np.float64))
    which = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gap = np.bincount(which, hit[:, 0] - confidence, _BINS)
    return {**shares, "ece": float(np.abs(gap).sum() / len(y_true))}


TASK: Final = Task(
    name="operator",
    title="operator design",
    table="subgraphs",
    metrics=("accuracy", "f1", "precision", "recall"),
    labels=pa.schema([("fingerprint", pa.string()), ("node", pa.int64()), ("y_true", pa.int64())]),
    prediction=pa.field("y_pred", pa.int64()),
    optional=pa.schema([("top", pa.list_(pa.int64())), ("log_probability", pa.list_(pa.float32()))]),
    derive=derive,
    score=score,
    details=details,
    by_class=True,
    choices=BoundaryChoices,
    expects="""\
Operator design (masked node classification): {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: integer [M], the vocabulary id of each masked node's operator, all masked nodes of all subgraphs in a row
- y_pred: integer [M], the id that is predicted for it: scores.argmax(-1), not the scores""",
    gives="""\
{"accuracy": float, "f1": float, "precision": float, "recall": float}, each from 0 to 1
- accuracy: share of the masked nodes whose operator is predicted
- f1, precision, recall: mean over operators, each counting the same; precision is 0 for one that is never predicted.
  The operators are those of `classes` that occur in y_true; without `classes`, all that occur in y_true or y_pred""",
)
