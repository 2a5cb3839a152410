"""The ledger: models, crawls, attempts and results.

A page of a crawl lands together with the cursor behind it, and a finished conversion together with its skeleton, so
that a kill at any moment loses at most what is in flight. Models with one export key share their conversions.
`architectures()` is what a release is made from: a function of the models and their results alone.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal

from builders.backbones import backbones_in
from builders.convert import Conversion, Outcome, Request
from builders.export_key import export_key
from builders.ledger.file import LedgerError, LedgerFile
from builders.ledger.records import Architecture, Attempt, Crawl, Ending, Entry, ModelEnding, Progress, Tool
from builders.model_ref import ModelRef

_ATTEMPT: Final = (
    "source, id, revision, component, exporter, asked_opset, opset, message, seconds, bytes_fetched, peak_memory, "
    "versions, outcome, skeleton, modules"
)
_TRIED: Final = "SELECT 1 FROM attempts WHERE (export_key, asked_opset) = (?, ?)"
_CONVERTED: Final = "SELECT attempt, id FROM results WHERE outcome = 'ok'"


class Ledger(LedgerFile):
    """The ledger in a work directory, which is made if need be.

    Args:
        work: the directory.
        read_only: only look: no lock is taken, and the ledger must be there.

    Raises:
        LedgerError: another build works there, the file is no ledger or one of another version, or the directory
            cannot be written.
    """

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
        if model.config and not model.backbones:
            model = dataclasses.replace(model, backbones=backbones_in(model.config))
        (number,) = self._connection.execute(
            "INSERT INTO models (source, id, revision, component, location, export_key, config, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET export_key = excluded.export_key, config = excluded.config, record = excluded.record RETURNING model",
            (
                *_key(model),
                export_key(model),
                self._store(model.config.encode()) if model.config else None,
                model.to_json(with_config=False),
            ),
        ).fetchone()
        return int(number)

    def unconverted(
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
        """The request that a pair of `unconverted` means."""
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
        for record, outcome, message in self._rows(
            "SELECT record, outcome, message FROM results WHERE outcome <> 'ok' "
            "ORDER BY source, id, revision, component, location, asked_opset"
        ):
            yield ModelRef.from_json(record), Outcome(outcome), message

    def architectures(self) -> Iterator[Architecture]:
        """Every skeleton that a conversion gave, with its models; ordered by hash."""
        rows = self._rows(
            "SELECT skeleton, exporter, versions, modules, record FROM results WHERE outcome = 'ok' "
            "ORDER BY skeleton, source = 'contributions', source, id, revision, component, location, asked_opset"
        )
        for digest, group in groupby(rows, key=lambda row: row[0]):
            members = list(group)
            models = {
                _key(model)[:4]: (model, Tool(exporter, json.loads(versions)))
                for _, exporter, versions, _, record in reversed(members)
                if (model := ModelRef.from_json(record))
            }
            made = [models[key] for key in sorted(models)]
            yield Architecture(
                digest,
                self._content(digest),
                next((self._content(member[3]) for member in members if member[3]), None),
                tuple(model for model, _ in made),
                tuple(tool for _, tool in made),
            )

    def attempts(self) -> Iterator[Attempt]:
        """Every attempt, in the order in which they were made."""
        return self._attempts("")

    def largest_attempts(self, by: Literal["seconds", "peak_memory"], most: int) -> list[Attempt]:
        """The attempts that took longest, or most memory, those first."""
        return list(self._attempts(f"{by} DESC,", most))

    def _attempts(self, order: str, most: int = -1) -> Iterator[Attempt]:
        sql = f"SELECT {_ATTEMPT} FROM attempts JOIN models ON model = tried ORDER BY {order} attempt LIMIT ?"  # noqa: S608
        for row in self._rows(sql, (most,)):
            yield _attempt(row)

    def entries(self, left_out: Callable[[str], bool] = lambda _: False) -> Iterator[Entry]:
        """All that is known of models and attempts, sorted by source, id, revision and component.

        Every attempt whose result some model stands on is there once, in the name of the model that was tried, or,
        where that one is left out or has changed, of the first that has its export key. The order of attempts with one
        export key is that in which they were made.

        No place of a file is told, not even by a key.

        Args:
            left_out: whether nothing is to be said of the model with this id.
        """
        orphans: dict[str, list[Attempt]] = {}
        for key, stale, *row in self._rows(
            f"SELECT attempts.export_key, attempts.export_key <> models.export_key, {_ATTEMPT} "  # noqa: S608
            "FROM attempts JOIN models ON model = tried ORDER BY attempt"
        ):
            if stale or left_out(row[1]):
                orphans.setdefault(key, []).append(_attempt(row))
        rows = self._rows(
            f"SELECT model, record, models.export_key, attempt, {_ATTEMPT} FROM models LEFT JOIN attempts "  # noqa: S608
            "ON tried = model AND attempts.export_key = models.export_key "
            "ORDER BY source, id, revision, component, location, model, attempt"
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            members = list(group)
            record, key = members[0][1:3]
            listed = ModelRef.from_json(record)
            if left_out(listed.id):
                continue
            model = dataclasses.replace(listed, location="", stamp="")
            told = key if listed == model else export_key(model)  # a key of where a file lies is not told
            attempts = [_attempt(row[4:]) for row in members if row[3] is not None] + orphans.pop(key, [])
            yield from (Entry(model, told, attempt) for attempt in attempts)
            if not attempts:
                yield Entry(model, told)

    def has_attempts(self, export_key: str, opset: int) -> bool:
        """Whether a model with this export key was tried for this opset."""
        return next(iter(self._rows(_TRIED, (export_key, opset))), None) is not None

    def keep(self, contents: Iterable[bytes]) -> list[str]:
        """Keep skeletons or module trees, which `restore` then refers to by the hashes that this gives."""
        with self._transaction():
            return [self._store(content) for content in contents]

    def restore(self, entries: Iterable[Entry]) -> None:
        """Enter models and attempts that another ledger had; all or nothing. What is on record already stays.

        Args:
            entries: as `entries` gave them; what their attempts made is kept here already.
        """
        with self._transaction():
            entered: set[tuple[str, int]] = set()
            for entry in entries:
                number, attempt = self._restore_model(entry), entry.attempt
                if number is None or attempt is None:
                    continue
                named = entry.export_key, attempt.asked_opset
                if named in entered or not self._connection.execute(_TRIED, named).fetchone():
                    entered.add(named)
                    self._restore_attempt(number, entry.export_key, attempt)

    def _restore_model(self, entry: Entry) -> int | None:
        """Enter a model under the export key that it had; its number, None if it is here with another key."""
        model = entry.model
        named = model.source, model.id, model.revision, model.component
        known = "SELECT model, export_key FROM models WHERE (source, id, revision, component) = (?, ?, ?, ?)"
        rows = self._connection.execute(known, named).fetchall()
        if rows:
            return next((int(number) for number, key in rows if key == entry.export_key), None)
        (number,) = self._connection.execute(
            "INSERT INTO models (source, id, revision, component, location, export_key, config, record) "
            "VALUES (?, ?, ?, ?, '', ?, NULL, ?) RETURNING model",
            (*named, entry.export_key, model.to_json(with_config=False)),
        ).fetchone()
        return int(number)

    def _restore_attempt(self, number: int, export_key: str, attempt: Attempt) -> None:
        values = {
            "export_key": export_key,
            "asked_opset": attempt.asked_opset,
            "tried": number,
            "exporter": attempt.exporter,
            "versions": json.dumps(dict(attempt.versions), sort_keys=True),
            "opset": attempt.opset,
            "outcome": attempt.outcome.value,
            "message": attempt.message,
            "log": "",
            "seconds": attempt.seconds,
            "peak_memory": attempt.peak_memory,
            "bytes_fetched": attempt.bytes_fetched,
            "isolated": 1,
            "skeleton": attempt.skeleton_hash,
            "modules": attempt.modules_hash,
            "started": "",
        }
        columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        self._connection.execute(f"INSERT INTO attempts ({columns}) VALUES ({places})", values)  # noqa: S608

    def crawls(self) -> list[Crawl]:
        """Every crawl, sorted by its specification."""
        rows = self._rows(
            "SELECT spec, (SELECT count(*) FROM listings WHERE crawl = crawls.crawl), finished FROM crawls "
            "ORDER BY spec"
        )
        return [Crawl(spec, models, bool(finished)) for spec, models, finished in rows]

    def endings(self) -> list[Ending]:
        """How the models of each source ended, sorted by source and outcome; models, conversions and what they took."""
        rows = self._rows(
            "SELECT source, outcome, sum(models), count(*), sum(seconds), sum(bytes_fetched), max(peak_memory) FROM ("
            "SELECT source, outcome, count(*) AS models, seconds, bytes_fetched, peak_memory "
            "FROM results GROUP BY source, outcome, attempt"
            ") GROUP BY source, outcome UNION ALL "
            "SELECT source, 'untried', count(*), 0, 0.0, 0, 0 FROM models "
            "WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.export_key = models.export_key) GROUP BY source "
            "ORDER BY source, outcome"
        )
        return [Ending(*row) for row in rows]

    def count_listed(self) -> dict[str, int]:
        """How many models of each source are on record, by source, each once whatever path it was found at."""
        counts = self._rows(
            "SELECT source, count(DISTINCT json_array(id, revision, component)) FROM models "
            "GROUP BY source ORDER BY source"
        )
        return dict(counts)

    def model_endings(self) -> Iterator[ModelEnding]:
        """How it ended for every model that was tried."""
        for source, model_id, outcome in self._rows(
            "SELECT source, id, CASE WHEN max(outcome = 'ok') THEN 'ok' ELSE min(outcome) END FROM results "
            "GROUP BY source, id, revision, component"
        ):
            yield ModelEnding(source, model_id, Outcome(outcome))

    def conversions(self) -> Iterator[tuple[int, str]]:
        """For every model that was converted, the number of the conversion that it stands on, and its id."""
        yield from self._rows(_CONVERTED)


def _attempt(row: Sequence[Any]) -> Attempt:
    """What the columns `_ATTEMPT` say."""
    *facts, versions, outcome, skeleton, modules = row
    return Attempt(*(*facts, json.loads(versions), Outcome(outcome), skeleton, modules))


def _key(model: ModelRef) -> tuple[str, str, str, str, str]:
    return model.source, model.id, model.revision, model.component, model.location
