"""A run's predictions for a split: its row in the paper's tables, and the file that proves it.

In goes a `Run`; out come `Predictions`, which `Evaluator` scores, and files beside the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from younger_hf.choices import check_choice
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.run import Run
from younger_hf.recipes.splits import load_splits
from younger_hf.release import Release
from younger_hf.schema import SPLITS
from younger_hf.tasks.evaluation_set import EvaluationSet, keyed
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.predictions import Predictions
from younger_hf.vocabulary import Vocabulary
from younger_hf.whole_files import write_whole


def predict_split(run: Run, release: Release, split: str, device: str = "auto") -> Predictions:
    """Predict a whole split with a run's best parameters, in evaluation mode.

    Args:
        run: a run that has been validated at least once.
        release: the one that it was trained on, or another of the same vocabulary.
        split: "train", "validation", "test" or "unseen".
        device: as in the run's configuration.

    Raises:
        RunError: the run has no checkpoint, or another vocabulary than the release.
        ReleaseError: the release has no rows in the split.
        UsageError: there is no such split or device.
    """
    check_choice("split", split, SPLITS)
    # A run that was tried on a few rows is scored on all of them.
    config = replace(run.config, release=str(release.source), revision=release.revision, limit=None)
    run.check_vocabulary(Vocabulary.load(release.source, release.revision))
    (table,) = load_splits(config, split)
    of = EvaluationSet.of(
        release,
        config.task.name,
        split,
        attributes=config.attributes,
        split_scheme=config.split_scheme,
        **config.choices(),
    )
    return Predictions(of, config.title, keyed(table, _predicted(run, table, config, device)))


def _predicted(run: Run, table: GraphTable, config: RecipeConfig, device: str) -> dict[str, Any]:
    if config.is_rule:
        from younger_hf.recipes.rules import predict_rule

        return predict_rule(run, table)
    from younger_hf.recipes.checkpoints import load_best
    from younger_hf.recipes.training import find_device

    on = find_device(device)
    return run.recipe.predict(load_best(run, on), table, config, on)


def write_evaluation(
    run: Run, predictions: Predictions, certainty: Mapping[str, Any] | None = None
) -> tuple[dict[str, float], list[Path]]:
    """Score predictions, and write them and their metrics beside the run.

    Args:
        run: whose they are.
        predictions: of a split.
        certainty: what else is said of the metrics, such as their intervals.

    Returns:
        The metrics, and the files `predictions-SPLIT.parquet` and `evaluation-SPLIT.json`.

    Raises:
        YoungerError: the directory cannot be written.
    """
    of = predictions.of
    file = run.directory / f"predictions-{of.split}.parquet"
    predictions.save(file)
    metrics = Evaluator.score(file)
    report = {
        "metrics": metrics,
        "model": predictions.model,
        "of": of.to_dict(),
        "labels": predictions.table.num_rows,
        **(certainty or {}),
        "checkpoint": run.best(),
        "predictions": file.name,
    }
    summary = run.directory / f"evaluation-{of.split}.json"
    write_whole(summary, f"{json.dumps(report, indent=2)}\n".encode())
    return metrics, [file, summary]
