"""The ledger: what models there are, what was tried with each, and what came of it. The one stateful thing.

One SQLite file in a work directory, in WAL mode, written by the driver alone. An attempt and its skeleton land in one
transaction, so that a kill at any point loses no more than the attempts in flight; a skeleton is stored once, by the
hash of its content. A release is a function of `architectures()`, in which neither order nor time of attempts shows.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final

from builders.convert import Conversion, Outcome
from builders.crawl.model_ref import ModelRef
from younger_hf.errors import YoungerError

LEDGER_VERSION: Final = 1
FILE_NAME: Final = "ledger.sqlite"
_LOCK_NAME: Final = "lock"

_SCHEMA: Final = """
CREATE TABLE models (
    source TEXT NOT NULL, id TEXT NOT NULL, revision TEXT NOT NULL, location TEXT NOT NULL,
    stamp TEXT NOT NULL,
    reference TEXT NOT NULL,  -- ModelRef as JSON
    PRIMARY KEY (source, id, revision, location)
) WITHOUT ROWID;
CREATE TABLE skeletons (
    hash TEXT PRIMARY KEY,    -- BLAKE2b-128 of the bytes
    content BLOB NOT NULL     -- the serialised ModelProto, zlib
) WITHOUT ROWID;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL, id TEXT NOT NULL, revision TEXT NOT NULL, location TEXT NOT NULL, stamp TEXT NOT NULL,
    exporter TEXT NOT NULL, versions TEXT NOT NULL, opset INTEGER NOT NULL,
    outcome TEXT NOT NULL, message TEXT NOT NULL, log TEXT NOT NULL,
    seconds REAL NOT NULL, peak_memory INTEGER NOT NULL, bytes_fetched INTEGER NOT NULL, isolated INTEGER NOT NULL,
    ended TEXT NOT NULL,
    skeleton_hash TEXT REFERENCES skeletons (hash)
);
CREATE INDEX attempts_by_model ON attempts (source, id, revision, location, stamp);
"""
# The last attempt at each model as it is now; of a model that changed, what was tried before counts no more.
_LAST: Final = """
    SELECT max(number) FROM attempts JOIN models USING (source, id, revision, location, stamp)
    GROUP BY source, id, revision, location
