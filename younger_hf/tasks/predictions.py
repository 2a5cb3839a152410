"""A file of predictions that anyone can score: a leaderboard entry.

In goes what a model predicted for every label of a split; out comes a Parquet file that says which labels of which
release they are for. `check_labels` derives the labels from the release anew, so that a file can neither give labels of
its own nor leave out what was hard. A run writes its file by `younger-hf evaluate`; so can any other model:

    release = open_release("younger")
    of = EvaluationSet.of(release, "operator", "test")
    labels = of.labels(release)  # the subgraph and the node of each, and the operator that stands there
    Predictions(of, "my model", labels.append_column("y_pred", pa.array(ids))).save(Path("mine.parquet"))
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.foreign_parquet import ForeignParquetError, read_foreign
from younger_hf.parquet_files import first_line
from younger_hf.release import Release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.task import TASKS
from younger_hf.whole_files import write_whole

_METADATA: Final = b"younger_predictions"
_MOST_ROWS: Final = 1 << 27  # a file of a few bytes can hold any number of them


class PredictionsError(UsageError):
    """A file is not a predictions file, or contradicts the release."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicts for an evaluation set.

    Attributes:
        of: what it was to predict.
        model: what predicted it, in words.
        table: the labels as `EvaluationSet.labels` gives them, and `y_pred`: the probability of a data flow (float32),
            or the id of an operator (int64). Columns of other integers or floats are cast. Operator design may add
            `top`, the ten likeliest ids, and `log_probability`, theirs.

    Raises:
        UsageError: a column is missing.
    """

    of: EvaluationSet
    model: str
    table: pa.Table

    def __post_init__(self) -> None:
        task = TASKS.find(self.of.task)
        schema = task.schema
        if set(task.optional.names) & set(self.table.column_names):
            schema = task.whole_schema
        for name in schema.names:
            check_choice("column of predictions", name, self.table.column_names)
        object.__setattr__(self, "table", self.table.select(schema.names).cast(schema).combine_chunks())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """`y_true` and `y_pred` [M], or what else `Evaluator.evaluate` takes for the task.

        Raises:
            UsageError: a prediction is not as expected.
        """
        return TASKS.find(self.of.task).arrays(self.table)

    def details(self) -> dict[str, float]:
        """What the optional columns are worth; nothing where there are none.

        Raises:
            UsageError: they are not as expected.
        """
        task = TASKS.find(self.of.task)
        if task.details is None or not set(task.optional.names) <= set(self.table.column_names):
            return {}
        return task.details(self.table, self.of.vocabulary_size)

    def save(self, path: Path) -> None:
        """Write the Parquet file; the same predictions give the same bytes.

        Raises:
            YoungerError: it cannot be written.
        """
        about = json.dumps({**self.of.to_dict(), "model": self.model}, sort_keys=True)
        buffer = io.BytesIO()
        pq.write_table(self.table.replace_schema_metadata({_METADATA: about}), buffer, compression="zstd")
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read the Parquet file; its labels are as yet what it says they are.

        Raises:
            PredictionsError: it is no predictions file, or damaged.
        """
        try:
            with path.open("rb") as file:
                table = read_foreign(file, most_rows=_MOST_ROWS)
        except FileNotFoundError:
            raise PredictionsError(f"there is no file {path}") from None
        except (ForeignParquetError, OSError) as error:
            raise PredictionsError(f"{path} is no Parquet file, or damaged ({first_line(error)})") from error
        of, model = _read_about(path, table.schema.metadata or {})
        task = TASKS.find(of.task)
        expected = task.schema
        right = any(table.schema.remove_metadata().equals(schema) for schema in (expected, task.whole_schema))
        if not right or any(column.null_count for column in table.columns):
            wanted = ", ".join(f"{field.name} ({field.type})" for field in expected)
            raise PredictionsError(f"{path} must have the columns {wanted}, and no nulls")
        return cls(of, model, table)


def check_labels(predictions: Predictions, release: Release, path: Path) -> None:
    """Hold the labels of a file against those of a release.

    Args:
        predictions: what the file says.
        release: what is true.
        path: the file, for the message.

    Raises:
        PredictionsError: the file is about other rows than the release's, leaves some out, has some twice, or gives
            another label; the message says which.
    """
    of = predictions.of
    here = EvaluationSet.of(
        release,
        of.task,
        of.split,
        attributes=of.attributes,
        split_scheme=of.split_scheme,
        **asdict(of.choices),
    )
    if (here.content, here.vocabulary_size) != (of.content, of.vocabulary_size):
        raise PredictionsError(
            f"{path} is about another release: {of.config} of {of.release} has content {of.content or 'unknown'} and "
            f"{of.vocabulary_size:,} ids, that of {release.source} {here.content or 'unknown'} and "
            f"{here.vocabulary_size:,}"
        )
    if here.classes != of.classes:
        raise PredictionsError(f"{path} is scored over other classes than those that train of {release.source} has")
    truth = of.labels(release)
    given = predictions.table.select(truth.column_names)
    truth, given = _with_texts(truth), _with_texts(given)
    columns = [(name, "ascending") for name in truth.column_names]
    if given.sort_by(columns).equals(truth.sort_by(columns)):
        return
    keys = TASKS.find(of.task).keys
    for verdict, left, right, on in (
        ("leaves out", truth, given, keys),
        ("makes up", given, truth, keys),
        ("gives another label than the release to", given, truth, truth.column_names),
    ):
        odd = left.join(right, on, join_type="left anti")
        if odd.num_rows:
            first = ", ".join(f"{name} {value}" for name, value in odd.select(keys).slice(0, 1).to_pylist()[0].items())
            raise PredictionsError(
                f"{path} {verdict} {odd.num_rows:,} of the {truth.num_rows:,} labels of split {of.split}: {first}"
            )
    raise PredictionsError(f"{path} has some of its {given.num_rows:,} rows twice")


def _with_texts(table: pa.Table) -> pa.Table:
    """The table with texts in the place of lists, which Arrow neither sorts nor joins."""
    for number, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = pc.binary_join(table[field.name].cast(pa.list_(pa.string())), " ")
            table = table.set_column(number, field.name, texts)
    return table


def _read_about(path: Path, metadata: Mapping[bytes, bytes]) -> tuple[EvaluationSet, str]:
    """What a file is about, and what model it is of."""
    if _METADATA not in metadata:
        raise PredictionsError(f"{path} is no predictions file: `younger-hf evaluate RUN` writes one")
    try:
        said: Mapping[str, Any] = json.loads(metadata[_METADATA])
        if not isinstance(said["model"], str):
            raise ValueError(f"model is {said['model']!r}")
        return EvaluationSet.from_dict(said), said["model"]
    except (ValueError, TypeError, KeyError, RecursionError, UsageError) as error:
        raise PredictionsError(f"{path} does not say what it is about ({error})") from error
