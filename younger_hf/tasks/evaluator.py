"""`Evaluator`: the paper's metrics, for validated arrays.

In go true and predicted values, as NumPy arrays or torch tensors; out comes a row of the paper's tables. What is not
what the task expects is refused by name. scikit-learn computes the metrics, as it did for the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.tasks.arrays import Array, checked_array
from younger_hf.tasks.task import TASKS, Task

if TYPE_CHECKING:
    from younger_hf.release import Release
    from younger_hf.tasks.evaluation_set import EvaluationSet

try:
    import sklearn  # noqa: F401 - the tasks import it where they score
except ImportError as error:
    raise MissingExtraError("scikit-learn", "evaluate") from error


class Evaluator:
    """The metrics of a task, computed as they were for the paper's tables.

        evaluator = Evaluator("operator", vocabulary_size=len(vocabulary.operators))
        evaluator.evaluate({"y_true": labels, "y_pred": scores.argmax(-1)})

    Args:
        task: "dataflow" (data flow design: AUC, F1, AP), "operator" (operator design: accuracy and macro F1, precision,
            recall), the name of an installed package's task, or a `Task`.
        vocabulary_size: for operator design, the number of ids; an id beyond them is refused. None does not check.
        classes: for operator design, the ids over which F1, precision and recall are averaged; of them, those that
            occur in `y_true` count. None averages over all that occur in `y_true` or `y_pred`, so that the ids depend
            on what is predicted, as they did in the paper.

    Raises:
        UsageError: unknown task.
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(
        self, task: Task | str, vocabulary_size: int | None = None, classes: Sequence[Any] | None = None
    ) -> None:
        self.of_task = task if isinstance(task, Task) else TASKS.find(task)
        self.task = self.of_task.name
        self.vocabulary_size = vocabulary_size
        self.classes = None if classes is None else tuple(classes)

    @classmethod
    def of(cls, evaluation_set: EvaluationSet) -> Evaluator:
        """The metrics of an evaluation set, averaged over the classes that its release has labels of in train."""
        return cls(evaluation_set.task, evaluation_set.vocabulary_size, evaluation_set.classes)

    @property
    def expected_input_format(self) -> str:
        """A description of the input of `evaluate`."""
        return self.of_task.expects

    @property
    def expected_output_format(self) -> str:
        """A description of the output of `evaluate`."""
        return self.of_task.gives

    def evaluate(self, predictions: Mapping[str, Any]) -> dict[str, float]:
        """Compute the metrics.

        Args:
            predictions: `y_true` and `y_pred`, or what else `expected_input_format` describes.

        Returns:
            The metrics of the task, as described by `expected_output_format`.

        Raises:
            UsageError: the input is not as expected; the message says what is wrong.
        """
        names = self.of_task.inputs
        if not isinstance(predictions, Mapping):
            raise UsageError(f"evaluate takes a dictionary of {' and '.join(names)}, not {type(predictions).__name__}")
        if self.of_task.samples is not None and "samples" in predictions:
            return self.of_task.samples(predictions)
        arrays = [checked_array(predictions, name) for name in names]
        if len({array.shape for array in arrays}) > 1:
            first, second = arrays
            raise UsageError(f"{names[0]} has {len(first)} values and {names[1]} {len(second)}: they must go in pairs")
        return self.score_arrays(*arrays)

    def score_arrays(self, *arrays: Array) -> dict[str, float]:
        """As `evaluate`, of the inputs in their order."""
        if self.of_task.by_class:
            return self.of_task.score(*arrays, self.vocabulary_size, self.classes)
        return self.of_task.score(*arrays, self.vocabulary_size)

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
            return Evaluator.of(predictions.of).score_arrays(*predictions.arrays().values()) | predictions.details()
        except UsageError as error:
            raise PredictionsError(f"{file}: {error}") from error

    def __repr__(self) -> str:
        return f"Evaluator({self.task!r}, vocabulary_size={self.vocabulary_size})"
