"""A ledger's entries as rows of config `conversions`, and back: a release is the ledger that it was made from.

A row is a model that a source lists, with one attempt to convert it; a model without an attempt in its name has one
row in which the attempt's columns are null. What is not published does not come back: logs, places on a machine, and
configurations, which a crawl fetches again where one is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import groupby
from typing import Any, Final

from builders.convert import Outcome
from builders.ledger.records import Attempt, Entry
from builders.model_ref import Evaluation, ModelRef

Row = dict[str, Any]

_HIDDEN: Final = frozenset({"config", "location", "stamp"})
_TOLD: Final = tuple(field.name for field in fields(ModelRef) if field.name not in _HIDDEN)
_TEXTS: Final = frozenset(field.name for field in fields(ModelRef) if field.type == "str")
_ATTEMPT: Final = (
    *("outcome", "message", "exporter", "versions", "asked_opset", "opset", "seconds", "peak_memory", "bytes_fetched"),
)
_DECIMALS: Final = 3  # of seconds
_LONGEST: Final = 500  # characters of a message
_PLACE: Final = re.compile(r"\w+://[^\s'\")]+|(?<![\w.])~?(?:/[\w.+@-]+){2,}/?")
_KEY: Final = re.compile(r"[0-9a-f]{32}")


class InvalidRowError(ValueError):
    """A row does not say what a ledger could have said; the message is the end of a sentence about it."""


def to_rows(entries: Iterable[Entry], skeletons: Callable[[str], str | None]) -> Iterator[Row]:
    """Rows of config `conversions`, in the order of the entries.

    Args:
        entries: as a ledger gives them: those of one model stand together.
        skeletons: gives the key of the row of `skeletons`, by the hash of a skeleton; None where there is none.
    """
    for (model, key), group in groupby(entries, key=lambda entry: (entry.model, entry.export_key)):
        told = {name: getattr(model, name) for name in _TOLD}
        told |= {name: told[name] or None for name in _TEXTS & told.keys()}
        told |= {"tags": list(model.tags), "backbones": list(model.backbones)}
        told |= {"evaluations": [vars(result) for result in model.evaluations]}
        for number, entry in enumerate(group, start=1):
            yield {**told, "export_key": key, **_attempt_columns(entry.attempt, number, skeletons)}


def _attempt_columns(attempt: Attempt | None, number: int, skeletons: Callable[[str], str | None]) -> Row:
    if attempt is None:
        return dict.fromkeys((*_ATTEMPT, "attempt", "skeleton_fingerprint"))
    return {
        **{name: getattr(attempt, name) for name in _ATTEMPT},
        "attempt": number,
        "outcome": attempt.outcome.value,
        "message": without_places(attempt.message) or None,
        "versions": json.dumps(dict(attempt.versions), sort_keys=True),
        "seconds": round(attempt.seconds, _DECIMALS),
        "skeleton_fingerprint": skeletons(attempt.skeleton_hash or ""),
    }


def from_row(row: Mapping[str, Any]) -> tuple[Entry, str | None]:
    """The entry of a row, and the `skeleton_fingerprint` of what its attempt gave.

    Args:
        row: of config `conversions`; types are those of its schema, values may be anybody's.

    Raises:
        InvalidRowError: a value is none that a ledger has.
    """
    try:
        told = {name: row[name] for name in _TOLD}
        told |= {name: told[name] or "" for name in _TEXTS & told.keys()}
        told |= {
            "gated": bool(told["gated"]),
            "tags": tuple(told["tags"] or ()),
            "backbones": tuple(told["backbones"] or ()),
            "evaluations": tuple(Evaluation(**result) for result in told["evaluations"] or ()),
        }
        model = ModelRef(**told)
        if not model.source or not model.id or not _KEY.fullmatch(row["export_key"] or ""):
            raise InvalidRowError("names no model, or no export key")
        return Entry(model, row["export_key"], _attempt(row, model)), row["skeleton_fingerprint"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidRowError(str(error) if isinstance(error, InvalidRowError) else "cannot be read") from error


def _attempt(row: Mapping[str, Any], model: ModelRef) -> Attempt | None:
    if row["outcome"] is None:
        return None
    versions = json.loads(row["versions"])
    counts = [row[name] for name in ("asked_opset", "opset", "seconds", "bytes_fetched", "peak_memory")]
    if not isinstance(versions, dict) or not all(isinstance(value, str) for value in versions.values()):
        raise InvalidRowError("has no versions of packages")
    if not all(isinstance(count, int | float) and 0 <= count < 1 << 53 for count in counts):
        raise InvalidRowError("has a number that counts nothing")
    asked_opset, opset, seconds, bytes_fetched, peak_memory = counts
    return Attempt(
        *(model.source, model.id, model.revision, model.component, row["exporter"] or "", asked_opset, opset),
        (row["message"] or "")[:_LONGEST],
        *(seconds, bytes_fetched, peak_memory, versions),
        Outcome(row["outcome"]),
    )


def without_places(message: str) -> str:
    """A message without the paths and addresses that it names; those of the machine mean nothing elsewhere."""
    return _PLACE.sub("…", message)[:_LONGEST]
