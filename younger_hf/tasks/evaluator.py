"""`Evaluator`: the metrics of the paper, for arrays that have been checked.

In go true and predicted values, as NumPy arrays or torch tensors; out comes a row of the paper's tables. What is not
what the task expects is refused by name. scikit-learn computes the metrics, as it did for the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.vocabulary import MASK_ID

if TYPE_CHECKING:
    from younger_hf.release import Release

try:
    from sklearn import metrics
except ImportError as error:
    raise MissingExtraError("scikit-learn", "evaluate") from error

METRICS: Final[dict[str, tuple[str, ...]]] = {
    "dataflow": ("auc", "f1", "ap"),
    "operator": ("accuracy", "f1", "precision", "recall"),
}
"""The metrics of each task, in the order of the paper's tables."""

THRESHOLD: Final = 0.5
"""A data flow is predicted where its probability is above this."""

_INPUT: Final = {
    "dataflow": """\
Data flow design (link prediction): {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: bool or integer [M], 1 where the pair of nodes has a data flow and 0 where it has none; both occur
- y_pred: floating point [M], the probability, from 0 to 1, that it has one: sigmoid(logit), not the logit""",
    "operator": """\
Operator design (masked node classification): {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: integer [M], the vocabulary id of each masked node's operator, all masked nodes of all subgraphs in a row
- y_pred: integer [M], the id that is predicted for it: scores.argmax(-1), not the scores""",
}
_OUTPUT: Final = {
    "dataflow": """\
{"auc": float, "f1": float, "ap": float}, each from 0 to 1
- auc: area under the receiver operating characteristic
- f1: F1 score, a data flow being predicted where y_pred > 0.5
- ap: average precision""",
    "operator": """\
{"accuracy": float, "f1": float, "precision": float, "recall": float}, each from 0 to 1
- accuracy: share of the masked nodes whose operator is predicted
- f1, precision, recall: mean over the operators that occur in y_true or y_pred, each counting the same; precision is 0
  for one that is never predicted, recall is 0 for one that is never true""",
}

Array = NDArray[Any]


