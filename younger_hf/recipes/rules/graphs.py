"""Graph-level tasks without looking at data flows: the most frequent class or the median, and a bag of operators.

The bag is how often a graph has each operator. scikit-learn's histogram gradient boosting learns of it; since it can
only be kept as a pickle, what is kept are the bags of train, and it is fitted to them again where it predicts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.recipes.graph import labels_of
from younger_hf.recipes.rules import Rule
from younger_hf.recipes.run import Run
from younger_hf.tasks.graph_table import GraphTable

_ROUNDS: Final = 50


def fit_majority(table: GraphTable, run: Run) -> pa.Table:
    """`y_pred`, one row: the most frequent class, of several the first by name, or the median."""
    values = labels_of(table, run.config)["y_true"].to_pylist()
    if run.config.is_class:
        count = Counter(values)
        return pa.table({"y_pred": [min(count, key=lambda name: (-count[name], name))]})
    return pa.table({"y_pred": [float(np.median(values))]})


def predict_majority(counted: pa.Table, table: GraphTable, run: Run) -> dict[str, Any]:
    """The same for all graphs."""
    labels = labels_of(table, run.config)
    return {**labels, "y_pred": pa.array(counted["y_pred"].to_pylist() * len(labels["row"]))}


def fit_bag(table: GraphTable, run: Run) -> pa.Table:
    """`y_true` of each graph, and its bag, `operator` and `count`."""
    labels = labels_of(table, run.config)
    operators, counts = [], []
    for row in labels["row"].tolist():
        operator, count = np.unique(table.union(np.array([row])).x, return_counts=True)
        operators.append(operator)
        counts.append(count)
    return pa.table({"y_true": labels["y_true"], "operator": pa.array(operators), "count": pa.array(counts)})


def predict_bag(counted: pa.Table, table: GraphTable, run: Run) -> dict[str, Any]:
    """What gradient boosting makes of the bags."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    train = np.zeros((counted.num_rows, len(run.labels)))
    pairs = zip(counted["operator"].to_pylist(), counted["count"].to_pylist(), strict=True)
    for row, (operator, count) in enumerate(pairs):
        train[row, operator] = count
    labels = labels_of(table, run.config)
    bags = np.stack([_bag(table, row, len(run.labels)) for row in labels["row"].tolist()])
    settings: dict[str, Any] = {"max_iter": _ROUNDS, "early_stopping": False, "random_state": run.config.seed}
    if run.config.is_class:
        y = counted["y_true"].to_pylist()
        if len({*y}) < 2:  # which scikit-learn refuses
            return {**labels, "y_pred": pa.array([y[0]] * len(bags))}
        predicted = HistGradientBoostingClassifier(**settings).fit(train, y).predict(bags)
        return {**labels, "y_pred": pa.array(predicted.tolist(), pa.string())}
    logarithm = HistGradientBoostingRegressor(**settings).fit(train, np.log1p(counted["y_true"].to_numpy()))
    return {**labels, "y_pred": np.expm1(logarithm.predict(bags)).clip(min=0)}


def _bag(table: GraphTable, row: int, num_operators: int) -> NDArray[np.float64]:
    return np.bincount(table.union(np.array([row])).x, minlength=num_operators).astype(np.float64)


MAJORITY: Final = Rule(fit_majority, predict_majority)
BAG: Final = Rule(fit_bag, predict_bag)
