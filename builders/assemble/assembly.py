"""A release from a ledger alone: `assemble` measures every skeleton, merges, splits, writes, and swaps it in.

Passes keep memory small: the first measures skeletons in processes and sets their graphs aside on disk; the second
writes rows in the order of (size decile, fingerprint), a row group at a time; subgraphs are found and set aside in
between.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from builders.assemble.describe.card import render_card
from builders.assemble.describe.collected import count_collected
from builders.assemble.describe.counted import count_rows
from builders.assemble.describe.croissant import render_croissant
from builders.assemble.describe.report import ReleaseReport
from builders.assemble.measured import MeasuredStore
from builders.assemble.merge import (
    Chosen,
    Rows,
    by_normal_form,
    count_undecided,
    count_wl_collisions,
    merge,
    normal_form_pairs,
)
from builders.assemble.previous import read_previous, read_removals
from builders.assemble.split.leaks import graph_leaks
from builders.assemble.split.near_duplicates import ALL_COMPARED, likely_pairs, similar_pairs
from builders.assemble.split.placement import place_rows
from builders.assemble.write.configs import write_configs
from builders.assemble.write.kept import keep_beside
from builders.assemble.write.operator_rows import operator_rows
from builders.assemble.write.swap import staged
from builders.executor.ordered_map import LostError, OrderedMap, ordered_map
from builders.lost_rows import check_lost_rows
from builders.measure.published import PublishedMeasurements
from builders.measure.spool import Packed, measure_packed, write_spool
from builders.removals import REMOVALS, Removals
from builders.results.files import results_for
from younger_hf.errors import YoungerError
from younger_hf.plots.figures import draw_all
from younger_hf.release import open_release
from younger_hf.release_diff import OF_THE_KEY, compare_releases
from younger_hf.schema import RESULTS
from younger_hf.statistics import count_release
from younger_hf.text import plain
from younger_hf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from builders.ledger import Architecture, Ledger, Tool
    from builders.model_ref import ModelRef

_log = logging.getLogger(__name__)


def assemble(
    ledger: Ledger,
    output: Path,
    *,
    jobs: int = 1,
    seed: int = 1234,
    previous: str | Path | None = None,
    near_duplicates: Iterable[tuple[str, str]] = (),
    allow_removals: bool = False,
    results: Path | None = None,
    trust_previous: bool = False,
    address: str | None = None,
) -> ReleaseReport:
    """Turn a ledger into a release.

    The release is a function of the ledger's models and results, of the seed and of the release before: the order of
    attempts, times, paths and the number of processes do not show in it.

    Args:
        ledger: what was converted.
        output: the release directory, swapped in whole; an earlier release there stays until then.
        jobs: processes to measure skeletons and to cut graphs in.
        address: of a Ray cluster that does this instead, as `builders.executor.ray.RayExecutor` takes it.
        seed: of the split by family.
        previous: the release before, a directory (`output` itself, perhaps) or the id of a Hub dataset repository:
            ids of operators and splits of rows stay as they are there, and the models in its `removals.txt` are left
            out, as are those in that of the release at `output`.
        near_duplicates: pairs of fingerprints of `graphs` that are to be in one split.
        allow_removals: whether rows of the release before may be missing though no removal asked for that.
        results: a directory with files of measurements and evaluations, see `builders.results`; those of the release
            before stay.
        trust_previous: take what the release before says of skeletons that it has for what they measure, where the
            same rules measured them. It gives the same bytes, and much sooner, if what it says is true.

    Raises:
        UsageError: there is something at `output` that is no release.
        ReleaseError: there is no release `previous`, it cannot be read, or rows of it would be lost.
        YoungerError: nothing was converted, or the release cannot be written; an earlier one is untouched.
    """
    before = read_previous(previous)
    removals = read_removals(previous, output)
    with staged(output) as scratch, _mapping(jobs, address) as mapped, closing(_store(scratch)) as measured:
        spool = scratch / "graphs.arrow"
        directory = scratch / "release"
        published = None
        if previous is not None and trust_previous:
            published = PublishedMeasurements(
                open_release(previous),
                {one.skeleton_hash: _public(one, removals) for one in ledger.architectures()},
                scratch,
            )
        _measure_all(ledger, measured, spool, mapped, removals, published)
        types = merge(measured)
        rows, _ = types.finer_rows()
        forms = by_normal_form(rows)
        joined = normal_form_pairs(forms)
        together = np.concatenate([_pairs(near_duplicates, rows), joined])
        similar = near_duplicates_of(rows, scratch)
        placement = place_rows(types, seed, before.splits, before.stratified, together, similar)
        graphs = Chosen(rows, placement.graphs.order)
        if previous is not None and not allow_removals:
            lost = set(before.split_of("graphs")).difference(rows.row_keys())
            check_lost_rows(open_release(previous), lost, removals)
        operators = operator_rows((graph.representative.facts.variants for graph in graphs), before.vocabulary)
        vocabulary = Vocabulary.from_rows(operators)
        written = write_configs(
            *(directory, placement, forms, operators, vocabulary, spool),
            entries=ledger.entries(removals.cover),
            previous=before,
            results={config: results_for(config, results, previous, rows.with_keys) for config in RESULTS},
            mapped=mapped,
        )
        counted = count_rows(rows)
        collected = count_collected(ledger, counted, removals)
        report = ReleaseReport(
            output=output,
            rows={
                config: {split: files.num_rows for split, files in splits.items()}
                for config, splits in written.files.items()
            },
            models=measured.count_models(),
            collected=collected,
            skeletons=len(placement.skeletons),
            duplicates=collected.conversions - len(graphs),
            wl_collisions=count_wl_collisions(rows),
            normal_forms=len(forms),
            searched=counted.searched,
            undecided=count_undecided(rows),
            subgraphs=written.subgraphs,
            conflicts=placement.conflicts,
            leaks=[*graph_leaks(placement), *written.leaks],
            unmatched=sorted(removals.unmatched(model.id for model in ledger.model_endings())),
        )
        card = render_card(report, written.files, rows, counted, vocabulary)
        (directory / "README.md").write_text(card, encoding="utf-8")
        croissant = render_croissant(report, written.files, counted.days)
        (directory / "croissant.json").write_text(croissant, encoding="utf-8")
        _draw_figures(directory)
        keep_beside(output if previous is None else previous, directory)
        if removals.lines:
            (directory / REMOVALS).write_bytes(removals.to_bytes())
        if previous is not None:
            changes = compare_releases(open_release(previous), open_release(directory), without=OF_THE_KEY)
            report = replace(report, changes=replace(changes, new=str(output)))
    return report


@contextmanager
def _mapping(jobs: int, address: str | None) -> Iterator[OrderedMap]:
    """Where measuring and cutting is done."""
    if address is None:
        yield partial(ordered_map, jobs=jobs)
    else:
        from builders.executor.ray import RayMap

        with RayMap(address, jobs) as mapped:
            yield mapped


def _measure_all(
    ledger: Ledger,
    measured: MeasuredStore,
    spool: Path,
    mapped: OrderedMap,
    removals: Removals,
    published: PublishedMeasurements | None,
) -> None:
    """The first pass: what is measured is set aside, the graphs in the spool."""
    # Of those that are being measured, in the order in which they will have been.
    origins: deque[tuple[str, dict[ModelRef, Tool]]] = deque()
    asked = False
    with write_spool(spool) as write:

        def enter(digest: str, models: dict[ModelRef, Tool], packed: Packed) -> None:
            # Labels come from other processes, each time as new strings.
            variants = {intern(label): count for label, count in packed.facts.variants.items()}
            measured.append(digest, models, replace(packed.facts, variants=variants))
            write(packed)

        def unknown() -> Iterator[tuple[bytes, bytes]]:
            nonlocal asked
            for architecture in ledger.architectures():
                digest, models = architecture.skeleton_hash, _public(architecture, removals)
                if not models:
                    continue
                made = architecture.skeleton, architecture.modules or b""
                if published is not None and digest in published:
                    enter(digest, models, published.packed(digest, *made))
                else:
                    origins.append((digest, models))
                    asked = True
                    yield made

        results = tqdm(mapped(_measure, unknown()), desc="measure", unit="skeleton", disable=None)
        try:
            for result in results:
                digest, models = origins.popleft()
                if isinstance(result, str):
                    first = next(iter(models))
                    named = f"{first.source} {plain(first.id, 200)}"
                    _log.warning("%s is left out: its skeleton cannot be measured: %s", named, plain(result, 300))
                    continue
                enter(digest, models, result)
        except LostError as error:
            model = next(iter(origins[0][1]))
            raise YoungerError(
                f"a process that measures skeletons died, at or soon after that of {model.source} {model.id}: {error}"
            ) from error
    if not measured and asked:
        raise YoungerError("no skeleton in the ledger can be measured")
    if not measured and next(ledger.architectures(), None):
        raise YoungerError(f"{REMOVALS} asks to leave out every model that was converted: collect others")
    if not measured:
        raise YoungerError("the ledger has no converted model yet: collect some with `younger-hf build`")
    measured.finish()


def _store(scratch: Path) -> MeasuredStore:
    return MeasuredStore(scratch / "measured.sqlite")


def _pairs(keys: Iterable[tuple[str, str]], rows: Rows) -> NDArray[np.int32]:
    """Pairs of rows by their keys, int32 [P, 2]; those of which no row is here are passed over."""
    pairs = list(keys)
    asked = {key for pair in pairs for key in pair}
    row_of = {key: row for row, key in enumerate(rows.row_keys()) if key in asked} if asked else {}
    found = [[row_of[key] for key in pair] for pair in pairs if row_of.keys() >= set(pair)]
    return np.array(found, np.int32).reshape(-1, 2)


def near_duplicates_of(rows: Rows, scratch: Path) -> NDArray[np.int32]:
    """Pairs of rows that are much alike."""
    measured, chosen = rows.measured, rows.representatives
    if len(rows) <= ALL_COMPARED:
        return similar_pairs(measured.sketches(chosen))
    blocks = (measured.minhashes(block) for block in np.array_split(chosen, len(rows) // ALL_COMPARED + 1))
    return likely_pairs(blocks, lambda row: measured.sketch(int(chosen[row])), scratch)


def _measure(made: tuple[bytes, bytes]) -> Packed | str:
    """What is measured of a skeleton; or why it cannot be, whatever is wrong with it, so that the others go on."""
    skeleton, modules = made
    try:
        return measure_packed(skeleton, modules)
    except Exception as error:
        return str(error) if isinstance(error, YoungerError) else f"{type(error).__name__}: {error}"


def _draw_figures(release: Path) -> None:
    """The figures that the card shows, of what was written."""
    (release / "figures").mkdir()
    for name, figure in draw_all(count_release(release)).items():
        (release / "figures" / name).write_bytes(figure)


def _public(architecture: Architecture, removals: Removals) -> dict[ModelRef, Tool]:
    """The models that stay and what made each, without what says where their files are: no path shows in an order."""
    bare = {
        replace(model, location="", stamp=""): tool
        for model, tool in zip(architecture.models, architecture.tools, strict=True)
        if not removals.cover(model.id)
    }
    return {
        model: bare[model]
        for model in sorted(bare, key=lambda one: (one.source, one.id, one.revision, one.component, one.to_json()))
    }
