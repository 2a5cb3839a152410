"""`Task`: what is predicted from a release, and how predictions are scored.

A built-in task is one file here and a line in `TASKS`. Other packages add theirs by entry points of the group
`younger_hf.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.extensions import Extensions
from younger_hf.tasks.graph_table import GraphTable

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays of one length by name: `row`, int64, the row of a split, and the columns of a task's labels but the key."""


@dataclass(frozen=True)
class Choices:
    """What determines the labels besides the split; most tasks need nothing, and use this class."""

    def shown(self) -> dict[str, Any]:
        """The columns that a row of scores has for it."""
        return asdict(self)


@dataclass(frozen=True)
class Task:
    """What is predicted, and how predictions are scored.

    Attributes:
        name: "operator".
        title: in words: "operator design".
        table: the config of a release that has its rows, where operators have attributes: "subgraphs".
        metrics: in the order of a table's columns.
        labels: the columns of its labels: the key `fingerprint` (string) first, what else tells labels of a row apart,
            `y_true` last.
        prediction: the column `y_pred`.
        derive: the labels of a split: of a `GraphTable` and the task's `Choices`, in the order of the rows, in parts of
            any size.
        score: the metrics by name, of `y_true` and `y_pred`, each [M], and how many operator ids there are, or None;
            a `UsageError` names what is not as expected.
        expects: what `score` takes, for people.
        gives: what `score` gives, for people.
        choices: what else says which labels are meant, a dataclass whose values are strings, numbers or None.
    """

    name: str
    title: str
    table: str
    metrics: tuple[str, ...]
    labels: pa.Schema
    prediction: pa.Field
    derive: Callable[[GraphTable, Any], Iterator[Columns]]
    score: Callable[[NDArray[Any], NDArray[Any], int | None], dict[str, float]]
    expects: str = ""
    gives: str = ""
    choices: type[Choices] = Choices

    @property
    def keys(self) -> list[str]:
        """The columns that tell its labels apart."""
        return [name for name in self.labels.names if name != "y_true"]

    @property
    def schema(self) -> pa.Schema:
        """The columns of a predictions file."""
        return self.labels.append(self.prediction)

    def config(self, attributes: bool) -> str:
        """The config of a release that has its rows, with attributes or without."""
        return self.table if attributes else f"{self.table}-no-attributes"


TASKS: Final[Extensions[Task]] = Extensions(
    kind="task",
    group="younger_hf.tasks",
    type=Task,
    built_in={
        "dataflow": "younger_hf.tasks.dataflow:TASK",
        "operator": "younger_hf.tasks.operator:TASK",
    },
)
"""All tasks by name; `TASKS.find(name)` gives one."""