"""


class LedgerError(YoungerError):
    """The ledger cannot be opened or written."""


@dataclass(frozen=True)
class Architecture:
    """A distinct result of conversion, with all the models that gave it.

    Attributes:
        skeleton_hash: of the skeleton's bytes.
        skeleton: the serialised weightless ModelProto.
        exporter: what made it.
        models: by (source, id, revision), at least one.
    """

    skeleton_hash: str
    skeleton: bytes
    exporter: str
    models: tuple[ModelRef, ...]


class Ledger:
    """The ledger of a work directory; a context manager that holds the directory for itself.

    Args:
        directory: the work directory; it is made if need be.

    Raises:
        LedgerError: another process holds it, it cannot be written, or it is of another version.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerError(f"the work directory {directory} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._database = self._open()
        except BlockingIOError:
            os.close(self._lock)
            raise LedgerError(f"another process is working in {directory}: wait for it, or use another") from None
        except LedgerError:
            os.close(self._lock)
            raise

    def _open(self) -> sqlite3.Connection:
        with self._explained():
            database = sqlite3.connect(self.path, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("BEGIN IMMEDIATE")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if not version and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
                version = LEDGER_VERSION
            database.execute("COMMIT")
        if version != LEDGER_VERSION:
            database.close()
            raise LedgerError(
                f"{self.path} is a ledger of version {version}, and this younger-hf writes version {LEDGER_VERSION}: "
                "use another work directory"
            )
        return database

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the work directory."""
        self._database.close()
        os.close(self._lock)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self.path} cannot be used: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def record(self, models: Iterable[ModelRef]) -> None:
        """Enter models as their source lists them now; what it said of them before is replaced."""
        with self._transaction() as database:
            database.executemany(
                "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?)",
                ((*_key(model), model.stamp, model.to_json()) for model in models),
            )

    def pending(self, models: Iterable[ModelRef], retry: Iterable[Outcome] = ()) -> list[ModelRef]:
        """Those of the models that were never tried as they are now, or whose last attempt ended as one of `retry`."""
        again = set(retry)
        with self._explained():
            last = {
                tuple(row): Outcome(outcome)
                for *row, outcome in self._database.execute(
                    f"SELECT source, id, revision, location, stamp, outcome FROM attempts WHERE number IN ({_LAST})"  # noqa: S608
                )
            }
        return [
            model
            for model in dict.fromkeys(models)
            if (outcome := last.get((*_key(model), model.stamp))) is None or outcome in again
        ]

    def finish(self, model: ModelRef, conversion: Conversion) -> None:
        """Enter how an attempt ended, with its skeleton, in one transaction."""
        skeleton_hash = None
        with self._transaction() as database:
            if conversion.skeleton is not None:
                skeleton_hash = blake2b(conversion.skeleton, digest_size=16).hexdigest()
                database.execute(
                    "INSERT OR IGNORE INTO skeletons VALUES (?, ?)", (skeleton_hash, zlib.compress(conversion.skeleton))
                )
            row = (
                None,
                *_key(model),
                model.stamp,
                conversion.exporter,
                json.dumps(dict(conversion.versions), sort_keys=True),
                conversion.opset,
                conversion.outcome.value,
                conversion.message,
                conversion.log,
                conversion.seconds,
                conversion.peak_memory,
                conversion.bytes_fetched,
                conversion.isolated,
                datetime.now(timezone.utc).isoformat(timespec="seconds"),
                skeleton_hash,
            )
            database.execute(f"INSERT INTO attempts VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608

    def outcomes(self) -> Counter[Outcome]:
        """How the last attempts at the models ended."""
        with self._explained():
            rows = self._database.execute(
                f"SELECT outcome, count(*) FROM attempts WHERE number IN ({_LAST}) GROUP BY outcome"  # noqa: S608
            )
            return Counter({Outcome(outcome): count for outcome, count in rows})

    def failures(self) -> Iterator[tuple[str, str, Outcome, str]]:
        """(source, id, outcome, message) of each model whose last attempt gave no skeleton, by source and id."""
        with self._explained():
            rows = self._database.execute(
                f"SELECT source, id, outcome, message FROM attempts WHERE number IN ({_LAST}) "  # noqa: S608
                "AND skeleton_hash IS NULL ORDER BY source, id, revision, location"
            )
            for source, name, outcome, message in rows:
                yield source, name, Outcome(outcome), message

    def architectures(self) -> Iterator[Architecture]:
        """The skeletons that the last attempts at the models gave, by content hash and exporter.

        They are a function of models and results alone: not of the order of attempts, their times, or paths.
        """
        query = (
            "SELECT skeleton_hash, exporter, group_concat(reference, char(10)) "  # noqa: S608 - JSON has no line feed
            f"FROM attempts JOIN models USING (source, id, revision, location) WHERE number IN ({_LAST}) "
            "AND skeleton_hash IS NOT NULL GROUP BY skeleton_hash, exporter ORDER BY skeleton_hash, exporter"
        )
        with self._explained():
            for skeleton_hash, exporter, references in self._database.execute(query):
                models = [ModelRef.from_json(line) for line in references.split("\n")]
                (content,) = self._database.execute(
                    "SELECT content FROM skeletons WHERE hash = ?", (skeleton_hash,)
                ).fetchone()
                yield Architecture(
                    skeleton_hash,
                    zlib.decompress(content),
                    exporter,
                    tuple(sorted(models, key=lambda model: (model.source, model.id, model.revision, model.to_json()))),
                )


def _key(model: ModelRef) -> tuple[str, str, str, str]:
    return model.source, model.id, model.revision, model.location
