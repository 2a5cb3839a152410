"""What a graph is to be learned to have: the columns that become `y`, as numbers or as classes of the release.

In go names of columns and the schema of the rows; out come `Target`s, and the numbers that stand for a column's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError, YoungerError
from younger_hf.labels import CLASS_COLUMNS, check_classes_are_shared, class_names

Names = str | Sequence[str] | None

_BOOLEAN: Final = ("False", "True")
_NOTHING: Final = pa.scalar(None, pa.int64())


@dataclass(frozen=True)
class Target:
    """A column to be predicted.

    Attributes:
        column: its name.
        classes: what the numbers 0, 1, … stand for; None where the column holds numbers.
        source: the release that the classes are of.
    """

    column: str
    classes: tuple[str, ...] | None
    source: str | Path

    def encode(self, values: pa.Array) -> pa.Array:
        """Values of the column as float32 or, classes and whole numbers, int64; null where there is none.

        Raises:
            UsageError: a text is none of the classes.
        """
        if not _is_text(values.type):
            numbers = values.cast(pa.float32() if pa.types.is_floating(values.type) else pa.int64())
            # A ClassLabel has -1 where nothing is known.
            return numbers if self.classes is None else pc.if_else(pc.less(numbers, 0), _NOTHING, numbers)
        numbers = pc.index_in(values, pa.array(self.classes, values.type)).cast(pa.int64())
        foreign = values.filter(pc.and_(pc.is_null(numbers), pc.is_valid(values)))
        if len(foreign):
            raise UsageError(
                f"{self.source} has no {self.column} {foreign[0].as_py()!r}: give the release of the rows as source="
            )
        return numbers


def find_targets(
    wanted: Names,
    schema: pa.Schema,
    source: str | Path,
    features: Mapping[str, Any] | None = None,
    split: str | None = None,
) -> tuple[Target, ...]:
    """The targets of some rows.

    Args:
        wanted: names of columns: those of numbers, of booleans, those in `CLASS_COLUMNS`, or a `ClassLabel`.
        schema: of the rows.
        source: the release that the rows are of, whose classes are taken.
        features: of the rows, which say what is a `ClassLabel`.
        split: that the rows are from, by family.

    Raises:
        UsageError: there is no such column, or it cannot be a target; the message says why.
        ReleaseError: classes are asked for, and there is no such release.
    """
    columns = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if wanted is not None and not columns:
        raise UsageError("target is a column or a list of columns, and this list is empty")
    targets = []
    for column in dict.fromkeys(columns):
        check_choice("column", column, schema.names)
        check_classes_are_shared(column, split)
        targets.append(Target(column, _classes(column, schema, source, (features or {}).get(column)), source))
    return tuple(targets)


def _classes(column: str, schema: pa.Schema, source: str | Path, feature: Any) -> tuple[str, ...] | None:
    kind = schema.field(column).type
    if isinstance(feature, datasets.ClassLabel):
        names = tuple(feature.names)
        if column in CLASS_COLUMNS and names != class_names(column, source):
            raise UsageError(
                f"column {column} is a ClassLabel whose names are not those of {source}: leave it as text, "
                f'or cast it to ClassLabel(names=list(younger_hf.labels.class_names("{column}", …)))'
            )
        return names
    if column in CLASS_COLUMNS:
        if not _is_text(kind):
            raise UsageError(f"column {column} holds {kind} and not the names that the release has there")
        return class_names(column, source)
    if pa.types.is_boolean(kind):
        return _BOOLEAN
    if not _is_number(kind):
        fit = [field.name for field in schema if _is_number(field.type) or field.name in CLASS_COLUMNS]
        raise UsageError(f"column {column} cannot be a target, it is {kind}: there is {', '.join(fit)}")
    return None


def check_all_known(target: Target, column: pa.ChunkedArray, positions: Any) -> None:
    """Refuse rows without the target before any is met in training.

    Args:
        target: the target.
        column: of all rows.
        positions: int64 [R], those that are meant; None for all.

    Raises:
        YoungerError: some rows have none; the message says how to leave them out.
    """
    if column.null_count:
        missing = column.is_null() if positions is None else column.is_null().take(pa.array(positions))
        if count := missing.to_numpy().sum():
            raise YoungerError(f"{count} of {len(missing)} rows have no {target.column}: {how_to_filter(target)}")


def how_to_filter(target: Target) -> str:
    """What leaves out rows without the target."""
    return f"leave them out by rows.filter(lambda value: value is not None, input_columns={target.column!r})"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))
