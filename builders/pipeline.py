"""The stages in order: `collect` fills the ledger (slow, resumable), `build` makes a release of it besides.

crawl -> convert (a child process each) -> ledger -> assemble -> release
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from builders.conversion_store import ConversionStore, name_of
from builders.convert import Conversion, Outcome, Request, exporters_for
from builders.convert.converters import refusal
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.workplace import Workplace
from builders.convert.memory import expected_memory
from builders.crawl import list_pages
from builders.executor import Cancelled, Executor, Resources
from builders.executor.local import LocalExecutor
from builders.ledger import Ledger, Progress
from builders.restore import restore
from younger_hf.errors import YoungerError
from younger_hf.foreign_release import check_foreign_release
from younger_hf.release import open_release
from younger_hf.text import plain

if TYPE_CHECKING:
    from builders.assemble import ReleaseReport

TIMEOUT = 600.0  # seconds for one model
MEMORY_LIMIT = 8 << 30  # bytes for one model

# What another exporter could not change.
_FINAL = frozenset({Outcome.OK, Outcome.GATED, Outcome.NOT_FOUND, Outcome.TRIVIAL})

_log = logging.getLogger(__name__)


def crawl(ledger: Ledger, spec: str, *, limit: int | None = None) -> int:
    """Enter the models of a source, page by page; an interrupted crawl goes on, a finished one begins anew.

    Args:
        ledger: where they are entered.
        spec: as `builders.crawl.list_pages` takes it.
        limit: end after so many models.

    Returns:
        How many the crawl listed.

    Raises:
        UsageError: a source or a model that does not exist.
        YoungerError: the hub does not answer; what was listed before is kept.
    """
    progress = ledger.progress(spec)
    if progress.finished:
        ledger.restart(spec)
        progress = Progress()
    source = spec.partition(":")[0]
    listed = progress.models
    with tqdm(desc=f"crawl {source}", initial=listed, unit="model", disable=None) as bar:
        pages = list_pages(spec, progress.cursor, partial(ledger.has_config, source), ledger.work / source)
        for page in pages:
            models = page.models if limit is None else page.models[: limit - listed]
            listed += len(models)
            finished = not page.cursor or listed == limit
            ledger.record_page(spec, models, page.cursor, finished=finished)
            bar.update(len(models))
            if finished:
                break
    return listed


def collect(
    ledger: Ledger,
    sources: Iterable[str] = (),
    *,
    jobs: int = 1,
    limit: int | None = None,
    timeout: float = TIMEOUT,
    memory_limit: int = MEMORY_LIMIT,
    opsets: Sequence[int] = (0,),
    retry: Collection[Outcome] = (),
    allow_unisolated_code: bool = False,
    address: str | None = None,
    store: str | None = None,
) -> Counter[Outcome]:
    """Crawl the sources, and convert what the ledger has no result for: once for each export key.

    A model that fails is a row in the ledger, and the others go on. An interrupt ends the children and loses their
    attempts, no more.

    Args:
        ledger: where results go; entered as they come.
        sources: specifications as `crawl` takes them; none means all that was crawled before.
        jobs: conversions at once.
        limit: at most so many models of each source.
        timeout: wall-clock seconds for one model.
        memory_limit: resident bytes for one model.
        opsets: every model is exported for each of them; 0 leaves the choice to the exporter.
        retry: outcomes that are tried again; all others are final.
        allow_unisolated_code: run a publisher's code (`pytorch-hub`) even where the system cannot shut it in.
        address: of a Ray cluster on which conversions run, as `builders.executor.ray.RayExecutor` takes it: "local"
            starts one of `jobs` processors. None converts on this machine, without Ray.
        store: where workers keep what they have finished until it is in the ledger, as `ConversionStore` takes it.

    Returns:
        How many of the conversions made now ended in each outcome; empty if there was nothing left to do.

    Raises:
        UsageError: a source or a model that does not exist.
        LedgerError: the ledger cannot be written.
    """
    specs = list(dict.fromkeys(sources))
    for spec in specs:
        crawl(ledger, spec, limit=limit)
    missing = ledger.unconverted(specs or None, opsets, retry)
    results = None if store is None else ConversionStore(store)
    outcomes: Counter[Outcome] = Counter()
    isolated = True
    try:
        with (
            Workplace(ledger.work / "scratch") as workplace,
            _executor(address, jobs) as executor,
            tqdm(total=len(missing), desc="convert", unit="model", disable=None) as progress,
        ):
            limits = Limits(seconds=timeout, memory=memory_limit)
            task = partial(_try_exporters, limits, workplace, allow_unisolated_code, results)
            run = partial(_run, task, executor, memory_limit)
            for request, attempts in _with_finished(ledger, missing, results, run):
                ledger.finish(request.model, *attempts, opset=request.opset)
                if results is not None:
                    results.forget(name_of(request))
                outcomes[attempts[-1].outcome] += 1
                isolated &= attempts[-1].isolated or attempts[-1].outcome is not Outcome.OK
                progress.set_postfix({str(outcome): count for outcome, count in sorted(outcomes.items())})
                progress.update()
    except OSError as error:
        raise YoungerError(f"cannot work in the directory {ledger.work}: {error.strerror}") from error
    if not isolated:
        _log.warning("this system allows no namespaces: the conversions saw the network and your files")
    return outcomes


Attempts = tuple[Conversion, ...]


def _executor(address: str | None, jobs: int) -> Executor[Request, Attempts]:
    if address is None:
        return LocalExecutor(jobs)
    from builders.executor.ray import RayExecutor

    return RayExecutor(_lost, address, jobs)


def _lost(_: Request, reason: str) -> Attempts:
    """What is entered of a model that took its worker with it, again and again."""
    return (Conversion(Outcome.CRASHED, f"its worker died each time: {plain(reason, 200)}"),)


def _with_finished(
    ledger: Ledger,
    missing: Sequence[tuple[int, int]],
    results: ConversionStore | None,
    run: Callable[[Iterator[Request]], Iterator[tuple[Request, Attempts]]],
) -> Iterator[tuple[Request, Attempts]]:
    """Every request and its attempts: first those that an earlier driver did not live to enter, then those of `run`.

    Requests are made when they are needed: a hub has more models than memory has room for.
    """
    left = missing
    if results is not None and (finished := results.names()):
        left = []
        for planned in missing:
            request = ledger.request(*planned)
            name = name_of(request)
            if attempts := results.take(name) if name in finished else ():
                yield request, attempts
            else:
                left.append(planned)
    yield from run(ledger.request(*planned) for planned in left)


def _run(
    task: Callable[[Request, Cancelled], Attempts],
    executor: Executor[Request, Attempts],
    memory_limit: int,
    requests: Iterator[Request],
) -> Iterator[tuple[Request, Attempts]]:
    """Every request and its attempts, as they end; no more requests are held at a time than keep the executor busy."""

    def submit(request: Request) -> None:
        memory = expected_memory(request.model, memory_limit)
        here = bool(request.model.location)
        executor.submit(request, partial(task, request), Resources(memory=memory, here=here))

    held = 2 * executor.room
    for request in islice(requests, held):
        submit(request)
    for ended in executor.results():
        more = max(2 * executor.room - held, 0)  # nodes may have joined
        held += more
        for request in islice(requests, 1 + more):
            submit(request)
        yield ended


def _try_exporters(
    limits: Limits,
    workplace: Workplace,
    allow_unisolated_code: bool,
    results: ConversionStore | None,
    request: Request,
    cancelled: Cancelled,
) -> Attempts:
    """Try the exporters of the model's library until one succeeds, or until none could."""
    if refused := refusal(request.model):
        return (refused,)
    attempts: Attempts = ()
    for exporter in exporters_for(request.model):
        attempt = convert(
            request,
            exporter,
            limits=limits,
            scratch=workplace.scratch,
            cancelled=cancelled,
            templates=workplace.templates,
            allow_unisolated_code=allow_unisolated_code,
        )
        attempts += (attempt,)
        if attempt.outcome in _FINAL:
            break
    if results is not None and not cancelled():
        results.put(request, attempts)
    return attempts


