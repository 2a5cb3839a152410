"""The stages in order: crawl, convert, assemble. `collect` fills the ledger, `build` makes a release of it too.

`collect` is slow and resumable: what the ledger has is not done again. `assemble` is fast and a function of the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from builders.convert import Conversion, Outcome
from builders.convert.isolation import Limits, convert
from builders.crawl import ModelRef, list_models
from builders.executor import Cancelled, Executor, LocalExecutor
from builders.ledger import Ledger
from younger_hf.errors import YoungerError

if TYPE_CHECKING:
    from builders.assemble import ReleaseReport


def collect(
    ledger: Ledger,
    sources: Iterable[str],
    *,
    executor: Executor | None = None,
    limit: int | None = None,
    limits: Limits | None = None,
    retry: Iterable[Outcome] = (),
) -> Counter[Outcome]:
    """Crawl sources and convert what the ledger does not have.

    Args:
        ledger: where models and attempts are entered.
        sources: specifications as on the command line.
        executor: where conversions run; one at a time on this machine if left out.
        limit: at most so many models of each source.
        limits: what one conversion may use.
        retry: outcomes that are tried again.

    Returns:
        How the attempts of this run ended.

    Raises:
        UsageError: there is no such source or model; nothing was tried.
        LedgerError: the ledger cannot be written.
    """
    models = [model for spec in sources for model in list_models(spec, limit)]
    ledger.record(models)
    pending = ledger.pending(models, retry)

    def attempt(model: ModelRef, cancelled: Cancelled) -> Conversion:
        return convert(model, limits=limits, cancelled=cancelled)

    counts: Counter[Outcome] = Counter()
    with tqdm(total=len(pending), desc="convert", unit="model", disable=None) as progress:
        for model, conversion in (executor or LocalExecutor()).run(attempt, pending):
            ledger.finish(model, conversion)
            counts[conversion.outcome] += 1
            progress.set_postfix({str(outcome): count for outcome, count in counts.items()}, refresh=False)
            progress.update()
    return counts


def build(
    sources: Iterable[str],
    output: Path,
    work: Path,
    *,
    jobs: int = 1,
    limit: int | None = None,
    limits: Limits | None = None,
    retry: Iterable[Outcome] = (),
) -> tuple[ReleaseReport, list[tuple[str, str, Outcome, str]]]:
    """Collect, then assemble a release of all that the ledger of the work directory has.

    Args:
        sources: specifications as on the command line.
        output: the release directory, replaced in whole.
        work: the directory of the ledger.
        jobs: conversions at a time, and processes of the assembly.
        limit: at most so many models of each source.
        limits: what one conversion may use.
        retry: outcomes that are tried again.

    Returns:
        What the release holds; and (source, id, outcome, message) of each model in the ledger that is not in it.

    Raises:
        UsageError: there is no such source or model, or something at `output` that is no release.
        YoungerError: the ledger or the release cannot be written, or nothing could be converted. An earlier release
            is untouched.
    """
    from builders.assemble import assemble, check_place

    check_place(output)
    with Ledger(work) as ledger:
        collect(ledger, sources, executor=LocalExecutor(jobs), limit=limit, limits=limits, retry=retry)
        failures = list(ledger.failures())
        if not ledger.outcomes()[Outcome.OK]:
            source, name, outcome, message = failures[0]
            raise YoungerError(
                f"none of {len(failures)} models could be converted; {source} {name}: {outcome}, {message}"
            )
        return assemble(ledger, output, jobs=jobs), failures
