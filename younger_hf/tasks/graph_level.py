"""Graph-level tasks: what a whole graph is for, whose family it is, or what it costs.

The target is a column of the release. Where it holds texts or truth values they are classes, and numbers are regressed.
Targets of configs `measurements` and `evaluations` are numbers too. Rows without the target are no labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from younger_hf.choices import check_choice
from younger_hf.labels import CLASS_COLUMNS
from younger_hf.release import Release
from younger_hf.schema import DEFAULT_CONFIG, features
from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.results import RESULTS, with_result
from younger_hf.tasks.task import Choices, Columns, Task

_COLUMNS: Final = {
    name: feature.dtype for name, feature in features(DEFAULT_CONFIG).items() if hasattr(feature, "dtype")
}
CLASSES: Final = (*CLASS_COLUMNS, *(name for name, kind in _COLUMNS.items() if kind == "bool" and name != "exact"))
"""The targets whose values are classes."""

NUMBERS: Final = (*(name for name, kind in _COLUMNS.items() if kind in ("int64", "float64")), *RESULTS)
"""The targets whose values are numbers."""


@dataclass(frozen=True)
class TargetChoices(Choices):
    """What is to be predicted.

    Attributes:
        target: a column.
    """

    target: str = "task"


def derive(table: GraphTable, choices: TargetChoices) -> Iterator[Columns]:
    """The rows that have the target, and what it is."""
    values = table.column(choices.target)
    known = pc.indices_nonzero(pc.is_valid(values)).cast(pa.int64())
    found = values.take(known)
    if pa.types.is_boolean(found.type):
        found = pc.if_else(found, "True", "False")
    is_class = choices.target in CLASSES
    yield {"row": known.to_numpy(), "y_true": found.cast(pa.string() if is_class else pa.float64())}


def prepare(rows: Any, release: Release, choices: TargetChoices) -> Any:
    """The rows with the target as a column."""
    return with_result(rows, release, choices.target) if choices.target in RESULTS else rows


def score_classes(
    y_true: Array, y_pred: Array, _: int | None, classes: Sequence[str] | None = None
) -> dict[str, float]:
    """Accuracy, and the mean over classes of F1."""
    from sklearn import metrics

    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        check_values(
            name, values, np.array([isinstance(value, str) for value in values]), "no text, the name of a class"
        )
    counted = None if classes is None else [name for name in sorted({*y_true.tolist()}) if name in set(classes)]
    f1 = 0.0
    if counted is None or counted:
        f1 = float(metrics.f1_score(y_true, y_pred, labels=counted, average="macro", zero_division=0))
    return {"accuracy": float(metrics.accuracy_score(y_true, y_pred)), "f1": f1}


def score_numbers(y_true: Array, y_pred: Array, _: int | None) -> dict[str, float]:
    """Kendall's tau, the share within a tenth, and the mean absolute error of the logarithm."""
    from scipy.stats import kendalltau

    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        check_kind(name, values, "iuf", "integer or floating point")
        check_values(name, values, np.isfinite(values), "no number")
        check_values(name, values, values >= 0, "and no target is below 0")
    y_true, y_pred = y_true.astype(np.float64), y_pred.astype(np.float64)
    # Without two different values there is no order to agree on.
    tau = kendalltau(y_true, y_pred).statistic if len({*y_true}) > 1 and len({*y_pred}) > 1 else 0.0
    return {
        "tau": float(tau),
        "within10": float((np.abs(y_pred - y_true) <= 0.1 * y_true).mean()),
        "mae": float(np.abs(np.log10(1 + y_pred) - np.log10(1 + y_true)).mean()),
    }


def task_of(target: str) -> Task:
    """The task whose target is a column.

    Raises:
        UsageError: no column of this name can be a target.
    """
    check_choice("target", target, (*CLASSES, *NUMBERS))
    return CLASS_TASK if target in CLASSES else NUMBER_TASK


@dataclass(frozen=True)
class ClassChoices(TargetChoices):
    """A target whose values are classes."""

    def __post_init__(self) -> None:
        check_choice("target of classes", self.target, CLASSES)


@dataclass(frozen=True)
class NumberChoices(TargetChoices):
    """A target whose values are numbers."""

    target: str = "macs"

    def __post_init__(self) -> None:
        check_choice("target of numbers", self.target, NUMBERS)


CLASS_TASK: Final = Task(
    name="graph-class",
    title="graph classification",
    table="graphs",
    metrics=("accuracy", "f1"),
    labels=pa.schema([("fingerprint", pa.string()), ("y_true", pa.string())]),
    prediction=pa.field("y_pred", pa.string()),
    derive=derive,
    score=score_classes,
    choices=ClassChoices,
    by_class=True,
    expects="""\
Graph classification: {"y_true": y_true, "y_pred": y_pred}, NumPy arrays of texts
- y_true: [M], the name of each graph's class
- y_pred: [M], the name that is predicted""",
    gives="""\
{"accuracy": float, "f1": float}, each from 0 to 1
- accuracy: share of the graphs whose class is predicted
- f1: mean over the classes that occur in y_true and, with `classes`, in these""",
)

NUMBER_TASK: Final = Task(
    name="graph-value",
    title="graph regression",
    table="graphs",
    metrics=("tau", "within10", "mae"),
    labels=pa.schema([("fingerprint", pa.string()), ("y_true", pa.float64())]),
    prediction=pa.field("y_pred", pa.float64()),
    derive=derive,
    score=score_numbers,
    choices=NumberChoices,
    losses=("mae",),
    prepare=prepare,
    expects="""\
Graph regression: {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: [M], what is true of each graph, 0 or more
- y_pred: [M], what is predicted, 0 or more""",
    gives="""\
{"tau": float, "within10": float, "mae": float}
- tau: Kendall's tau-b, from -1 to 1
- within10: share of the graphs whose value is predicted to a tenth of it, as NNLQP reports it
- mae: mean absolute error of log10(1 + value)""",
)
