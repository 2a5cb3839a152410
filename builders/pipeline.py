"""The stages in order: `collect` fills the ledger (slow, resumable), `build` makes a release of it besides.

crawl -> convert (a child process each) -> ledger -> assemble -> release
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from builders.convert import Conversion, Outcome, Request, exporters_for
from builders.convert.isolation import Limits, convert
from builders.crawl import ModelRef, list_models
from builders.executor import Cancelled, Executor, LocalExecutor, Resources
from builders.ledger import Ledger
from younger_hf.errors import YoungerError

if TYPE_CHECKING:
    from builders.assemble import ReleaseReport

TIMEOUT = 600.0  # seconds for one model
MEMORY_LIMIT = 8 << 30  # bytes for one model

_log = logging.getLogger(__name__)


def collect(
    ledger: Ledger,
    sources: Iterable[str],
    *,
    jobs: int = 1,
    limit: int | None = None,
    timeout: float = TIMEOUT,
    memory_limit: int = MEMORY_LIMIT,
    retry: Collection[Outcome] = (),
) -> Counter[Outcome]:
    """Convert what the sources list and the ledger has no result for.

    A model that fails is a row in the ledger, and the others go on. An interrupt ends the children and loses their
    attempts, no more.

    Args:
        ledger: where results go; entered as they come.
        sources: specifications as `builders.crawl.list_models` takes them.
        jobs: conversions at once.
        limit: at most so many models of each source.
        timeout: wall-clock seconds for one model.
        memory_limit: resident bytes for one model.
        retry: outcomes that are tried again; all others are final.

    Returns:
        How many of the attempts made now ended in each outcome; empty if there was nothing left to do.

    Raises:
        UsageError: a source or a model that does not exist.
        LedgerError: the ledger cannot be written.
    """
    models = list(dict.fromkeys(model for source in sources for model in list_models(source, limit)))
    ledger.record(models)
    missing = [model for model in models if (result := ledger.result(model)) is None or result in retry]
    scratch = ledger.work / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # a killed build leaves its own behind
    limits = Limits(seconds=timeout, memory=memory_limit)
    outcomes: Counter[Outcome] = Counter()
    isolated = True
    executor: Executor[ModelRef, Conversion]
    try:
        scratch.mkdir()
        with (
            LocalExecutor[ModelRef, Conversion](jobs) as executor,
            tqdm(total=len(missing), desc="convert", unit="model", disable=None) as progress,
        ):
            for model in missing:
                executor.submit(model, partial(_convert, model, limits, scratch), Resources(memory=memory_limit))
            for model, conversion in executor.results():
                ledger.finish(model, conversion)
                outcomes[conversion.outcome] += 1
                isolated &= conversion.isolated or conversion.outcome is not Outcome.OK
                progress.set_postfix({str(outcome): count for outcome, count in sorted(outcomes.items())})
                progress.update()
    except OSError as error:
        raise YoungerError(f"cannot work in the directory {ledger.work}: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not isolated:
        _log.warning("this system allows no namespaces: the conversions were not cut off from the network")
    return outcomes


def _convert(model: ModelRef, limits: Limits, scratch: Path, cancelled: Cancelled) -> Conversion:
    return convert(Request(model), exporters_for(model)[0], limits=limits, scratch=scratch, cancelled=cancelled)


def build(
    sources: Iterable[str],
    output: str | os.PathLike[str],
    work: str | os.PathLike[str],
    *,
    jobs: int = 1,
    limit: int | None = None,
    timeout: float = TIMEOUT,
    memory_limit: int = MEMORY_LIMIT,
    retry: Collection[Outcome] = (),
    seed: int = 1234,
) -> ReleaseReport:
    """Collect into the ledger of the directory `work`, and make a release of all that it holds.

    Args:
        sources: specifications; none makes a release of what is there.
        output: the release directory, swapped in whole when it is complete.
        work: the directory of the ledger.
        jobs: as many processes at once.
        limit: as for `collect`.
        timeout: as for `collect`.
        memory_limit: as for `collect`.
        retry: as for `collect`.
        seed: of the splits.

    Raises:
        UsageError: a source or a model that does not exist, or something at `output` that is no release.
        YoungerError: nothing could be converted, or the output cannot be written. An earlier release stays as it was.
    """
    from builders.assemble import assemble, check_place

    release = Path(output)
    check_place(release)
    with Ledger(work) as ledger:
        collect(ledger, sources, jobs=jobs, limit=limit, timeout=timeout, memory_limit=memory_limit, retry=retry)
        if next(ledger.architectures(), None) is None:
            reasons = [f"{model.id}: {message or outcome}" for model, outcome, message in ledger.failures()]
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            raise YoungerError(f"no model could be converted: {''.join(reasons[:1]) or 'no source is given'}{more}")
        return assemble(ledger, release, jobs=jobs, seed=seed)
