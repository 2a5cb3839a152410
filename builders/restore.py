"""A release becomes the ledger that it was made from: `restore` enters its models, attempts and skeletons.

In go configs `conversions` and `skeletons` of a release, on disk or on the Hub, and a ledger, empty or not; what is on
record there stays as it is. Unless the caller says so, nothing of the release is believed: every skeleton is looked at
in a process without rights. A row that makes no sense is skipped with a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from tqdm import tqdm

from builders.convert import Outcome
from builders.convert.isolation import Limits
from builders.convert.isolation import restore as look_at
from builders.convert.isolation.answer import Parts
from builders.convert.isolation.leftovers import discard
from builders.convert.isolation.templates import Templates
from builders.executor import Cancelled, Executor, Resources
from builders.executor.local import LocalExecutor
from builders.ledger import Entry, Ledger
from builders.ledger.published import InvalidRowError, from_row
from younger_hf.errors import ReleaseError
from younger_hf.release import Release
from younger_hf.schema import SCHEMA
from younger_hf.text import plain

Batch = tuple[tuple[str, ...], list[Parts]]

CONVERSIONS: Final = "conversions"
SKELETONS: Final = "skeletons"

_AT_ONCE: Final = 32  # skeletons for one process
_LIMITS: Final = Limits(seconds=600.0, memory=4 << 30)

_log = logging.getLogger(__name__)


def restore(ledger: Ledger, release: Release, *, jobs: int = 1, trusted: bool = False) -> int:
    """Enter what a release knows of models and conversions.

    Args:
        ledger: where it goes. A model that it has, and an export key that it has attempts for, stay as they are.
        release: a release; one without config `conversions` has nothing to restore.
        jobs: processes that look at skeletons at once.
        trusted: take skeletons as they are.

    Returns:
        How many skeletons were restored.

    Raises:
        ReleaseError: a file is missing or damaged, or the Hub cannot be reached.
        LedgerError: the ledger cannot be written.
    """
    if CONVERSIONS not in release.configs or SKELETONS not in release.configs:
        return 0
    entries = list(read_entries(release))
    wanted = {
        key
        for entry, key in entries
        if key and not ledger.has_attempts(entry.export_key, entry.attempt.asked_opset if entry.attempt else 0)
    }
    kept: dict[str, tuple[str, str | None]] = {}
    with tqdm(total=len(wanted), desc="restore", unit="skeleton", disable=None) as progress:
        batches = _batches(release, wanted)
        for keys, found in batches if trusted else _look_at_all(batches, ledger.work / "restore", jobs):
            for key, (skeleton, modules) in zip(keys, found, strict=True):
                progress.update()
                if not skeleton:
                    reason = plain(modules.decode(errors="replace"), 200)
                    _log.warning("skeleton %s of %s is not taken over: %s", plain(key), release.name, reason)
                    continue
                hashes = ledger.keep([skeleton, modules] if modules else [skeleton])
                kept[key] = hashes[0], hashes[1] if modules else None
    ledger.restore(_with_contents(entry, kept.get(key or "")) for entry, key in entries)
    return len(kept)


def read_entries(release: Release) -> Iterator[tuple[Entry, str | None]]:
    """What config `conversions` of a release says, with the key of the skeleton that each attempt gave.

    Raises:
        ReleaseError: there is no such config, a file is missing or damaged, or the Hub cannot be reached.
    """
    if CONVERSIONS not in release.configs:
        raise ReleaseError(f"{release.name} has no config {CONVERSIONS}: it does not say what was tried for it")
    for _, part in release.row_groups(CONVERSIONS, list(SCHEMA[CONVERSIONS].columns)):
        for row in part.to_pylist():
            try:
                yield from_row(row)
            except InvalidRowError as error:  # noqa: PERF203 - the others are taken over
                _log.warning("a row of %s of %s is not taken over: it %s", CONVERSIONS, release.name, error)


def _with_contents(entry: Entry, kept: tuple[str, str | None] | None) -> Entry:
    """The entry as the ledger takes it; a success whose skeleton is not there is no attempt, and made again."""
    attempt = entry.attempt
    if attempt is None or attempt.outcome is not Outcome.OK:
        return entry
    if kept is None:
        return replace(entry, attempt=None)
    return replace(entry, attempt=replace(attempt, skeleton_hash=kept[0], modules_hash=kept[1]))


def _look_at_all(batches: Iterator[Batch], scratch: Path, jobs: int) -> Iterator[Batch]:
    """The keys of skeletons and what is found of them, a batch at a time."""
    discard(scratch)
    scratch.mkdir()
    executor: Executor[tuple[str, ...], list[Parts]]
    try:
        with Templates(scratch) as templates, LocalExecutor[tuple[str, ...], list[Parts]](jobs) as executor:

            def submit(keys: tuple[str, ...], published: list[Parts]) -> None:
                def look(cancelled: Cancelled) -> list[Parts]:
                    return look_at(published, limits=_LIMITS, scratch=scratch, cancelled=cancelled, templates=templates)

                executor.submit(keys, look, Resources(memory=_LIMITS.memory))

            for batch in islice(batches, 2 * jobs):
                submit(*batch)
            for ended in executor.results():
                for batch in islice(batches, 1):
                    submit(*batch)
                yield ended
    finally:
        discard(scratch)


def _batches(release: Release, wanted: set[str]) -> Iterator[Batch]:
    """The wanted skeletons with their module trees."""
    keys: list[str] = []
    published: list[Parts] = []
    for _, part in release.row_groups(SKELETONS, ["skeleton_fingerprint", "onnx", "modules"]):
        for key, skeleton, modules in zip(*(part.column(name).to_pylist() for name in part.column_names), strict=True):
            if key in wanted and skeleton:
                keys.append(key)
                published.append((skeleton, (modules or "").encode()))
            if len(keys) == _AT_ONCE:
                yield tuple(keys), published
                keys, published = [], []
    if keys:
        yield tuple(keys), published
