"""`EvaluationSet`: all labels of a split of a release, and the choices that determine them.

In goes a release; out come the labels, in the order of its rows. A predictions file says of which evaluation set it is,
so that anyone derives the same labels anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from younger_hf.choices import check_choice
from younger_hf.dataset import load
from younger_hf.errors import UsageError
from younger_hf.release import Release
from younger_hf.schema import SPLITS
from younger_hf.settings import typed_settings
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import TASKS, Choices, Columns
from younger_hf.vocabulary import Vocabulary


@dataclass(frozen=True)
class EvaluationSet:
    """What is to be predicted: the labels of a split of a release, all of them.

    Attributes:
        task: "dataflow", "operator", or another package's.
        release: the release's directory, by its name alone, or the id of its Hub repository.
        revision: the repository's branch, tag or commit, as it was asked for.
        content: what tells the config's content from that of other releases, as the card says.
        config: "graphs", "subgraphs", or one of both without attributes.
        split: "train", "validation", "test" or "unseen".
        split_scheme: "family" or "paper".
        vocabulary_size: how many ids the release has for the config's operators.
        choices: what else the task's labels depend on: for data flow design, `LinkChoices`.
        classes: the values of `y_true` that train has, ascending: means over classes are over these, so that they do
            not depend on what is predicted. None where the task has no classes.
    """

    task: str
    release: str
    revision: str | None
    content: str
    config: str
    split: str
    split_scheme: str
    vocabulary_size: int
    choices: Choices
    classes: tuple[int, ...] | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        task = TASKS.find(self.task)
        check_choice(f"config of task {self.task}", self.config, [task.config(flag) for flag in (True, False)])
        check_choice("split", self.split, SPLITS)

    @property
    def attributes(self) -> bool:
        """Whether operators are told apart by their attributes."""
        return not self.config.endswith("-no-attributes")

    @classmethod
    def of(
        cls,
        release: Release,
        task: str,
        split: str,
        *,
        attributes: bool = True,
        split_scheme: str = "family",
        **choices: Any,
    ) -> EvaluationSet:
        """Describe the evaluation set of a release.

        Args:
            release: whose labels are meant.
            task: "dataflow", "operator", or another package's.
            split: "train", "validation", "test" or "unseen".
            attributes: whether operators are told apart by their attributes.
            split_scheme: "family" or "paper".
            choices: what else the labels depend on: for data flow design, `protocol`, `held_out` and `seed`.

        Raises:
            UsageError: there is no such task, split or choice.
            ReleaseError: the release lacks a file.
        """
        found = TASKS.find(task)
        for name in choices:
            check_choice(f"choice of task {task}", name, [field.name for field in fields(found.choices)])
        config = found.config(attributes)
        vocabulary = Vocabulary.load(release.source, release.revision)
        of = cls(
            task,
            release.name,
            release.revision,
            release.contents.get(config, ""),
            config,
            split,
            split_scheme,
            len(vocabulary.variants if attributes else vocabulary.operators),
            found.choices(**choices),
        )
        if not found.by_class:
            return of
        return replace(of, classes=classes_of(replace(of, split="train").labels(release)))

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> EvaluationSet:
        """The inverse of `to_dict`; what else is said is left.

        Raises:
            KeyError: a field is missing.
            UsageError: a field has a value that it cannot have.
        """
        names = [field.name for field in fields(cls) if field.name not in ("choices", "classes")]
        of = typed_settings(cls, {name: said[name] for name in names})
        kind = TASKS.find(of["task"]).choices
        choices = kind(**typed_settings(kind, {field.name: said[field.name] for field in fields(kind)}))
        classes = said.get("classes")
        if classes is not None:
            kinds = {type(each) for each in classes} if isinstance(classes, list) else set()
            if kinds not in ({int}, {str}, set()) or not isinstance(classes, list):
                raise UsageError(f"classes is a list of ids, or of names, or null, not {str(classes)[:50]}")
            classes = tuple(classes)
        return cls(**of, choices=choices, classes=classes)

    def to_dict(self) -> dict[str, Any]:
        """All fields and choices, in one dictionary of strings, numbers, lists of numbers and None."""
        of = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "choices"}
        if self.classes is not None:
            of["classes"] = list(self.classes)
        return of | asdict(self.choices)

    def labels(self, release: Release) -> pa.Table:
        """Derive the labels from a release; none of it needs PyTorch.

        Returns:
            `fingerprint` and, for data flow design, `producer`, `consumer`, `y_true` (bool); for operator design,
            `node` (a position in the subgraph), `y_true` (a vocabulary id); in the order of the release's rows.

        Raises:
            UsageError: the release has no such split, or there is no such split scheme.
            ReleaseError: the release lacks a file.
        """
        task = TASKS.find(self.task)
        rows = load(self.config, self.split, release.source, revision=release.revision, split_scheme=self.split_scheme)
        if not len(rows):
            return task.labels.empty_table()
        rows = task.prepare(rows, release, self.choices)
        table = GraphTable(rows, "variant" if self.attributes else "operator")
        columns = joined(list(task.derive(table, self.choices)), ("row", *task.labels.names[1:]))
        return keyed(table, columns).cast(task.labels).combine_chunks()


def joined(parts: Sequence[Columns], names: Iterable[str]) -> dict[str, Any]:
    """Columns that come in parts, each in one piece."""
    return {name: _joined([part[name] for part in parts]) for name in names}


def _joined(parts: list[Any]) -> Any:
    return pa.concat_arrays(parts) if isinstance(parts[0], pa.Array) else np.concatenate(parts)


def keyed(table: GraphTable, columns: Mapping[str, Any]) -> pa.Table:
    """A table of columns [M], with the fingerprints of the rows in the place of `row`, int64 [M]."""
    fingerprints = table.fingerprints.take(pa.array(columns["row"]))
    values = {name: _as_column(columns[name]) for name in columns if name != "row"}
    return pa.table({"fingerprint": fingerprints, **values})


def classes_of(labels: pa.Table) -> tuple[int, ...] | tuple[str, ...]:
    """The values of `y_true`, ascending."""
    return tuple(sorted(labels["y_true"].unique().to_pylist()))


def _as_column(values: Any) -> Any:
    """An array [M, K] as a column of lists; anything else as it is."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return pa.ListArray.from_arrays(ends, values.reshape(-1))
    return values
