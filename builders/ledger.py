"""The ledger: which models are known, what was tried, and how it ended; the one stateful thing of a build.

One SQLite file in the work directory, written only by the driver, which holds a lock on the directory meanwhile.
A finished attempt and its skeleton land in one transaction, so that a kill at any moment loses at most the attempts
in flight. `architectures()` is what a release is made from: a function of the models and their results alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final

from builders.convert import Conversion, Outcome
from builders.crawl.model_ref import ModelRef
from younger_hf.errors import YoungerError

SCHEMA_VERSION: Final = 1

_APPLICATION: Final = 0x59484631  # "YHF1", by which SQLite files tell whose they are

_TABLES: Final = """
CREATE TABLE models (
    model INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    revision TEXT NOT NULL,
    location TEXT NOT NULL,
    stamp TEXT NOT NULL,
    record TEXT NOT NULL,  -- the whole ModelRef as JSON
    UNIQUE (source, id, revision, location)
);
CREATE TABLE skeletons (
    hash TEXT PRIMARY KEY,  -- BLAKE2b, 128 bits, of the serialised model
    onnx BLOB NOT NULL  -- compressed by zlib
);
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY,
    model INTEGER NOT NULL REFERENCES models,
    stamp TEXT NOT NULL,  -- the model's, when it was tried
    exporter TEXT NOT NULL,
    versions TEXT NOT NULL,  -- JSON
    opset INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL,
    log TEXT NOT NULL,
    seconds REAL NOT NULL,
    peak_memory INTEGER NOT NULL,  -- bytes
    bytes_fetched INTEGER NOT NULL,
    isolated INTEGER NOT NULL,
    skeleton_hash TEXT REFERENCES skeletons,
    started TEXT NOT NULL  -- UTC, ISO
);
CREATE INDEX attempts_of_model ON attempts (model, attempt);
-- A model's result is its last attempt since its file changed; a success stands though a later attempt failed.
CREATE VIEW results AS
    SELECT source, id, revision, location, record, attempts.* FROM models JOIN attempts USING (model)
    WHERE attempt = (
        SELECT attempt FROM attempts AS a WHERE a.model = models.model AND a.stamp = models.stamp
        ORDER BY a.outcome = 'ok' DESC, attempt DESC LIMIT 1
    );
"""


class LedgerError(YoungerError):
    """The ledger cannot be opened, or not written."""


@dataclass(frozen=True)
class Architecture:
    """One skeleton, and every model that turned out to be it.

    Attributes:
        skeleton_hash: 128-bit BLAKE2b of `skeleton`, hex.
        skeleton: the weightless ModelProto, serialised.
        exporter: what made it, for the first of the models.
        models: sorted by (source, id, revision), each once.
    """

    skeleton_hash: str
    skeleton: bytes
    exporter: str
    models: tuple[ModelRef, ...]


class Ledger:
    """The ledger in a work directory, which is made if need be.

    Args:
        work: the directory.
        read_only: only look: no lock is taken, and the ledger must be there.

    Raises:
        LedgerError: another build works there, the file is no ledger or one of another version, or the directory
            cannot be written.
    """

    def __init__(self, work: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.work = Path(work)
        self.path = self.work / "ledger.sqlite"
        if read_only and not self.path.exists():
            raise LedgerError(f"there is no ledger in {self.work}")
        with ExitStack() as stack:
            if not read_only:
                stack.enter_context(self._locked())
            mode = "ro" if read_only else "rwc"
            with self._clearly():
                self._connection = sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
                )
                stack.callback(self._connection.close)
                self._open(read_only)
            self._open_files = stack.pop_all()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock on the directory; the system lets go of it when this process ends, however it ends."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.work / "ledger.lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise LedgerError(f"cannot work in the directory {self.work}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise LedgerError(
                f"another build is at work in {self.work}: wait for it, or give another --work directory"
            ) from None
        finally:
            os.close(lock)

    def _open(self, read_only: bool) -> None:
        connection = self._connection
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0 and not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            raise LedgerError(f"{self.path} is not a ledger of younger-hf")
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path} is a ledger of version {version} and this younger-hf writes version {SCHEMA_VERSION}: "
                "give another --work directory"
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    def record(self, models: Iterable[ModelRef]) -> None:
        """Enter models as a source lists them; one that is known already is brought up to date."""
        rows = ((m.source, m.id, m.revision, m.location, m.stamp, m.to_json()) for m in models)
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO models (source, id, revision, location, stamp, record) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET stamp = excluded.stamp, record = excluded.record",
                rows,
            )

    def result(self, model: ModelRef) -> Outcome | None:
        """How the model's conversion ended, None if it was not tried since it changed."""
        with self._clearly():
            row = self._connection.execute(
                "SELECT outcome FROM results WHERE (source, id, revision, location) = (?, ?, ?, ?)", _key(model)
            ).fetchone()
        return Outcome(row[0]) if row else None

    def finish(self, model: ModelRef, conversion: Conversion) -> None:
        """Enter a finished attempt and its skeleton, both or neither."""
        skeleton, digest = conversion.skeleton, None
        started = datetime.now(timezone.utc) - timedelta(seconds=conversion.seconds)
        with self._transaction():
            if skeleton is not None:
                digest = hashlib.blake2b(skeleton, digest_size=16).hexdigest()
                self._connection.execute(
                    "INSERT OR IGNORE INTO skeletons VALUES (?, ?)", (digest, zlib.compress(skeleton))
                )
            entered = self._connection.execute(
                "INSERT INTO attempts SELECT NULL, model, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM models "
                "WHERE (source, id, revision, location) = (?, ?, ?, ?)",
                (
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
                    digest,
                    started.isoformat(timespec="seconds"),
                    *_key(model),
                ),
            )
            if entered.rowcount != 1:
                raise LedgerError(f"the model {model.id} of {model.source} was tried before it was recorded")

    def failures(self) -> Iterator[tuple[ModelRef, Outcome, str]]:
        """Every model whose result is not `ok`: the model, the outcome, the message; sorted by source and id."""
        with self._clearly():
            rows = self._connection.execute(
                "SELECT record, outcome, message FROM results WHERE outcome <> 'ok' "
                "ORDER BY source, id, revision, location"
            ).fetchall()
        for record, outcome, message in rows:
            yield ModelRef.from_json(record), Outcome(outcome), message

    def architectures(self) -> Iterator[Architecture]:
        """Every skeleton that a conversion gave, with its models; ordered by hash."""
        with self._clearly():
            rows = self._connection.execute(
                "SELECT skeleton_hash, exporter, record FROM results WHERE outcome = 'ok' "
                "ORDER BY skeleton_hash, source, id, revision, location"
            )
            for digest, group in groupby(rows, key=lambda row: row[0]):
                members = list(group)
                models = {_key(model)[:3]: model for model in (ModelRef.from_json(m[2]) for m in reversed(members))}
                (blob,) = self._connection.execute("SELECT onnx FROM skeletons WHERE hash = ?", (digest,)).fetchone()
                yield Architecture(
                    digest, zlib.decompress(blob), members[0][1], tuple(models[key] for key in sorted(models))
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._clearly():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        """Say what SQLite's errors mean for the user."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "disk is full" in text or "disk I/O" in text:
                text = "no room on its disk; what is finished is kept, make room and run again"
            raise LedgerError(f"cannot use the ledger {self.path}: {text}") from error

    def close(self) -> None:
        """Close the file and give the directory free."""
        self._open_files.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key(model: ModelRef) -> tuple[str, str, str, str]:
    return model.source, model.id, model.revision, model.location
