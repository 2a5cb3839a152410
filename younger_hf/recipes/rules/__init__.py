"""Rules: what a model has to beat. They count, or know how graphs are wired, and train nothing; none needs PyTorch.

In goes a `Run` whose model is a rule; out comes the same directory as of other models, with `rule.parquet`, what the
rule has counted, in the place of parameters.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from younger_hf.errors import UsageError
from younger_hf.foreign_parquet import ForeignParquetError, read_foreign
from younger_hf.recipes.places import load_built_in
from younger_hf.recipes.run import Position, Run, RunError
from younger_hf.recipes.splits import evaluate_columns, evaluator_of, load_splits
from younger_hf.tasks.graph_table import GraphTable

_T = TypeVar("_T")


@dataclass(frozen=True)
class Rule:
    """A model without parameters.

    Attributes:
        fit: what it counts, a table: of the training split and the run.
        predict: of that table, a split and the run: as `Recipe.predict` gives it.
        sample: of that table, the run and a `younger_hf.recipes.wish.Wish`: graphs. None where it generates none.
    """

    fit: Callable[[GraphTable, Any], pa.Table]
    predict: Callable[[pa.Table, GraphTable, Any], dict[str, Any]]
    sample: Callable[[pa.Table, Any, Any], list[Any]] | None = None


def complete(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted; of a rule, count what it counts.

    Raises:
        YoungerError: as the recipe's `train` and `fit_rule` say.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    if run.config.is_rule:
        fit_rule(run)
    else:
        run.recipe.train(run)


def fit_rule(run: Run) -> None:
    """Count what the rule of a run counts in the training split, and validate it.

    Raises:
        ReleaseError: its release lacks what it needs.
        UsageError: the run is there already.
    """
    if run.checkpoint.is_file():
        raise UsageError(f"{run.directory} is complete: a rule is not trained in steps")
    started = time.monotonic()
    rule = rule_of(run)
    train, validation = load_splits(run.config, "train", "validation")
    counted = rule.fit(train, run)
    metrics = evaluate_columns(evaluator_of(run, train), rule.predict(counted, validation, run))
    buffer = io.BytesIO()
    pq.write_table(counted, buffer, compression="zstd")
    run.start({"device": "cpu"})
    run.position = Position("rule", seconds=time.monotonic() - started)
    run.record({"seconds": round(run.position.seconds, 1)}, metrics, buffer.getvalue)


def predict_rule(run: Run, table: GraphTable) -> dict[str, Any]:
    """What the rule of a run predicts for a split, as `Recipe.predict` gives it.

    Raises:
        RunError: nothing has been counted yet, or the file is damaged.
    """
    return _with_counts(run, lambda rule, counted: rule.predict(counted, table, run))


def sample_rule(run: Run, wish: Any) -> list[Any]:
    """What the rule of a run generates, as `Rule.sample` gives it.

    Raises:
        RunError: nothing has been counted yet, or the file is damaged.
    """
    return _with_counts(run, lambda rule, counted: rule.sample(counted, run, wish) if rule.sample else [])


def _with_counts(run: Run, use: Callable[[Rule, pa.Table], _T]) -> _T:
    run.best()
    try:
        with run.checkpoint.open("rb") as file:
            counted = read_foreign(file)
        return use(rule_of(run), counted)
    except (ForeignParquetError, OSError, KeyError, pa.ArrowException) as error:
        raise RunError(f"{run.checkpoint} is damaged ({error})") from error


def rule_of(run: Run) -> Rule:
    """The rule that is a run's model."""
    return load_built_in(run.config.rules[run.config.model])  # type: ignore[no-any-return]
