"""`Evaluator`: its figures are those of hand and of scikit-learn, and what it does not expect it refuses by name."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from younger_hf import Evaluator
from younger_hf.errors import UsageError
from younger_hf.tasks.task import TASKS

TRUE = np.array([1, 1, 0, 0, 1])
PROBABILITY = np.array([0.9, 0.5, 0.6, 0.2, 0.7], dtype=np.float32)


def test_data_flow_design_by_hand():
    """Of 6 pairs of a true and a false one, 5 are in order; 0.5 itself predicts nothing."""
    row = Evaluator("dataflow").evaluate({"y_true": TRUE, "y_pred": PROBABILITY})
    assert row == pytest.approx({"auc": 5 / 6, "f1": 2 / 3, "ap": (1 + 1 + 3 / 4) / 3})
    assert tuple(row) == TASKS.find("dataflow").metrics


def test_operator_design_by_hand():
    """Operator 7 is only predicted and 9 only true: both count, as 0."""
    row = Evaluator("operator").evaluate({"y_true": np.array([2, 2, 3, 9]), "y_pred": np.array([2, 3, 3, 7])})
    precision = (1 + 1 / 2 + 0 + 0) / 4
    recall = (1 / 2 + 1 + 0 + 0) / 4
    f1 = (2 / 3 + 2 / 3 + 0 + 0) / 4
    assert row == pytest.approx({"accuracy": 1 / 2, "f1": f1, "precision": precision, "recall": recall})
    assert tuple(row) == TASKS.find("operator").metrics


@given(st.lists(st.tuples(st.sampled_from([0, 2, 3, 11]), st.integers(0, 12)), min_size=1, max_size=40))
def test_operator_design_agrees_with_scikit_learn(pairs):
    y_true, y_pred = np.array(pairs).T
    row = Evaluator("operator", 13).evaluate({"y_true": y_true, "y_pred": y_pred})
    macro = {"average": "macro", "zero_division": 0}
    assert row == {
        "accuracy": metrics.accuracy_score(y_true, y_pred),
        "f1": metrics.f1_score(y_true, y_pred, **macro),
        "precision": metrics.precision_score(y_true, y_pred, **macro),
        "recall": metrics.recall_score(y_true, y_pred, **macro),
    }


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=2, max_size=40))
def test_data_flow_design_agrees_with_scikit_learn(pairs):
    y_true = np.array([True, False, *(label for label, _ in pairs)])
    y_pred = np.array([0.25, 0.75, *(probability for _, probability in pairs)], dtype=np.float32)
    row = Evaluator("dataflow").evaluate({"y_true": y_true, "y_pred": y_pred})
    assert row == {
        "auc": metrics.roc_auc_score(y_true, y_pred),
        "f1": metrics.f1_score(y_true, y_pred > 0.5),
        "ap": metrics.average_precision_score(y_true, y_pred),
    }


def test_means_over_a_fixed_list_of_operators_do_not_depend_on_what_is_predicted():
    """Operator 9 is no class of train, and 7 is in no label here: neither counts."""
    y_true, y_pred = np.array([2, 2, 3, 9]), np.array([2, 3, 3, 7])
    row = Evaluator("operator", classes=[2, 3, 7]).evaluate({"y_true": y_true, "y_pred": y_pred})
    assert row == pytest.approx({"accuracy": 1 / 2, "f1": 2 / 3, "precision": 3 / 4, "recall": 3 / 4})


def test_slot_filling_by_hand():
    row = Evaluator("slots").evaluate({"rank": np.array([1.0, 2.0, 4.0, 20.5])})
    assert row == pytest.approx(
        {"mrr": (1 + 1 / 2 + 1 / 4 + 1 / 20.5) / 4, "hits1": 1 / 4, "hits3": 1 / 2, "hits10": 3 / 4}
    )


def test_no_data_flow_predicted_is_an_f1_of_0_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = Evaluator("dataflow").evaluate({"y_true": TRUE, "y_pred": PROBABILITY / 2})
        assert row["f1"] == 0
        Evaluator("operator").evaluate({"y_true": np.arange(2, 99), "y_pred": np.arange(3, 100)})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_what_arrays_give(dtype):
    probability = torch.tensor([0.875, 0.5, 0.625, 0.25, 0.75], dtype=dtype, requires_grad=True)
    of_tensors = Evaluator("dataflow").evaluate({"y_true": torch.from_numpy(TRUE), "y_pred": probability})
    assert of_tensors == Evaluator("dataflow").evaluate({"y_true": TRUE, "y_pred": PROBABILITY})


def test_what_is_expected_is_said_in_words_that_hold():
    for task, names in ((task, TASKS.find(task).metrics) for task in TASKS.names):
        evaluator = Evaluator(task)
        assert all(f"{name}: " in evaluator.expected_input_format for name in TASKS.find(task).inputs)
        assert all(f'"{name}": float' in evaluator.expected_output_format for name in names)


IDS = np.array([2, 3])
BITS = np.array([0, 1])
HALVES = np.array([0.5, 0.5])
NOT_FLAT = "must be of shape [M], one value or more in a row, not"
LOGIT = "no probability: give sigmoid(logit), not the logit"
ONE_CLASS = "y_true is 0 everywhere: without both 0 and 1 there is no AUC"


@pytest.mark.parametrize(
    ("task", "predictions", "sentence"),
    [
        ("operator", [IDS, IDS], "evaluate takes a dictionary of y_true and y_pred, not list"),
        ("operator", {"y_true": IDS, "y_predicted": IDS}, "y_pred is missing: there is y_true, y_predicted"),
        ("operator", {}, "y_true is missing: there is nothing"),
        ("operator", {"y_true": [2, 3], "y_pred": IDS}, "y_true must be a NumPy array or a torch tensor, not list"),
        ("operator", {"y_true": IDS, "y_pred": np.eye(2)}, f"y_pred {NOT_FLAT} [2, 2]"),
        ("operator", {"y_true": IDS[:0], "y_pred": IDS[:0]}, f"y_true {NOT_FLAT} [0]"),
        ("operator", {"y_true": IDS, "y_pred": IDS[:1]}, "y_true has 2 values and y_pred 1: they must go in pairs"),
        ("operator", {"y_true": IDS, "y_pred": HALVES}, "y_pred must be integer, vocabulary ids, not float64"),
        ("operator", {"y_true": IDS == 2, "y_pred": IDS}, "y_true must be integer, vocabulary ids, not bool"),
        ("operator", {"y_true": IDS, "y_pred": IDS - 3}, "y_pred[0] is -1, no id of the vocabulary"),
        ("operator", {"y_true": IDS + 7, "y_pred": IDS}, "y_true[1] is 10, no id of the vocabulary, which ends with 9"),
        ("operator", {"y_true": IDS - 2, "y_pred": IDS}, "y_true[1] is 1, the mask: give the operators that it hides"),
        ("slots", {"rank": HALVES}, "rank[0] is 0.5, no rank: the first is 1"),
        ("slots", {"ranks": IDS}, "rank is missing: there is ranks"),
        ("dataflow", {"y_true": HALVES, "y_pred": HALVES}, "y_true must be bool or integer, not float64"),
        ("dataflow", {"y_true": BITS, "y_pred": BITS}, "y_pred must be floating point, probabilities, not int64"),
        ("dataflow", {"y_true": IDS, "y_pred": HALVES}, "y_true[0] is 2, neither 0 nor 1"),
        ("dataflow", {"y_true": BITS, "y_pred": HALVES * np.nan}, "y_pred[0] is nan, no probability"),
        ("dataflow", {"y_true": BITS, "y_pred": HALVES * 5}, f"y_pred[0] is 2.5, {LOGIT}"),
        ("dataflow", {"y_true": BITS, "y_pred": HALVES * -np.inf}, f"y_pred[0] is -inf, {LOGIT}"),
        ("dataflow", {"y_true": BITS * 0, "y_pred": HALVES}, ONE_CLASS),
    ],
)
def test_what_is_not_expected_is_refused_by_name(task, predictions, sentence):
    with pytest.raises(UsageError) as refused:
        Evaluator(task, vocabulary_size=10).evaluate(predictions)
    assert str(refused.value) == sentence


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="no task 'operators': did you mean operator"):
        Evaluator("operators")


def test_arrays_are_evaluated_without_torch():
    code = (
        "import sys, numpy; from younger_hf import Evaluator; ids = numpy.array([2, 3]);"
        "Evaluator('operator').evaluate({'y_true': ids, 'y_pred': ids}); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
