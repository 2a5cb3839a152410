"""Tables of results that others publish: `import_table` reads one in timm's CSV format, and matches it to a release.

In goes a CSV file or a link to one; out come rows of config `evaluations`. A table has a column `model` and any of
`top1`, `top5`, `infer_samples_per_sec` and `infer_step_time`, with `img_size` or `infer_img_size`. A model is an
architecture of timm, `resnet50`, or one with the tag of its weights, `resnet50.a1_in1k`.
"""

from __future__ import annotations

import csv
import io
import math
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit

from builders.results.files import merged, read_results, write_results
from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import Release
from younger_hf.text import plain

CONFIG: Final = "evaluations"

_UNITS: Final = {"top1": "%", "top5": "%", "infer_samples_per_sec": "1/s", "infer_step_time": "ms"}
_OF_SPEED: Final = ("infer_samples_per_sec", "infer_step_time")
_SOURCE: Final = "timm"
_MOST_BYTES: Final = 16 << 20
_MOST_ROWS: Final = 100_000
_LONGEST: Final = 200
_SECONDS: Final = 60


@dataclass(frozen=True)
class Imported:
    """What came of a table.

    Attributes:
        rows: figures that were taken.
        models: lines of the table whose model is in the release.
        unknown: lines whose model is not.
    """

    rows: int
    models: int
    unknown: int


def import_table(
    source: str, release: Release, work: Path, *, dataset: str = "", split: str = "", device: str = ""
) -> Imported:
    """Add the figures of a table to the file of evaluations in a directory.

    Args:
        source: a CSV file, or a link that begins with https://.
        release: whose models are looked up; those of timm, whatever their row of `graphs`.
        work: the directory of `evaluations.parquet`.
        dataset: what models were evaluated on; needed for accuracies.
        split: of the dataset.
        device: what they ran on; needed for speeds.

    Raises:
        UsageError: the table is no such table, or it is not said what it is of.
        YoungerError: it cannot be read, or the file not be written.
    """
    text, name = _read(source)
    table = _parse(text, name)
    metrics = [metric for metric in _UNITS if metric in table[0]]
    for metric in metrics:
        if metric in _OF_SPEED and not device:
            raise UsageError(f"{name} has speeds ({metric}): say of what --device they are")
        if metric not in _OF_SPEED and not dataset:
            raise UsageError(f"{name} has accuracies ({metric}): say on what --dataset they are")
    rows_of = _rows_of_models(release)
    found, known = [], 0
    for number, line in enumerate(table, 2):
        fingerprints = rows_of.get(line["model"].partition(".")[0], ())
        known += bool(fingerprints)
        for metric in metrics:
            value = _number(line, metric, name, number)
            is_speed = metric in _OF_SPEED
            size = _number(line, "infer_img_size" if "infer_img_size" in line else "img_size", name, number)
            if value is None:
                continue
            found += [
                {
                    "fingerprint": fingerprint,
                    "model": line["model"],
                    "dataset": None if is_speed else dataset,
                    "split": None if is_speed else split or None,
                    "metric": metric,
                    "value": value,
                    "unit": _UNITS[metric],
                    "image_size": None if size is None else int(size),
                    "device": device if is_speed else None,
                    "table": name,
                }
                for fingerprint in fingerprints
            ]
    if found:
        write_results(work, CONFIG, merged(CONFIG, [*read_results(work, CONFIG), *found]))
    return Imported(len(found), known, len(table) - known)


def _read(source: str) -> tuple[str, str]:
    """The text of a table, and what it is called: its link, or the name of its file."""
    try:
        if "://" in source:
            if urlsplit(source).scheme != "https":
                raise UsageError(f"{source} is no link that begins with https://")
            with urllib.request.urlopen(source, timeout=_SECONDS) as answer:  # noqa: S310 - https alone
                content, name = answer.read(_MOST_BYTES + 1), source
        else:
            with Path(source).open("rb") as file:
                content, name = file.read(_MOST_BYTES + 1), Path(source).name
    except (URLError, OSError, ValueError) as error:
        raise YoungerError(f"{source} cannot be read ({' '.join(str(error).split())[:_LONGEST]})") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{source} is larger than {_MOST_BYTES >> 20} MiB: it is no table of results")
    try:
        return content.decode("utf-8-sig"), plain(name, _LONGEST)
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is no text in UTF-8") from error


def _parse(text: str, name: str) -> list[dict[str, str]]:
    """The lines of a table by its columns; there is one at the least.

    Raises:
        UsageError: it is no table of results.
    """
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or []
    if "model" not in columns or not set(columns) & set(_UNITS):
        raise UsageError(f"{name} is no table of results: it has no column model, or none of {', '.join(_UNITS)}")
    lines = []
    try:
        for line in reader:
            if None in line or None in line.values() or not line["model"] or not line["model"].isprintable():
                raise UsageError(
                    f"{name}, line {reader.line_num}: it has other columns than the first line, or no model"
                )
            lines.append(line)
            if len(lines) > _MOST_ROWS:
                raise UsageError(f"{name} has more than {_MOST_ROWS:,} lines: it is no table of results")
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}") from error
    if not lines:
        raise UsageError(f"{name} has no models")
    return lines


def _number(line: Mapping[str, str], column: str, name: str, number: int) -> float | None:
    """A number; None where the cell is empty or not there."""
    text = line.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{name}, line {number}: {column} is {text[:50]!r}, which is no number")
    return value


def _rows_of_models(release: Release) -> dict[str, list[str]]:
    """The fingerprints of the rows that timm's architectures are in, by their names."""
    found: dict[str, list[str]] = defaultdict(list)
    for fingerprint, model in _models(release):
        if model["source"] == _SOURCE and not model["component"] and fingerprint not in found[model["id"]]:
            found[model["id"]].append(fingerprint)
    return found


def _models(release: Release) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, table in release.row_groups("graphs", ["fingerprint", "models"]):
        for row in table.to_pylist():
            for model in row["models"]:
                yield row["fingerprint"], model
