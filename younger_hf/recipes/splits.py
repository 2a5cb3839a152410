"""The splits of a release that a run is about, as `GraphTable`s, and its metrics. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from younger_hf.dataset import load
from younger_hf.errors import ReleaseError
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.run import Run
from younger_hf.release import open_release
from younger_hf.tasks.evaluation_set import classes_of, joined
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.tasks.graph_table import GraphTable


def load_splits(config: RecipeConfig, *names: str, table: str = "") -> list[GraphTable]:
    """The rows of some splits that a run is about.

    Args:
        config: of the run.
        names: of the splits.
        table: the config of the release; that of the task if left out.

    Raises:
        ReleaseError: the release has no such rows.
    """
    table = table or config.table
    release = open_release(config.release, config.revision)
    if table not in release.configs:
        raise ReleaseError(f"{config.release} has no {table}: a run needs a release that has")
    splits = load(table, source=config.release, revision=config.revision, split_scheme=config.split_scheme)
    tables = []
    for name in names:
        if name not in splits or not len(splits[name]):
            raise ReleaseError(
                f"{table} of {config.release} has no {name} rows in the {config.split_scheme} split scheme: "
                "use a larger release, or the other scheme"
            )
        rows = splits[name]
        if config.limit is not None and config.limit < len(rows):
            drawn = np.random.default_rng(config.seed).permutation(len(rows))[: config.limit]
            rows = rows.select(np.sort(drawn))
        rows = config.task.prepare(rows, release, config.task.choices(**config.choices()))
        tables.append(GraphTable(rows, config.vocabulary))
    return tables


def evaluator_of(run: Run, train: GraphTable) -> Evaluator:
    """The metrics of a run's task, averaged over the classes that its training split has, where there are classes."""
    task, classes = run.config.task, None
    if task.by_class:
        choices = task.choices(**run.config.choices())
        parts = list(task.derive(train, choices))
        classes = classes_of(pa.table(joined(parts, ["y_true"])))
    return Evaluator(task, len(run.labels), classes)


def evaluate_columns(evaluator: Evaluator, predicted: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of what a recipe or a rule predicts, as `Recipe.predict` gives it."""
    task = evaluator.of_task
    needed = [name for name in task.schema.names if name in predicted]
    table = pa.table({name: predicted[name] for name in needed})
    return evaluator.evaluate(task.arrays(table))
