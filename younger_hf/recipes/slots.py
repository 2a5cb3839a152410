"""Slot filling: which output feeds an input slot, of all outputs that stand before it.

A share of the input slots is held out and passes no messages, in training, validation and test.

    younger-hf train slots --model gine

In goes a release and a `SlotsConfig`; out comes a run directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.dataflow import ENCODING
from younger_hf.recipes.encoders import ENCODERS
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.evaluation_set import joined
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.slots import (
    TASK,
    SlotChoices,
    Slots,
    evaluation_slots,
    hold_out_slots,
    labels_of,
    unused_candidates,
)
from younger_hf.tasks.task import Task

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.models.slot_filler import SlotFiller
    from younger_hf.recipes.run import Run


@dataclass(frozen=True, kw_only=True)
class SlotsConfig(RecipeConfig):
    """The settings of data flow design, where nothing else is said."""

    recipe: ClassVar[str] = "slots"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = ENCODERS
    rules: ClassVar[Mapping[str, str]] = {
        "nearest": "younger_hf.recipes.rules.slots:NEAREST",
        "nearest-unused": "younger_hf.recipes.rules.slots:NEAREST_UNUSED",
        "ngram": "younger_hf.recipes.rules.slots:NGRAM",
    }

    steps: int | None = 33672
    patience: int = 10
    batch_size: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    validate_every: int = 0
    held_out: float = setting("Share of a graph's input slots that is held out.", 0.2)
    evaluation_seed: int = setting(
        "Of the slots in validation and test, which runs of other seeds have in common.", 12345, least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choices()

    @property
    def slot_choices(self) -> SlotChoices:
        """Which slots are to be filled."""
        return SlotChoices(self.held_out, self.evaluation_seed)

    def choices(self) -> dict[str, Any]:
        """Which slots are to be filled."""
        chosen = self.slot_choices
        return {"held_out": chosen.held_out, "seed": chosen.seed}


def build(config: SlotsConfig, num_operators: int) -> SlotFiller:
    """An encoder, and a decoder that scores candidates."""
    from younger_hf.recipes.models import new_model
    from younger_hf.recipes.models.slot_filler import SlotFiller

    return SlotFiller(new_model(config, num_operators, ENCODING), ENCODING)


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, or its model is not one.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from younger_hf.recipes.batches import ShuffledRows
    from younger_hf.recipes.pretrained import initial_model
    from younger_hf.recipes.splits import evaluate_columns, evaluator_of, load_splits
    from younger_hf.recipes.training import find_device, train_by_adam

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    rows = ShuffledRows(len(table), config.batch_size, config.seed)
    evaluator = evaluator_of(run, table)
    model: Any = initial_model(run).to(device)

    def loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        losses, num_slots = [], 0
        for row in rows[step]:
            graph = table.union(np.array([row]))
            slots = hold_out_slots(graph, config.held_out, generator)
            if len(slots.slot):
                scores = scores_of(model, graph, slots, device)
                y = torch.from_numpy(slots.answer).to(device)
                losses.append(cross_entropy(scores, y, reduction="sum"))
                num_slots += len(y)
        if not losses:  # graphs so small that nothing can be asked
            return 0.0 * torch.stack([parameter.sum() for parameter in model.parameters()]).sum()
        return torch.stack(losses).sum() / num_slots

    def validate() -> dict[str, float]:
        return evaluate_columns(evaluator, predict(model, validation, config, device))

    train_by_adam(run, model, loss, rows.steps_per_epoch, validate, device)


def scores_of(model: SlotFiller, graph: GraphUnion, slots: Slots, device: torch.device | str) -> torch.Tensor:
    """The scores [Q, C] of all candidates for the slots of a graph."""
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.models.slot_filler import Queries

    batch = GraphBatch.of(graph).to(device)
    messages = batch.tensor(slots.is_message)
    arrays = (slots.consumer, slots.slot, *slots.candidate, slots.num_candidates, unused_candidates(graph, slots))
    queries = Queries(*(torch.from_numpy(array).to(device) for array in arrays))
    z = model.encode(batch.x, batch.edge_index[:, messages], batch.edge_attr[messages])
    return model.decode(z, queries)


def predict(
    model: SlotFiller, table: GraphTable, config: SlotsConfig, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Score the candidates of the held-out slots of a split.

    Args:
        model: in evaluation mode, on the device.
        table: R graphs, of which Q slots are asked for.
        config: which slots.
        device: where the model is.

    Returns:
        [Q] each: int64 `row` of the table, the columns of the labels, and `y_pred`, lists of the scores of the
        candidates.
    """
    import pyarrow as pa
    import torch

    parts = []
    for row, graph, slots in evaluation_slots(table, config.slot_choices):
        with torch.no_grad():
            scores = scores_of(model, graph, slots, device).float().cpu().numpy()
        flat = scores[np.arange(scores.shape[1]) < slots.num_candidates[:, None]]
        ends = np.concatenate(([0], np.cumsum(slots.num_candidates))).astype(np.int32)
        parts.append({**labels_of(row, slots), "y_pred": pa.ListArray.from_arrays(ends, flat)})
    return joined(parts, parts[0])


def encode(model: SlotFiller, batch: GraphBatch) -> torch.Tensor:
    """The encodings [N, C] of the nodes, from messages along all edges."""
    return model.encode(batch.x, batch.edge_index, batch.edge_attr)


RECIPE: Final = Recipe(
    summary="Slot filling: predict which output feeds an input slot.",
    config=SlotsConfig,
    build=build,
    train=train,
    predict=predict,
    encode=encode,
)
