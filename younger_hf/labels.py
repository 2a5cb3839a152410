"""Labels for learning: the classes that a column of a release has, in one order for all splits and configs.

In goes the name of a column; out come its classes, of which a class's position is its number. `class_encode_column` of
`datasets` numbers the names of one split, and another split's differently.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.release import Release, open_release
from younger_hf.schema import DEFAULT_CONFIG, SPLITS

CLASS_COLUMNS: Final = ("task", "family", "library", "license", "source", "origin", "exporter")
"""The columns whose texts are classes."""


def class_names(column: str, source: str | Path = "younger", revision: str | None = None) -> tuple[str, ...]:
    """The classes of a column, sorted by name: every text that a row of config `graphs` has there, in any split.

        class_names("task")  # ("image-classification", "object-detection", …)
        rows.cast_column("task", datasets.ClassLabel(names=list(class_names("task"))))

    The other configs have no others. A later release may have more classes, and number them anew. The classes are kept,
    so that further calls are cheap.

    Args:
        column: one of `CLASS_COLUMNS`.
        source: a release directory, or the id of a Hub dataset repository.
        revision: the repository's branch, tag or commit.

    Raises:
        UsageError: the column has no classes; the message suggests close matches.
        ReleaseError: there is no such release, or it cannot be read.
    """
    check_choice("column of classes", column, CLASS_COLUMNS)
    release = open_release(source, revision)
    # As for `Vocabulary.load`: a release directory can be built anew under the same name.
    stamps = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in release.files(DEFAULT_CONFIG))
    return _read(str(release.source), release.revision, column, stamps)


def check_classes_are_shared(column: str, split: str | None) -> None:
    """Refuse the family as the label of rows that are held out by family: no class of theirs is in train.

    Args:
        column: the label.
        split: where the rows are from by the split of the files, as `datasets` writes it: "test", "test[:50%]".

    Raises:
        UsageError: it is void; the message says by which splits it is not.
    """
    splits = {part.partition("[")[0].strip() for part in (split or SPLITS[0]).split("+")}
    if column == "family" and splits <= {*SPLITS[1:]}:
        raise UsageError(
            f"no family of {' and '.join(sorted(splits))} is in train, where splits keep families apart: "
            'load rows with split_scheme="stratified" to learn families'
        )


@lru_cache(maxsize=32)
def _read(source: str, revision: str | None, column: str, _: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    release: Release = open_release(source, revision)
    found: set[str] = set()
    for _split, table in release.row_groups(DEFAULT_CONFIG, [column]):
        found.update(table[column].unique().drop_null().to_pylist())
    return tuple(sorted(found))
