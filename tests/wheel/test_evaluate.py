"""`pip install 'younger-hf[evaluate]'`: the paper's metrics, without PyTorch."""

from __future__ import annotations

import numpy as np

import younger_hf


def test_predictions_are_scored():
    links = {"y_true": np.array([0, 1, 1, 0]), "y_pred": np.array([0.1, 0.9, 0.8, 0.3])}
    assert younger_hf.Evaluator("dataflow").evaluate(links) == {"auc": 1.0, "f1": 1.0, "ap": 1.0}
    operators = {"y_true": np.array([2, 3]), "y_pred": np.array([2, 2])}
    assert younger_hf.Evaluator("operator", vocabulary_size=4).evaluate(operators)["accuracy"] == 0.5
