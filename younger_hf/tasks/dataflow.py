"""Data flow design (link prediction): between which pairs of operators there is a data flow (paper, local paradigm).

`links` chooses the pairs. Under `heldout` those that are to be predicted pass no messages; under `paper` all do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.tasks.arrays import Array, check_kind, check_values
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.links import evaluation_links
from younger_hf.tasks.task import Choices, Columns, Task

PROTOCOLS: Final = ("heldout", "paper")

THRESHOLD: Final = 0.5
"""A data flow is predicted where its probability is above this."""


@dataclass(frozen=True)
class LinkChoices(Choices):
    """Which pairs are to be predicted.

    Attributes:
        protocol: "heldout" or "paper".
        held_out: the share of the edges that is to be predicted, under "heldout"; else None.
        seed: of the pairs without a data flow and, if held out, of those with one.
    """

    protocol: str = "heldout"
    held_out: float | None = 0.2
    seed: int = 12345

    def __post_init__(self) -> None:
        check_choice("protocol", self.protocol, PROTOCOLS)
        if self.seed < 0:
            raise UsageError(f"the seed must be 0 or more, not {self.seed}")
        if self.protocol != "heldout":
            object.__setattr__(self, "held_out", None)
        elif not 0 < (self.held_out or 0) < 1:
            raise UsageError(f"held_out is a share between 0 and 1, not {self.held_out}")

    def shown(self) -> dict[str, Any]:
        """Protocol and share in one column, then the seed."""
        share = "" if self.held_out is None else f" {self.held_out}"
        return {"protocol": f"{self.protocol}{share}", "seed": self.seed}


def derive(table: GraphTable, choices: LinkChoices) -> Iterator[Columns]:
    """The pairs of each graph that are to be predicted, and whether there is a data flow."""
    for row, fingerprint in enumerate(table.fingerprints.to_pylist()):
        links = evaluation_links(table.union(np.array([row])), fingerprint, choices.held_out, choices.seed)
        producer, consumer = links.pairs
        yield {"row": np.full(len(links.y), row), "producer": producer, "consumer": consumer, "y_true": links.y}


def score(y_true: Array, y_pred: Array, _: int | None) -> dict[str, float]:
    """Area under the ROC curve, F1 and average precision."""
    from sklearn import metrics

    check_kind("y_true", y_true, "biu", "bool or integer")
    check_kind("y_pred", y_pred, "f", "floating point, probabilities")
    check_values("y_true", y_true, (y_true == 0) | (y_true == 1), "neither 0 nor 1")
    check_values("y_pred", y_pred, ~np.isnan(y_pred), "no probability")
    within = (y_pred >= 0) & (y_pred <= 1)
    check_values("y_pred", y_pred, within, "no probability: give sigmoid(logit), not the logit")
    if y_true.all() or not y_true.any():
        raise UsageError(f"y_true is {int(y_true[0])} everywhere: without both 0 and 1 there is no AUC")
    return {
        "auc": float(metrics.roc_auc_score(y_true, y_pred)),
        "f1": float(metrics.f1_score(y_true, y_pred > THRESHOLD, zero_division=0)),
        "ap": float(metrics.average_precision_score(y_true, y_pred)),
    }


TASK: Final = Task(
    name="dataflow",
    title="data flow design",
    table="graphs",
    metrics=("auc", "f1", "ap"),
    labels=pa.schema(
        [("fingerprint", pa.string()), ("producer", pa.int64()), ("consumer", pa.int64()), ("y_true", pa.bool_())]
    ),
    prediction=pa.field("y_pred", pa.float32()),
    derive=derive,
    score=score,
    choices=LinkChoices,
    expects="""\
Data flow design (link prediction): {"y_true": y_true, "y_pred": y_pred}, NumPy arrays or torch tensors
- y_true: bool or integer [M], 1 where the pair of nodes has a data flow and 0 where it has none; both occur
- y_pred: floating point [M], the probability, from 0 to 1, that it has one: sigmoid(logit), not the logit""",
    gives="""\
{"auc": float, "f1": float, "ap": float}, each from 0 to 1
- auc: area under the receiver operating characteristic
- f1: F1 score, a data flow being predicted where y_pred > 0.5
- ap: average precision""",
)
