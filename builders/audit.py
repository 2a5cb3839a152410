"""What a release promises, tried on the release itself: `audit` counts, and `write_into_card` says it in the card.

In go the files of a release and the libraries that its models are from; out comes an `Audit`. All skeletons are read
again, and the graphs of their rows recognised; some are run, and some models converted once more.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from onnx import load_model_from_string
from tqdm import tqdm

from builders.convert import Outcome
from builders.crawl import SOURCES, list_models
from builders.executor.ordered_map import ordered_map
from builders.ledger import Entry, Ledger
from builders.model_ref import ModelRef
from builders.pipeline import collect
from builders.restore import read_entries
from younger_hf.errors import MissingExtraError, YoungerError
from younger_hf.extract import extract, strip
from younger_hf.extract.weightless import find_weights
from younger_hf.identity import fingerprint, skeleton_fingerprint
from younger_hf.interop.onnx import example_inputs, to_onnx
from younger_hf.release import Release
from younger_hf.text import plain, table
from younger_hf.whole_files import write_whole

PAPER_HOURS: Final = 8_000
"""Hours of a processor that the paper's conversions took (section 3)."""

_SKELETON: Final = ("skeleton_fingerprint", "fingerprint", "onnx")
_MOST_PARAMETERS: Final = 300_000_000  # of a model that is run: 1.2 GB
_HEADING: Final = "\n## Audit\n"
_NEXT: Final = "\n## "

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        seed: of what was drawn.
        skeletons: rows of config `skeletons`; all were read again.
        with_content: of these, how many hold a weight, a name or a text that stripping would have taken away.
        misnamed: of these, how many have another graph than their row says.
        duplicates: rows of `graphs` whose graph, as its skeletons have it, is that of another row too.
        drawn_to_run: skeletons that were drawn to be run with random parameters; none has more than 300 million.
        ran: of these, how many ONNX Runtime ran to their end.
        why_not_run: what it said of the others, by how often.
        drawn_to_convert: models that were drawn to be converted once more.
        same: of these, how many gave the skeleton that the release has.
        why_not_same: the others, each with what became of it.
        hours: that the release's conversions took, by the clock, in the processes that they ran in.
    """

    seed: int
    skeletons: int
    with_content: int
    misnamed: int
    duplicates: int
    drawn_to_run: int
    ran: int
    why_not_run: Mapping[str, int]
    drawn_to_convert: int
    same: int
    why_not_same: Sequence[str]
    hours: float

    def lines(self) -> list[tuple[str, str]]:
        """What was looked for, and what was found."""
        return [
            ("skeletons, all read again", f"{self.skeletons:,}"),
            ("of these, with a weight, a name or a text that stripping takes away", f"{self.with_content:,}"),
            ("of these, with another graph than their row says", f"{self.misnamed:,}"),
            ("rows of graphs with the graph of another row", f"{self.duplicates:,}"),
            (
                "drawn at random, filled with random parameters and run by ONNX Runtime",
                f"{self.ran:,} of {self.drawn_to_run:,}",
            ),
            (
                "models drawn at random and converted once more, with the same skeleton as before",
                f"{self.same:,} of {self.drawn_to_convert:,}",
            ),
            (f"hours that the conversions took (the paper's: {PAPER_HOURS:,})", f"{self.hours:,.1f}"),
        ]

    def __str__(self) -> str:
        """For a terminal."""
        rest = [f"not run, {count:,}: {reason}" for reason, count in self.why_not_run.items()]
        return "\n".join([table(("what", "found"), self.lines()), *rest, *self.why_not_same])


def audit(release: Release, *, runs: int = 200, conversions: int = 50, seed: int = 0, jobs: int = 1) -> Audit:
    """Try what a release promises.

    Args:
        release: a directory's.
        runs: how many skeletons are run, if there are so many.
        conversions: how many models are converted once more; those of a hub, a zoo and of contributors are not, since
            they need the network.
        seed: of what is drawn.
        jobs: processes at once.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        ReleaseError: the release cannot be read, or has no config `conversions`.
        YoungerError: a model ended the process that ran it.
    """
    if runs:
        try:
            import onnxruntime  # noqa: F401 - so that it is missed at once
        except ModuleNotFoundError as error:
            raise MissingExtraError("onnxruntime", "audit") from error
    generator = np.random.default_rng(seed)
    counts, graphs, small = _read_all(release, jobs)
    drawn = _draw(generator, sorted(small), runs)
    reasons = list(tqdm(ordered_map(_run, _skeletons(release, drawn), jobs), "run", len(drawn), disable=None))
    entries = [(entry, key) for entry, key in read_entries(release) if entry.attempt is not None]
    known = {_name(entry.model): key for entry, key in entries if key and _is_installed(entry)}
    again = _draw(generator, sorted(known), conversions)
    found = _convert_again(again, jobs)
    others = [f"{' '.join(filter(None, name))}: {found[name][1]}" for name in again if found[name][0] != known[name]]
    return Audit(
        seed=seed,
        skeletons=counts.total(),
        with_content=counts["content"],
        misnamed=counts["misnamed"],
        duplicates=len(graphs) - len(set(graphs)),
        drawn_to_run=len(drawn),
        ran=reasons.count(""),
        why_not_run=dict(Counter(filter(None, reasons)).most_common()),
        drawn_to_convert=len(again),
        same=len(again) - len(others),
        why_not_same=others,
        hours=sum(entry.attempt.seconds for entry, _ in entries if entry.attempt is not None) / 3600,
    )


def write_into_card(release: Path, found: Audit) -> None:
    """Put what was found in the place that the card keeps for it; what stood there goes.

    Raises:
        YoungerError: the card has no such place, or cannot be read or written; it is whole all the same.
    """
    card = release / "README.md"
    rows = "\n".join(f"| {what} | {answer} |" for what, answer in found.lines())
    section = f"""
