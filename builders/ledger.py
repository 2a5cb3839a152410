"""The ledger: which models are known, what was tried, and how it ended; the one stateful thing of a build.

One SQLite file in the work directory, written only by the driver, which holds a lock on the directory meanwhile.
A page of a crawl lands together with the cursor behind it, and a finished conversion together with its skeleton, so
that a kill at any moment loses at most what is in flight. Models with one export key share their conversions.
`architectures()` is what a release is made from: a function of the models and their results alone.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from builders.convert import Conversion, Outcome, Request
from builders.export_key import export_key
from builders.model_ref import ModelRef
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


class LedgerError(YoungerError):
    """The ledger cannot be opened, or not written."""


@dataclass(frozen=True)
class Architecture:
    """One skeleton, and every model that turned out to be it.

    Attributes:
        skeleton_hash: 128-bit BLAKE2b of `skeleton`, hex.
        skeleton: the weightless ModelProto, serialised.
        exporter: what made it, for the first of the models; contributed ones come after all others.
        versions: the packages that took part in that, and their versions.
        modules: the module tree of the first of the models that has one, serialised.
        models: sorted by (source, id, revision, component), each once.
    """

    skeleton_hash: str
    skeleton: bytes
    exporter: str
    versions: Mapping[str, str]
    modules: bytes | None
    models: tuple[ModelRef, ...]


@dataclass(frozen=True)
class Progress:
    """How far a crawl has come.

    Attributes:
        cursor: where its next page begins; "" at the beginning.
        models: how many it has listed.
        finished: whether it came to its end.
    """

    cursor: str = ""
    models: int = 0
    finished: bool = False


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
        """Enter models; one that is known already is brought up to date, and keeps a configuration it had."""
        with self._transaction():
            for model in models:
                self._enter(model)

    def record_page(self, spec: str, models: Iterable[ModelRef], cursor: str, *, finished: bool) -> None:
        """Enter a page of a crawl, and where its next one begins."""
        with self._transaction():
            (crawl,) = self._connection.execute(
                "INSERT INTO crawls (spec, cursor, finished) VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
                "SET cursor = excluded.cursor, finished = excluded.finished RETURNING crawl",
                (spec, cursor, finished),
            ).fetchone()
            for model in models:
                self._connection.execute("INSERT OR IGNORE INTO listings VALUES (?, ?)", (crawl, self._enter(model)))

    def progress(self, spec: str) -> Progress:
        """How far the crawl of a source specification has come."""
        with self._clearly():
            row = self._connection.execute(
                "SELECT cursor, (SELECT count(*) FROM listings WHERE crawl = crawls.crawl), finished "
                "FROM crawls WHERE spec = ?",
                (spec,),
            ).fetchone()
        return Progress(row[0], row[1], bool(row[2])) if row else Progress()

    def restart(self, spec: str) -> None:
        """Forget which models a crawl listed, since it begins anew; the models stay."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM listings WHERE crawl = (SELECT crawl FROM crawls WHERE spec = ?)", (spec,)
            )
            self._connection.execute("DELETE FROM crawls WHERE spec = ?", (spec,))

    def has_config(self, source: str, id: str, revision: str) -> bool:  # noqa: A002 - as the field of ModelRef
        """Whether a configuration of this revision is on record."""
        with self._clearly():
            row = self._connection.execute(
                "SELECT 1 FROM models WHERE (source, id, revision) = (?, ?, ?) AND config IS NOT NULL",
                (source, id, revision),
            ).fetchone()
        return row is not None

    def _enter(self, model: ModelRef) -> int:
        """Enter a model within a transaction; gives its number."""
        if not model.config and (
            row := self._connection.execute(
                "SELECT data FROM models JOIN contents ON hash = config "
                "WHERE (source, id, revision, component, location) = (?, ?, ?, ?, ?)",
                _key(model),
            ).fetchone()
        ):
            model = dataclasses.replace(model, config=zlib.decompress(row[0]).decode())
        (number,) = self._connection.execute(
            "INSERT INTO models (source, id, revision, component, location, export_key, config, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET export_key = excluded.export_key, config = excluded.config, record = excluded.record RETURNING model",
            (
                *_key(model),
                export_key(model),
                self._store(model.config.encode()) if model.config else None,
                dataclasses.replace(model, config="").to_json(),
            ),
        ).fetchone()
        return int(number)

    def _store(self, content: bytes) -> str:
        """Keep a content, once however often it comes; gives its hash."""
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        known = self._connection.execute("SELECT 1 FROM contents WHERE hash = ?", (digest,)).fetchone()
        if known is None:
            self._connection.execute("INSERT INTO contents VALUES (?, ?)", (digest, zlib.compress(content)))
        return digest

    def plan(
        self, specs: Collection[str] | None = None, opsets: Sequence[int] = (0,), retry: Collection[Outcome] = ()
    ) -> list[tuple[int, int]]:
        """What is still to be converted: a model's number and an opset for each export key without a result.

        Args:
            specs: only models that these crawls list; None for all that are on record.
            opsets: to export for; 0 leaves it to the exporter.
            retry: outcomes that are no result.

        Returns:
            In the order in which the models came to be known. `request` gives what a pair stands for.
        """
        with self._clearly():
            return [
                (number, opset)
                for opset in opsets
                for (number,) in self._connection.execute(
                    "SELECT min(model) FROM models WHERE :specs IS NULL OR model IN ("
                    "SELECT model FROM listings JOIN crawls USING (crawl) "
                    "WHERE spec IN (SELECT value FROM json_each(:specs))"
                    ") GROUP BY export_key HAVING coalesce(("
                    "SELECT outcome FROM attempts WHERE export_key = models.export_key AND asked_opset = :opset "
                    "ORDER BY outcome = 'ok' DESC, attempt DESC LIMIT 1"
                    "), '') IN (SELECT value FROM json_each(:outcomes)) ORDER BY 1",
                    {
                        "specs": None if specs is None else json.dumps(list(specs)),
                        "opset": opset,
                        "outcomes": json.dumps(["", *(outcome.value for outcome in retry)]),
                    },
                )
            ]

    def request(self, number: int, opset: int) -> Request:
        """The request that `plan` means."""
        with self._clearly():
            record, config = self._connection.execute(
                "SELECT record, data FROM models LEFT JOIN contents ON hash = config WHERE model = ?", (number,)
            ).fetchone()
        model = ModelRef.from_json(record)
        return Request(dataclasses.replace(model, config=zlib.decompress(config).decode() if config else ""), opset)

    def result(self, model: ModelRef, opset: int = 0) -> Outcome | None:
        """How the model's conversion ended, None if it was not tried since it changed."""
        with self._clearly():
            row = self._connection.execute(
                "SELECT outcome FROM results "
                "WHERE (source, id, revision, component, location) = (?, ?, ?, ?, ?) AND asked_opset = ?",
                (*_key(model), opset),
            ).fetchone()
        return Outcome(row[0]) if row else None

    def finish(self, model: ModelRef, *conversions: Conversion, opset: int = 0) -> None:
        """Enter the finished attempts at a model, in their order, with what they made: all or nothing."""
        with self._transaction():
            for conversion in conversions:
                self._finish(model, conversion, opset)

    def _finish(self, model: ModelRef, conversion: Conversion, opset: int) -> None:
        started = datetime.now(timezone.utc) - timedelta(seconds=conversion.seconds)
        skeleton, modules = (
            self._store(content) if content is not None else None
            for content in (conversion.skeleton, conversion.modules)
        )
        entered = self._connection.execute(
            "INSERT INTO attempts SELECT NULL, export_key, ?, model, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM models "
            "WHERE (source, id, revision, component, location) = (?, ?, ?, ?, ?)",
            (
                opset,
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
                skeleton,
                modules,
                started.isoformat(timespec="seconds"),
                *_key(model),
            ),
        )
        if entered.rowcount != 1:
            raise LedgerError(f"the model {model.id} of {model.source} was tried before it was recorded")

    def failures(self) -> Iterator[tuple[ModelRef, Outcome, str]]:
        """Every model whose result is not `ok`: the model, the outcome, the message; sorted by source and id."""
        for record, outcome, message in self.query(
            "SELECT record, outcome, message FROM results WHERE outcome <> 'ok' "
            "ORDER BY source, id, revision, component, location, asked_opset"
        ):
            yield ModelRef.from_json(record), Outcome(outcome), message

    def architectures(self) -> Iterator[Architecture]:
        """Every skeleton that a conversion gave, with its models; ordered by hash."""
        rows = self.query(
            "SELECT skeleton, exporter, versions, modules, record FROM results WHERE outcome = 'ok' "
            "ORDER BY skeleton, source = 'contributions', source, id, revision, component, location, asked_opset"
        )
        for digest, group in groupby(rows, key=lambda row: row[0]):
            members = list(group)
            models = {_key(model)[:4]: model for model in (ModelRef.from_json(m[4]) for m in reversed(members))}
            yield Architecture(
                digest,
                self._content(digest),
                members[0][1],
                json.loads(members[0][2]),
                next((self._content(member[3]) for member in members if member[3]), None),
                tuple(models[key] for key in sorted(models)),
            )

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT over the tables above."""
        with self._clearly():
            # Not `yield from`, which would close the cursor of a generator that is dropped after the file was closed.
            for row in self._connection.execute(sql, parameters):  # noqa: UP028
                yield row

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

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key(model: ModelRef) -> tuple[str, str, str, str, str]:
    return model.source, model.id, model.revision, model.component, model.location