class Evaluator:
    """The metrics of a task, computed as they were for the paper's tables.

        evaluator = Evaluator("operator", vocabulary_size=len(vocabulary.operators))
        evaluator.evaluate({"y_true": labels, "y_pred": scores.argmax(-1)})

    Args:
        task: "dataflow" (data flow design: AUC, F1, AP) or "operator" (operator design: accuracy and macro F1,
            precision, recall).
        vocabulary_size: for operator design, the number of ids; an id beyond them is refused. None does not check.

    Raises:
        UsageError: unknown task.
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(self, task: Literal["dataflow", "operator"] | str, vocabulary_size: int | None = None) -> None:
        check_choice("task", task, METRICS)
        self.task = task
        self.vocabulary_size = vocabulary_size

    @property
    def expected_input_format(self) -> str:
        """A description of the input of `evaluate`."""
        return _INPUT[self.task]

    @property
    def expected_output_format(self) -> str:
        """A description of the output of `evaluate`."""
        return _OUTPUT[self.task]

    def evaluate(self, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Compute the metrics.

        Args:
            predictions: `y_true` and `y_pred`, as described by `expected_input_format`.

        Returns:
            The metrics of `METRICS[task]`, as described by `expected_output_format`.

        Raises:
            UsageError: the input is not as expected; the message says what is wrong.
        """
        if not isinstance(predictions, Mapping):
            raise UsageError(f"evaluate takes a dictionary of y_true and y_pred, not {type(predictions).__name__}")
        y_true, y_pred = (_array(predictions, name) for name in ("y_true", "y_pred"))
        if y_true.shape != y_pred.shape:
            raise UsageError(f"y_true has {len(y_true)} values and y_pred {len(y_pred)}: they must go in pairs")
        return self._dataflow(y_true, y_pred) if self.task == "dataflow" else self._operator(y_true, y_pred)

    @staticmethod
    def score(file: str | Path, release: Release | str | Path | None = None) -> dict[str, float]:
        """Compute the metrics of a predictions file, which states its task.

        Args:
            file: a Parquet file, as written by `younger-hf evaluate RUN` or `Predictions.save`.
            release: check the labels against this release: a `Release`, a directory, or the id of a Hub repository,
                optionally followed by `@` and a revision. None trusts the labels in the file.

        Returns:
            As `evaluate`.

        Raises:
            PredictionsError: the file is not a predictions file, its predictions are invalid, or its labels differ
                from the release's.
            ReleaseError: the release is missing.
        """
        from younger_hf.release import Release, open_named
        from younger_hf.tasks.predictions import Predictions, PredictionsError, check_labels

        predictions = Predictions.load(Path(file))
        if release is not None:
            opened = release if isinstance(release, Release) else open_named(str(release))
            check_labels(predictions, opened, Path(file))
        try:
            return Evaluator(predictions.of.task, predictions.of.vocabulary_size).evaluate(predictions.arrays())
        except UsageError as error:
            raise PredictionsError(f"{file}: {error}") from error

    def __repr__(self) -> str:
        return f"Evaluator({self.task!r}, vocabulary_size={self.vocabulary_size})"

    def _dataflow(self, y_true: Array, y_pred: Array) -> dict[str, float]:
        _check_kind("y_true", y_true, "biu", "bool or integer")
        _check_kind("y_pred", y_pred, "f", "floating point, probabilities")
        _check_values("y_true", y_true, (y_true == 0) | (y_true == 1), "neither 0 nor 1")
        _check_values("y_pred", y_pred, ~np.isnan(y_pred), "no probability")
        within = (y_pred >= 0) & (y_pred <= 1)
        _check_values("y_pred", y_pred, within, "no probability: give sigmoid(logit), not the logit")
        if y_true.all() or not y_true.any():
            raise UsageError(f"y_true is {int(y_true[0])} everywhere: without both 0 and 1 there is no AUC")
        return {
            "auc": float(metrics.roc_auc_score(y_true, y_pred)),
            "f1": float(metrics.f1_score(y_true, y_pred > THRESHOLD, zero_division=0)),
            "ap": float(metrics.average_precision_score(y_true, y_pred)),
        }

    def _operator(self, y_true: Array, y_pred: Array) -> dict[str, float]:
        for name, ids in (("y_true", y_true), ("y_pred", y_pred)):
            _check_kind(name, ids, "iu", "integer, vocabulary ids")
            _check_values(name, ids, ids >= 0, "no id of the vocabulary")
            if self.vocabulary_size is not None:
                last = self.vocabulary_size - 1
                _check_values(name, ids, ids <= last, f"no id of the vocabulary, which ends with {last}")
        _check_values("y_true", y_true, y_true != MASK_ID, "the mask: give the operators that it hides")
        macro = metrics.precision_recall_fscore_support(y_true, y_pred, average="macro", zero_division=0)
        precision, recall, f1 = map(float, macro[:3])
        accuracy = float(metrics.accuracy_score(y_true, y_pred))
        return {"accuracy": accuracy, "f1": f1, "precision": precision, "recall": recall}


def _array(predictions: Mapping[str, Any], name: str) -> Array:
    """A value of the dictionary as a NumPy array of one dimension, at least one element long."""
    if name not in predictions:
        raise UsageError(f"{name} is missing: there is {', '.join(map(str, predictions)) or 'nothing'}")
    value = predictions[name]
    if type(value).__module__.partition(".")[0] == "torch":
        # NumPy has no bfloat16; every other floating point number is the same as a double.
        value = (value.detach().double() if value.is_floating_point() else value.detach()).cpu().numpy()
    if not isinstance(value, np.ndarray):
        raise UsageError(f"{name} must be a NumPy array or a torch tensor, not {type(value).__name__}")
    if value.ndim != 1 or not value.size:
        raise UsageError(f"{name} must be of shape [M], one value or more in a row, not {list(value.shape)}")
    return value


def _check_kind(name: str, values: Array, kinds: str, expected: str) -> None:
    if values.dtype.kind not in kinds:
        raise UsageError(f"{name} must be {expected}, not {values.dtype}")


def _check_values(name: str, values: Array, good: Array, verdict: str) -> None:
    bad = np.flatnonzero(~good)
    if bad.size:
        raise UsageError(f"{name}[{bad[0]}] is {values[bad[0]]}, {verdict}")
