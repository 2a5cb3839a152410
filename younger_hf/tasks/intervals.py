"""How sure a metric is: bootstrap intervals over families, and of the difference between two predictions.

Graphs of one family are alike, so that what is drawn with replacement is families, each with all its labels (a cluster
bootstrap: Davison and Hinkley, "Bootstrap methods and their application", 1997, section 3.8). In go predictions and the
release that says what is of which family; out come percentile intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

from younger_hf.dataset import load
from younger_hf.errors import UsageError
from younger_hf.graph import IntArray
from younger_hf.release import Release
from younger_hf.schema import DEFAULT_CONFIG
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.tasks.predictions import Predictions
from younger_hf.tasks.task import TASKS

DRAWS: Final = 500
LEVEL: Final = 0.95

_SEED: Final = 12345

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same labels.

    Attributes:
        first: of the one.
        second: of the other.
        low: where the interval of second minus first begins.
        high: where it ends.
    """

    first: float
    second: float
    low: float
    high: float


def families_of(predictions: Predictions, release: Release) -> IntArray:
    """The family, int64 [M], that each label is of, numbered from 0; a graph of unknown family is one by itself.

    A subgraph is of the family of the first graph that it occurs in.

    Raises:
        ReleaseError: the release lacks a file.
    """
    of = predictions.of
    family = _family_of_graph(release)
    rows = load(of.config, of.split, release.source, revision=release.revision, split_scheme=of.split_scheme)
    key = rows.column_names[0]
    where: dict[str, str] = {}
    if "graphs" in rows.column_names:
        for row in rows.select_columns([key, "graphs"]):
            where[row[key]] = family.get(row["graphs"][0] if row["graphs"] else "", row[key])
    else:
        for row in rows.select_columns([key, "family"]):
            where[row[key]] = row["family"] or row[key]
    fingerprints = predictions.table["fingerprint"].combine_chunks().dictionary_encode()
    names = [where.get(name, name) for name in fingerprints.dictionary.to_pylist()]
    numbers = np.unique(names, return_inverse=True)[1] if names else np.empty(0, np.int64)
    return np.asarray(numbers.reshape(-1)[fingerprints.indices.to_numpy()], np.int64)


def _family_of_graph(release: Release) -> dict[str, str]:
    """The families of graphs by their fingerprints, with attributes and without."""
    found: dict[str, str] = {}
    for _, table in release.row_groups(DEFAULT_CONFIG, ["fingerprint", "type_fingerprint", "family"]):
        for fingerprint, without, family in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if family:
                found[fingerprint] = family
                found.setdefault(without, family)
    return found


def intervals(predictions: Predictions, families: IntArray, draws: int = DRAWS) -> dict[str, Interval]:
    """The interval of each metric, of 95 %.

    Args:
        predictions: M of them.
        families: int64 [M], from `families_of`.
        draws: how many times families are drawn.

    Returns:
        Low and high by metric; nothing where there is but one family.
    """
    drawn = _draw([predictions], families, draws)
    return {name: _percentiles(values[0]) for name, values in drawn.items()}


def differences(
    first: Predictions | Sequence[Predictions],
    second: Predictions | Sequence[Predictions],
    release: Release,
    draws: int = DRAWS,
) -> tuple[dict[str, Difference], int]:
    """Two models on the same labels: each family is drawn for both alike, so that what is hard for both cancels out.

    Of a model with several seeds, each an own prediction of the same labels, metrics are the mean, and seeds are drawn
    too, so that the interval knows of their noise.

    Returns:
        The difference by metric, and the number of families.

    Raises:
        UsageError: they are predictions of other labels, or all of one family.
    """
    groups = [[each] if isinstance(each, Predictions) else list(each) for each in (first, second)]
    everyone = [each for group in groups for each in group]
    of = everyone[0].of
    for each in everyone:
        if each.of != of:
            raise UsageError(f"they predict other labels: {_differing(of, each.of)}")
    keys = [(name, "ascending") for name in TASKS.find(of.task).labels.names if _is_scalar(everyone[0].table, name)]
    in_order = [Predictions(each.of, each.model, each.table.sort_by(keys)) for each in everyone]
    labels = [each.table.select([name for name, _ in keys]) for each in in_order]
    if not all(each.equals(labels[0]) for each in labels):
        raise UsageError(
            "they predict other labels, though they say that these are the same: score each with --release"
        )
    families = families_of(in_order[0], release)
    num_families = len(np.unique(families))
    if num_families < 2:
        raise UsageError("all labels are of one family: there is nothing to draw from")
    values = [_metrics(each) for each in in_order]
    sizes = [len(group) for group in groups]
    generator = np.random.default_rng([_SEED, *sizes])
    found = {}
    for name, drawn in _draw(in_order, families, draws).items():
        means = [_mean_of_seeds(part, generator) for part in (drawn[: sizes[0]], drawn[sizes[0] :])]
        of_each = [value[name] for value in values]
        mean_first, mean_second = np.mean(of_each[: sizes[0]]), np.mean(of_each[sizes[0] :])
        found[name] = Difference(float(mean_first), float(mean_second), *_percentiles(means[1] - means[0]))
    return found, num_families


def _mean_of_seeds(drawn: Sequence[NDArray[np.float64]], generator: np.random.Generator) -> NDArray[np.float64]:
    """The mean over seeds, float64 [draws], in each draw over as many seeds as there are, drawn with replacement."""
    of_seeds = np.stack(drawn)
    chosen = generator.integers(len(of_seeds), size=of_seeds.shape)
    return np.asarray(np.take_along_axis(of_seeds, chosen, axis=0).mean(axis=0))


def _is_scalar(table: pa.Table, name: str) -> bool:
    return not pa.types.is_list(table.schema.field(name).type)


def _metrics(predictions: Predictions) -> dict[str, float]:
    return Evaluator.of(predictions.of).score_arrays(*predictions.arrays().values())


def _draw(many: Sequence[Predictions], families: IntArray, draws: int) -> dict[str, tuple[NDArray[np.float64], ...]]:
    """The metrics, [draws], of each of the predictions, families being drawn for all alike."""
    order = np.argsort(families, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(families[order])) + 1)
    if len(groups) < 2 or not draws:
        return {}
    evaluator = Evaluator.of(many[0].of)
    arrays = [list(each.arrays().values()) for each in many]
    generator = np.random.default_rng(_SEED)
    scores: list[list[dict[str, float]]] = [[] for _ in many]
    for _ in tqdm(range(draws), desc="bootstrap", unit="draw", disable=None, leave=False):
        rows = np.concatenate([groups[number] for number in generator.integers(len(groups), size=len(groups))])
        for of_model, inputs in zip(scores, arrays, strict=True):
            of_model.append(evaluator.score_arrays(*(array[rows] for array in inputs)))
    return {name: tuple(np.array([score[name] for score in of_model]) for of_model in scores) for name in scores[0][0]}


def _percentiles(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _differing(first: EvaluationSet, second: EvaluationSet) -> str:
    """The first thing in which two evaluation sets differ, in words."""
    theirs: dict[str, Any] = second.to_dict()
    for name, value in first.to_dict().items():
        if theirs.get(name) != value:
            return f"{name} is {str(value)[:60]} and {str(theirs.get(name))[:60]}"
    return "the tasks differ"


def share_without_class(predictions: Predictions) -> float | None:
    """The share of labels whose class no label of train has, and which count in no mean; None without classes."""
    if predictions.of.classes is None:
        return None
    y_true = predictions.table["y_true"]
    known = pc.is_in(y_true, value_set=pa.array(predictions.of.classes, y_true.type))
    return float(1 - pc.mean(known).as_py())