def build(
    sources: Iterable[str],
    output: str | os.PathLike[str],
    work: str | os.PathLike[str],
    *,
    jobs: int = 1,
    limit: int | None = None,
    timeout: float = TIMEOUT,
    memory_limit: int = MEMORY_LIMIT,
    opsets: Sequence[int] = (0,),
    retry: Collection[Outcome] = (),
    seed: int = 1234,
    previous: str | Path | None = None,
    allow_unisolated_code: bool = False,
    allow_removals: bool = False,
    address: str | None = None,
    store: str | None = None,
    trust_previous: bool = False,
) -> ReleaseReport:
    """Collect into the ledger of the directory `work`, and make a release of all that it holds.

    Args:
        sources: specifications, as for `collect`.
        output: the release directory, swapped in whole when it is complete.
        work: the directory of the ledger.
        jobs: as many processes at once.
        limit: as for `collect`.
        timeout: as for `collect`.
        memory_limit: as for `collect`.
        opsets: as for `collect`.
        retry: as for `collect`.
        seed: of the splits.
        previous: the release before, as for `assemble`; contributions that wait there are taken in.
        allow_unisolated_code: as for `collect`.
        allow_removals: as for `assemble`.
        address: as for `collect`.
        store: as for `collect`.
        trust_previous: as for `assemble`; its skeletons are taken as they are too.

    Raises:
        UsageError: a source or a model that does not exist, or something at `output` that is no release.
        ReleaseError: there is no release `previous`, rows of it would be lost, or a line of a `removals.txt` makes no
            sense.
        YoungerError: nothing could be converted, or the output cannot be written. An earlier release stays as it was.
    """
    from builders.assemble import assemble, check_place
    from builders.assemble.previous import read_removals

    release = Path(output)
    check_place(release)
    read_removals(previous, release)
    with Ledger(work) as ledger:
        if previous is not None:
            before = open_release(previous)
            check_foreign_release(before)
            restore(ledger, before, jobs=jobs, trusted=trust_previous)
        gather = partial(
            collect,
            ledger,
            jobs=jobs,
            timeout=timeout,
            memory_limit=memory_limit,
            retry=retry,
            allow_unisolated_code=allow_unisolated_code,
            address=address,
            store=store,
        )
        gather(sources, limit=limit, opsets=opsets)
        if previous is not None:
            gather([f"contributions:{previous}"])
        if next(ledger.architectures(), None) is None:
            failures = list(ledger.failures())
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            reason = next((f"{model.id}: {message or outcome}{more}" for model, outcome, message in failures), "")
            raise YoungerError(f"no model could be converted: {reason or 'no source is given'}")
        return assemble(
            ledger,
            release,
            jobs=jobs,
            seed=seed,
            previous=previous,
            allow_removals=allow_removals,
            results=Path(work),
            trust_previous=trust_previous,
            address=address,
        )
