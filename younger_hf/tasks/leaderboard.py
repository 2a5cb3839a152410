"""The leaderboard of a release: every entry scored anew from its predictions, as untrusted input.

An entry is two files in `leaderboard/` beside the release's configs, and comes as a contribution does, by pull request:

    NAME.yaml       model, parameters (a number), seed, code (a link), license
    NAME.parquet    its predictions

In goes a release; out come `Entry`s, the best of each evaluation set first. What an entry says of itself is shown and
never believed: labels, candidates and classes are the release's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml

from younger_hf.errors import UsageError, YoungerError
from younger_hf.release import Release
from younger_hf.settings import typed_settings
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.tasks.intervals import Interval, families_of, intervals
from younger_hf.tasks.predictions import Predictions, check_labels
from younger_hf.tasks.task import TASKS

FOLDER: Final = "leaderboard"
TABLES: Final = ("graphs", "graphs-no-attributes", "operators", "subgraphs", "subgraphs-no-attributes")
"""The configs that an entry may be about, and their vocabulary."""

_MOST_BYTES: Final = 1 << 16
_LONGEST: Final = 200  # characters of what an entry says


class EntryError(UsageError):
    """An entry of a leaderboard is not what it has to be."""


@dataclass(frozen=True)
class Claim:
    """What an entry says of itself.

    Attributes:
        model: its name.
        parameters: how many it has; 0 for a rule.
        seed: of its training.
        code: a link to what made it.
        license: of the code, by its SPDX identifier.
    """

    model: str
    parameters: int
    seed: int
    code: str
    license: str


@dataclass(frozen=True)
class Entry:
    """An entry and what it is worth.

    Attributes:
        name: of its files.
        claim: what it says of itself.
        of: what it predicts.
        metrics: by name.
        intervals: low and high by metric, of 95 % over families.
    """

    name: str
    claim: Claim
    of: EvaluationSet
    metrics: dict[str, float]
    intervals: dict[str, Interval]

    @property
    def setting(self) -> str:
        """What it predicts, in words."""
        of = self.of
        chosen = " ".join(f"{name} {value}" for name, value in of.choices.shown().items())
        return f"{of.task}, {of.config}, split {of.split} of scheme {of.split_scheme}{', ' if chosen else ''}{chosen}"

    @property
    def order(self) -> tuple[Any, ...]:
        """By task, config, split scheme, split and choices; then by the task's first metric, the best first."""
        of, metric = self.of, TASKS.find(self.of.task).metrics[0]
        return (of.task, of.config, of.split_scheme, of.split, str(of.choices), -self.metrics[metric], self.name)


def score_entries(release: Release, draws: int = 500) -> list[Entry]:
    """Score all entries of a release.

    Args:
        release: a directory.
        draws: of families, for the intervals; 0 gives none.

    Returns:
        By task, config, split scheme, split and choices; within these by the task's first metric, the best first.

    Raises:
        EntryError: an entry lacks a file, or says of itself what cannot be.
        PredictionsError: its predictions are not of this release, or not as they have to be.
        UsageError: the release is no directory, or has no entries.
    """
    claims, alone = entry_files(release)
    if not claims:
        directory = Path(release.source) / FOLDER
        raise UsageError(f"{release.source} has no entries: a leaderboard is NAME.yaml and NAME.parquet in {directory}")
    for file in alone:
        raise EntryError(f"{file} has no {file.stem}.yaml beside it that says what it is of")
    return sorted((score_entry(file, release, draws) for file in claims), key=lambda entry: entry.order)


def entry_files(release: Release) -> tuple[list[Path], list[Path]]:
    """What entries a release directory has: the YAML file of each, and predictions without one, by name."""
    directory = Path(release.source) / FOLDER
    claims = sorted(directory.glob("*.yaml"))
    return claims, [file for file in sorted(directory.glob("*.parquet")) if file.with_suffix(".yaml") not in claims]


def score_entry(file: Path, release: Release, draws: int) -> Entry:
    """Score one entry.

    Args:
        file: the YAML file; its predictions lie beside it.
        release: as `score_entries` takes it.
        draws: likewise.

    Raises:
        EntryError: as `score_entries`.
        PredictionsError: likewise.
    """
    claim = _read_claim(file)
    table = file.with_suffix(".parquet")
    if not table.is_file() or table.is_symlink():
        raise EntryError(f"{file} has no {table.name} beside it")
    predictions = Predictions.load(table)
    if TASKS.find(predictions.of.task).is_claimed:
        raise EntryError(f"{table} claims likelihoods, which nobody can compute from a file")
    metrics = Evaluator.score(table)  # before its labels are believed, whether its predictions can be any
    check_labels(predictions, release, table)
    found = intervals(predictions, families_of(predictions, release), draws) if draws else {}
    return Entry(file.stem, claim, predictions.of, metrics, found)


def _read_claim(file: Path) -> Claim:
    """What a YAML file says.

    Raises:
        EntryError: it cannot be read, or lacks something.
    """
    try:
        if file.is_symlink() or file.stat().st_size > _MOST_BYTES:
            raise EntryError(f"{file} is a link, or too large for an entry")
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise EntryError(f"{file} cannot be read as YAML ({' '.join(str(error).split())[:_LONGEST]})") from error
    names = [field.name for field in fields(Claim)]
    if not isinstance(said, dict) or sorted(map(str, said)) != sorted(names):
        raise EntryError(f"{file} must say {', '.join(names)}, and nothing else")
    try:
        claim = Claim(**typed_settings(Claim, said))
    except YoungerError as error:
        raise EntryError(f"{file}: {error}") from error
    for name in ("model", "code", "license"):
        value = getattr(claim, name)
        if not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise EntryError(f"{file}: {name} must be one line of 1 to {_LONGEST} characters")
    if not claim.code.startswith("https://"):
        raise EntryError(f"{file}: code must be a link that begins with https://, not {claim.code}")
    if claim.parameters < 0:
        raise EntryError(f"{file}: parameters must be 0 or more, not {claim.parameters}")
    return claim
