"""The file of a ledger: its tables, its version, the lock on its directory, its transactions.

One SQLite file in WAL mode, `ledger.sqlite` in the work directory, written only by the driver, which holds a lock on
the directory meanwhile. What is large (configurations, skeletons, module trees) is kept once, by its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from younger_hf.errors import YoungerError

SCHEMA_VERSION: Final = 2

_APPLICATION: Final = 0x59484631  # "YHF1", by which SQLite files tell whose they are

_TABLES: Final = """
CREATE TABLE contents (
    hash TEXT PRIMARY KEY,  -- BLAKE2b, 128 bits, of what is compressed in `data`
    data BLOB NOT NULL  -- zlib: a configuration, a skeleton, a module tree
);
CREATE TABLE models (
    model INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    revision TEXT NOT NULL,
    component TEXT NOT NULL,
    location TEXT NOT NULL,
    export_key TEXT NOT NULL,
    config TEXT REFERENCES contents,
    record TEXT NOT NULL,  -- the ModelRef as JSON, without its configuration
    UNIQUE (source, id, revision, component, location)
);
CREATE INDEX models_of_key ON models (export_key, model);
CREATE TABLE crawls (
    crawl INTEGER PRIMARY KEY,
    spec TEXT NOT NULL UNIQUE,
    cursor TEXT NOT NULL,  -- where the next page begins
    finished INTEGER NOT NULL
);
CREATE TABLE listings (
    crawl INTEGER NOT NULL REFERENCES crawls,
    model INTEGER NOT NULL REFERENCES models,
    PRIMARY KEY (crawl, model)
) WITHOUT ROWID;
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY,
    export_key TEXT NOT NULL,
    asked_opset INTEGER NOT NULL,  -- 0 where the exporter chose
    tried INTEGER NOT NULL REFERENCES models,
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
    skeleton TEXT REFERENCES contents,
    modules TEXT REFERENCES contents,
    started TEXT NOT NULL  -- UTC, ISO
);
CREATE INDEX attempts_of_key ON attempts (export_key, asked_opset, attempt);
-- The result of a key at an opset is its last attempt; a success stands though a later attempt failed.
CREATE VIEW results AS
    SELECT model, source, id, revision, component, location, record, attempts.*
    FROM models JOIN attempts USING (export_key)
    WHERE attempt = (
        SELECT attempt FROM attempts AS a
        WHERE a.export_key = models.export_key AND a.asked_opset = attempts.asked_opset
        ORDER BY a.outcome = 'ok' DESC, attempt DESC LIMIT 1
    );
"""


_Self = TypeVar("_Self", bound="LedgerFile")


class LedgerError(YoungerError):
    """The ledger cannot be opened, or not written."""


class LedgerFile:
    """The file in a work directory, which is made if need be.

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

    def _rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT."""
        with self._clearly():
            # Not `yield from`, which would close the cursor of a generator that is dropped after the file was closed.
            for row in self._connection.execute(sql, parameters):  # noqa: UP028
                yield row

    def _store(self, content: bytes) -> str:
        """Keep a content, once however often it comes; gives its hash."""
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        known = self._connection.execute("SELECT 1 FROM contents WHERE hash = ?", (digest,)).fetchone()
        if known is None:
            self._connection.execute("INSERT INTO contents VALUES (?, ?)", (digest, zlib.compress(content)))
        return digest

    def _content(self, digest: str) -> bytes:
        with self._clearly():
            (data,) = self._connection.execute("SELECT data FROM contents WHERE hash = ?", (digest,)).fetchone()
        return zlib.decompress(data)

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

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
