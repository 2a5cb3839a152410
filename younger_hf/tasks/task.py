"""`Task`: what is predicted from a release, and how predictions are scored.

A built-in task is one file here and a line in `TASKS`. Other packages add theirs by entry points of the group
`younger_hf.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.extensions import Extensions
from younger_hf.release import Release
from younger_hf.tasks.graph_table import GraphTable

Columns: TypeAlias = Mapping[str, Any]
"""By name, arrays of one length, of NumPy or, for lists, of Arrow: `row`, int64, the row of a split, and the columns of
a task's labels but the key."""


@dataclass(frozen=True)
class Choices:
    """What determines the labels besides the split; most tasks need nothing, and use this class."""

    def shown(self) -> dict[str, Any]:
        """The columns that a row of scores has for it."""
        return asdict(self)


def columns(table: pa.Table) -> dict[str, NDArray[Any]]:
    """`y_true` and `y_pred`, [M] each."""
    return {name: table.column(name).to_numpy() for name in ("y_true", "y_pred")}


@dataclass(frozen=True)
class Task:
    """What is predicted, and how predictions are scored.

    Attributes:
        name: "operator".
        title: in words: "operator design".
        table: the config of a release that has its rows, where operators have attributes: "subgraphs".
        metrics: in the order of a table's columns.
        labels: the columns of its labels: the key `fingerprint` (string) first, what else tells labels of a row apart
            or what predictions have to know of them, `y_true` last.
        prediction: the column `y_pred`.
        optional: further columns that predictions may have, all or none of them.
        derive: the labels of a split: of a `GraphTable` and the task's `Choices`, in the order of the rows, in parts of
            any size.
        score: the metrics by name, of the inputs, each [M], and how many operator ids there are, or None; where the
            task is `by_class`, also the classes that count in means, or None. A `UsageError` names what is not as
            expected.
        expects: what `score` takes, for people.
        gives: what `score` gives, for people.
        choices: what else says which labels are meant, a dataclass whose values are strings, numbers or None.
        losses: the metrics of which less is better.
        is_claimed: whether predictions are scores of the model's own, such as likelihoods, that labels cannot confirm.
        by_class: whether `y_true` is a class, so that metrics may be means over classes.
        inputs: what `score` takes, by name.
        arrays: the inputs of a table of predictions; a `UsageError` names what is not as expected.
        samples: further metrics, where `Evaluator.evaluate` is given samples of a generator: of its whole input.
        details: further metrics by name, of a table of predictions that has the optional columns.
        prepare: the rows of a split with what the labels need of other configs, as further columns: of the rows, a
            `datasets.Dataset`, the release, and the task's `Choices`.
    """

    name: str
    title: str
    table: str
    metrics: tuple[str, ...]
    labels: pa.Schema
    prediction: pa.Field
    derive: Callable[[GraphTable, Any], Iterator[Columns]]
    score: Callable[..., dict[str, float]]
    expects: str = ""
    gives: str = ""
    choices: type[Choices] = Choices
    optional: pa.Schema = field(default_factory=lambda: pa.schema([]))
    losses: tuple[str, ...] = ()
    is_claimed: bool = False
    by_class: bool = False
    inputs: tuple[str, ...] = ("y_true", "y_pred")
    arrays: Callable[[pa.Table], dict[str, NDArray[Any]]] = columns
    samples: Callable[[Mapping[str, Any]], dict[str, float]] | None = None
    details: Callable[[pa.Table, int], dict[str, float]] | None = None
    prepare: Callable[[Any, Release, Any], Any] = lambda rows, *_: rows

    @property
    def keys(self) -> list[str]:
        """The columns that tell its labels apart."""
        return [name for name in self.labels.names if name != "y_true"]

    @property
    def schema(self) -> pa.Schema:
        """The columns of a predictions file."""
        return self.labels.append(self.prediction)

    @property
    def whole_schema(self) -> pa.Schema:
        """The columns of a predictions file that has the optional ones."""
        return pa.schema([*self.schema, *self.optional])

    def config(self, attributes: bool) -> str:
        """The config of a release that has its rows, with attributes or without."""
        return self.table if attributes else f"{self.table}-no-attributes"


TASKS: Final[Extensions[Task]] = Extensions(
    kind="task",
    group="younger_hf.tasks",
    type=Task,
    built_in={
        "slots": "younger_hf.tasks.slots:TASK",
        "dataflow": "younger_hf.tasks.dataflow:TASK",
        "operator": "younger_hf.tasks.operator:TASK",
        "graph-class": "younger_hf.tasks.graph_level:CLASS_TASK",
        "graph-value": "younger_hf.tasks.graph_level:NUMBER_TASK",
        "generation": "younger_hf.tasks.generation.task:TASK",
    },
)
"""All tasks by name; `TASKS.find(name)` gives one."""
