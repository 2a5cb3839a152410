"""Operator design (masked node classification): which operators stand at a subgraph's boundary (paper, local paradigm).

A subgraph is a community and its boundary; the operators of the boundary are masked, and are the labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import Choices, Columns, Task
from younger_hf.vocabulary import MASK_ID

_PART: Final = 1 << 12


def derive(table: GraphTable, _: Choices) -> Iterator[Columns]:
    """The nodes at the boundaries, and the operators that stand there."""
    for rows in table.parts(_PART):
        graphs = table.union(rows)
        of = np.searchsorted(graphs.ptr, graphs.boundary, side="right") - 1
        yield {"row": rows[of], "node": graphs.boundary - graphs.ptr[of], "y_true": graphs.x[graphs.boundary]}


def score(y_true: Array, y_pred: Array, vocabulary_size: int | None) -> dict[str, float]:
    """Accuracy, and the means over operators of F1, precision and recall."""
    from sklearn import metrics

    for name, ids in (("y_true", y_true), ("y_pred", y_pred)):
        check_kind(name, ids, "iu", "integer, vocabulary ids")
        check_values(name, ids, ids >= 0, "no id of the vocabulary")
        if vocabulary_size is not None:
            last = vocabulary_size - 1
            check_values(name, ids, ids <= last, f"no id of the vocabulary, which ends with {last}")
    check_values("y_true", y_true, y_true != MASK_ID, "the mask: give the operators that it hides")
    macro = metrics.precision_recall_fscore_support(y_true, y_pred, average="macro", zero_division=0)
    precision, recall, f1 = map(float, macro[:3])
    accuracy = float(metrics.accuracy_score(y_true, y_pred))
    return {"accuracy": accuracy, "f1": f1, "precision": precision, "recall": recall}


TASK: Final = Task(
    name="operator",
    title="operator design",
    table="subgraphs",
    metrics=("accuracy", "f1", "precision", "recall"),
    labels=pa.schema([("fingerprint", pa.string()), ("node", pa.int64()), ("y_true", pa.int64())]),
    prediction=pa.field("y_pred", pa.int64()),
    derive=derive,
    score=score,
    expects="""\
Operator design (masked node classification): {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: integer [M], the vocabulary id of each masked node's operator, all masked nodes of all subgraphs in a row
- y_pred: integer [M], the id that is predicted for it: scores.argmax(-1), not the scores""",
    gives="""\
{"accuracy": float, "f1": float, "precision": float, "recall": float}, each from 0 to 1
- accuracy: share of the masked nodes whose operator is predicted
- f1, precision, recall: mean over the operators that occur in y_true or y_pred, each counting the same; precision is 0
  for one that is never predicted, recall is 0 for one that is never true""",
)
