"""Graph-level tasks: a column of the release, predicted from the whole graph.

    younger-hf train graph --model gine --target task --split-scheme stratified
    younger-hf train graph --model bag --target macs

In goes a release and a `GraphConfig`; out comes a run directory. Numbers are learned by their logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from younger_hf.errors import UsageError
from younger_hf.labels import CLASS_COLUMNS, check_classes_are_shared, class_names
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.dataflow import ENCODING
from younger_hf.recipes.encoders import ENCODERS
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.evaluation_set import joined
from younger_hf.tasks.graph_level import CLASS_TASK, CLASSES, task_of
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import Task

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.models.graph_predictor import GraphPredictor
    from younger_hf.recipes.run import Run

_EVALUATION_BATCH: Final = 32


@dataclass(frozen=True, kw_only=True)
class GraphConfig(RecipeConfig):
    """What is predicted, and how nodes are pooled."""

    recipe: ClassVar[str] = "graph"
    task: ClassVar[Task] = CLASS_TASK
    models: ClassVar[Mapping[str, str]] = ENCODERS
    rules: ClassVar[Mapping[str, str]] = {
        "majority": "younger_hf.recipes.rules.graphs:MAJORITY",
        "bag": "younger_hf.recipes.rules.graphs:BAG",
    }

    split_scheme: str = setting("How rows are split.", "family", choices=("family", "paper", "stratified"))
    steps: int | None = 2000
    patience: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    validate_every: int = 0
    target: str = setting("A column: texts and truth values are classes, numbers are regressed.", "task")
    pooling: str = setting("Of nodes.", "mean", choices=("mean", "sum", "max", "attention"))

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "task", task_of(self.target))
        if self.split_scheme == "family":
            check_classes_are_shared(self.target, "test")

    @property
    def is_class(self) -> bool:
        """Whether the target's values are classes."""
        return self.target in CLASSES

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the target, in the order of a model's outputs."""
        if self.target in CLASS_COLUMNS:
            return class_names(self.target, self.release, self.revision)
        return ("False", "True")

    def choices(self) -> dict[str, Any]:
        """The target."""
        return {"target": self.target}

    @property
    def title(self) -> str:
        """The model and its pooling."""
        return super().title if self.is_rule else f"{super().title} with {self.pooling} pooling"


def build(config: GraphConfig, num_operators: int) -> GraphPredictor:
    """An encoder, a pooling, and a perceptron."""
    from younger_hf.recipes.models import new_model
    from younger_hf.recipes.models.graph_predictor import GraphPredictor

    classes = config.classes if config.is_class else ()
    encoder = new_model(config, num_operators, ENCODING)
    return GraphPredictor(encoder, ENCODING, config.pooling, len(classes) or 1, classes)


def labels_of(table: GraphTable, config: GraphConfig) -> dict[str, Any]:
    """The rows of a split that have the target, int64 [M], and what it is: `row` and `y_true`, texts or float64.

    Raises:
        UsageError: no row has it.
    """
    labels = joined(list(config.task.derive(table, config.task.choices(**config.choices()))), ("row", "y_true"))
    if not len(labels["row"]):
        raise UsageError(f"no row of {config.release} has a {config.target} there: choose another target")
    return labels


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, its model is not one, or no row has the target.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    import torch
    from torch.nn.functional import cross_entropy, mse_loss

    from younger_hf.recipes.batches import GraphBatch, ShuffledRows
    from younger_hf.recipes.pretrained import initial_model
    from younger_hf.recipes.splits import evaluate_columns, evaluator_of, load_splits
    from younger_hf.recipes.training import find_device, train_by_adam

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    labels = labels_of(table, config)
    labels_of(validation, config)  # none there is said before anything is written
    rows = ShuffledRows(len(labels["row"]), config.batch_size, config.seed)
    evaluator = evaluator_of(run, table)
    model: Any = initial_model(run).to(device)
    if config.is_class:
        number = {name: i for i, name in enumerate(model.classes)}
        y = torch.tensor([number[name] for name in labels["y_true"].to_pylist()])
    else:
        logarithms = torch.log1p(torch.from_numpy(labels["y_true"].to_numpy().copy())).float()
        model.mean.copy_(logarithms.mean())
        model.deviation.copy_(logarithms.std(correction=0).clamp(min=1e-3))
        y = (logarithms - logarithms.mean()) / logarithms.std(correction=0).clamp(min=1e-3)

    def loss(step: int, _: np.random.Generator) -> torch.Tensor:
        drawn = rows[step]
        batch = GraphBatch.of(table.union(labels["row"][drawn])).to(device)
        out = model(batch.x, batch.edge_index, batch.edge_attr, batch.ptr)
        wanted = y[torch.from_numpy(drawn)].to(device)
        return cross_entropy(out, wanted) if config.is_class else mse_loss(out.squeeze(-1), wanted)

    def validate() -> dict[str, float]:
        return evaluate_columns(evaluator, predict(model, validation, config, device))

    train_by_adam(run, model, loss, rows.steps_per_epoch, validate, device)


def predict(
    model: GraphPredictor, table: GraphTable, config: GraphConfig, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Predict the target of a split.

    Args:
        model: in evaluation mode, on the device.
        table: the split.
        config: for the target.
        device: where the model is.

    Returns:
        [M] each: int64 `row` of the table, `y_true` and `y_pred`, texts or float64.
    """
    import pyarrow as pa
    import torch

    from younger_hf.recipes.batches import GraphBatch

    labels = labels_of(table, config)
    outputs = []
    for start in range(0, len(labels["row"]), _EVALUATION_BATCH):
        batch = GraphBatch.of(table.union(labels["row"][start : start + _EVALUATION_BATCH])).to(device)
        with torch.no_grad():
            outputs.append(model(batch.x, batch.edge_index, batch.edge_attr, batch.ptr).cpu())
    out = torch.cat(outputs)
    if config.is_class:
        return {**labels, "y_pred": pa.array(model.classes).take(pa.array(out.argmax(dim=-1).numpy()))}
    logarithm = out.squeeze(-1).double() * model.deviation.cpu() + model.mean.cpu()  # type: ignore[operator]
    return {**labels, "y_pred": logarithm.clamp(0, 700).expm1().numpy()}


def encode(model: GraphPredictor, batch: GraphBatch) -> torch.Tensor:
    """The encodings [N, C] of the nodes."""
    return model.encode(batch.x, batch.edge_index, batch.edge_attr)


RECIPE: Final = Recipe(
    summary="Graph-level tasks: predict a column of the release from the whole graph.",
    config=GraphConfig,
    build=build,
    train=train,
    predict=predict,
    encode=encode,
)
