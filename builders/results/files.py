"""The files of results in a work directory, and the results that a release has already.

In go rows of config `measurements` or `evaluations`; out come the same, each once, in the order of their keys. Each is
a file of the config's name in a work directory.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from younger_hf.errors import YoungerError
from younger_hf.foreign_parquet import ForeignParquetError, read_foreign
from younger_hf.release import open_release
from younger_hf.schema import SCHEMA, features
from younger_hf.whole_files import write_whole

Row = Mapping[str, Any]


def read_results(work: Path, config: str) -> list[Row]:
    """The rows of a file of results; none where there is no file.

    Raises:
        YoungerError: the file is damaged, or holds something else.
    """
    file = _file(work, config)
    if not file.is_file():
        return []
    try:
        with file.open("rb") as source:
            table = read_foreign(source)
        rows: list[Row] = table.select(list(SCHEMA[config].columns)).cast(features(config).arrow_schema).to_pylist()
        return rows
    except (ForeignParquetError, pa.ArrowException, KeyError, OSError) as error:
        raise YoungerError(f"{file} holds no {config} ({error}): move it away") from error


def write_results(work: Path, config: str, rows: Iterable[Row]) -> Path:
    """Write a file of results, whole or not at all.

    Raises:
        YoungerError: it cannot be written.
    """
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), features(config).arrow_schema), buffer, compression="zstd")
    file = _file(work, config)
    write_whole(file, buffer.getvalue())
    return file


def results_for(
    config: str, work: Path | None, previous: str | Path | None, kept: Callable[[set[str]], Collection[str]]
) -> list[Row]:
    """The results of the rows of a release that is being assembled.

    Args:
        config: "measurements" or "evaluations".
        work: a directory with a file of them, whose rows come before those of the release before.
        previous: the release before, a directory or the id of a Hub repository; None if there is none.
        kept: says which of some fingerprints are those of rows of `graphs`.

    Returns:
        Each once, by their keys.
    """
    rows: list[Row] = []
    if previous is not None and config in (release := open_release(previous)).configs:
        for _, table in release.row_groups(config, list(SCHEMA[config].columns)):
            rows += table.to_pylist()
    rows += [] if work is None else read_results(work, config)
    known = kept({row["fingerprint"] for row in rows})
    return merged(config, (row for row in rows if row["fingerprint"] in known))


def merged(config: str, rows: Iterable[Row]) -> list[Row]:
    """Rows in the order of their keys; of several with one key the last."""
    by_key = {
        tuple(str(row[name] if row[name] is not None else "") for name in SCHEMA[config].key): row for row in rows
    }
    return [by_key[key] for key in sorted(by_key)]


def _file(work: Path, config: str) -> Path:
    return work / f"{config}.parquet"