What this release promises, tried on the release itself by `younger-hf audit`; what is random is drawn with seed
{found.seed}:

| | found |
| --- | ---: |
{rows}
"""
    try:
        before, heading, rest = card.read_text(encoding="utf-8").partition(_HEADING)
    except OSError as error:
        raise YoungerError(f"{card} cannot be read ({error.strerror})") from error
    if not heading:
        raise YoungerError(f"{card} has no place for an audit: it was made by an earlier younger-hf")
    _, following, after = rest.partition(_NEXT)
    write_whole(card, "".join((before, heading, section, following, after)).encode())


def _read_all(release: Release, jobs: int) -> tuple[Counter[str], list[str], list[str]]:
    """Outcomes of reading every skeleton, the graph of each row of `graphs`, and the keys of those small enough to run.

    A graph is that of the row's first skeleton; where rows were told apart, their graphs have to be.
    """
    of_rows: dict[str, str] = {}
    small: list[str] = []
    counts: Counter[str] = Counter()
    rows = _rows(release, _SKELETON)
    read = tqdm(ordered_map(_read, rows, jobs), "read", unit="skeleton", disable=None)
    for key, row, graph, outcome, parameters in read:
        counts[outcome] += 1
        of_rows.setdefault(row, graph)
        if parameters <= _MOST_PARAMETERS:
            small.append(key)
    return counts, list(of_rows.values()), small


def _read(row: Mapping[str, Any]) -> tuple[str, str, str, str, int]:
    content = bytes(row["onnx"])
    model = load_model_from_string(content)
    graph = extract(model)
    name = fingerprint(graph)
    outcome = "sound"
    if find_weights(content) or strip(model).SerializeToString(deterministic=True) != content:
        outcome = "content"
    elif (skeleton_fingerprint(model), name) != (row["skeleton_fingerprint"], row["fingerprint"]):
        outcome = "misnamed"
    return row["skeleton_fingerprint"], row["fingerprint"], name, outcome, graph.metadata.num_parameters


def _run(skeleton: bytes) -> str:
    """Run a model with random parameters; why it could not be, or nothing."""
    import onnxruntime

    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        content = to_onnx(skeleton, "random").SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        session.run(None, example_inputs(skeleton))
    except Exception as error:  # whatever stops it is what is to be counted
        return plain(str(error).partition("\n")[0], 200) or type(error).__name__
    return ""


def _convert_again(names: Sequence[tuple[str, ...]], jobs: int) -> dict[tuple[str, ...], tuple[str, str]]:
    """By model, the fingerprint of the skeleton that it gives now, and how its conversion ended."""
    found = dict.fromkeys(names, ("", "its source does not list it any more"))
    with TemporaryDirectory(prefix="younger-audit-") as directory, Ledger(directory) as ledger:
        for source in sorted({name[0] for name in names}):
            terms = sorted({_term(*name) for name in names if name[0] == source})
            listed = list_models(f"{source}:{','.join(terms)}")
            ledger.record(model for model in listed if _name(model) in found)
        collect(ledger, jobs=jobs)
        for model, outcome, message in ledger.failures():
            found[_name(model)] = "", f"{outcome}, {plain(message, 200)}"
        for architecture in ledger.architectures():
            key = skeleton_fingerprint(load_model_from_string(architecture.skeleton))
            found |= {_name(model): (key, "another skeleton") for model in architecture.models if _name(model) in found}
    return found


def _term(source: str, model: str, component: str) -> str:
    """What a source is asked for to list a model: a registry lists components of a whole model by their own names."""
    return f"{model}/{component}" if component and SOURCES.find(source).is_registry else model


def _is_installed(entry: Entry) -> bool:
    """Whether the model is made by an installed library, in one conversion that went well."""
    attempt, model = entry.attempt, entry.model
    return (
        attempt is not None
        and attempt.outcome is Outcome.OK
        and attempt.asked_opset == 0
        and model.source in SOURCES.names
        and model.origin not in ("contributed", "published")
    )


def _name(model: ModelRef) -> tuple[str, ...]:
    return model.source, model.id, model.component


def _draw(generator: np.random.Generator, names: Sequence[Any], most: int) -> list[Any]:
    chosen = generator.permutation(len(names))[:most]
    return [names[at] for at in sorted(chosen)]


def _skeletons(release: Release, keys: Sequence[str]) -> Iterator[bytes]:
    wanted = frozenset(keys)
    for row in _rows(release, _SKELETON):
        if row["skeleton_fingerprint"] in wanted:
            yield bytes(row["onnx"])


def _rows(release: Release, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    for _, part in release.row_groups("skeletons", columns):
        yield from part.to_pylist()
