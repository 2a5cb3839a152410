"""Operator design: which operators stand in the places that are masked (paper, local paradigm).

A subgraph is a community and its boundary. The boundary's operators are masked, and are what is to be predicted.

    younger-hf train operator --model sage

In goes a release and an `OperatorConfig`; out comes a run directory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.optim import Adam

from younger_hf.graph import IntArray
from younger_hf.recipes.batches import GraphBatch, GraphTable, ShuffledRows
from younger_hf.recipes.link_split import negative_pairs
from younger_hf.recipes.run import Run
from younger_hf.recipes.training import find_device, fit, load_splits
from younger_hf.tasks.evaluator import Evaluator
from younger_hf.vocabulary import MASK_ID

_EVALUATION_BATCH = 512


def train(run: Run) -> None:
    """Train a run from where it stands to its end.

    Raises:
        UsageError: its device is not here.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    rows = ShuffledRows(len(table), config.batch_size, config.seed)
    evaluator = Evaluator("operator", len(run.labels))
    model: Any = run.build_model().to(device)
    run.start(device)

    def masked(step: int) -> tuple[GraphBatch, torch.Tensor]:
        return mask_boundary(table.batch(rows[step]).to(device))

    def reconstruction_loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        batch, _ = masked(step)
        edges = batch.edge_index.cpu().numpy()
        pairs = negative_pairs(edges, batch.num_nodes, edges.shape[1], generator)
        negatives = torch.from_numpy(pairs).to(device)
        return model.reconstruction_loss(batch.x, batch.edge_index, negatives)  # type: ignore[no-any-return]

    def loss(step: int, _: np.random.Generator) -> torch.Tensor:
        batch, y = masked(step)
        return functional.cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y)

    def validate() -> dict[str, float]:
        return evaluator.evaluate(predict(model, validation, device))

    trained, phase = model, "train"
    if config.is_autoencoder:
        trained, phase = model.classifier, "classifier"
        if run.position.phase != phase:
            encoder = model.autoencoder.parameters()
            optimizer = Adam(encoder, config.encoder_learning_rate, weight_decay=config.encoder_weight_decay)
            num_steps = min(config.encoder_epochs * rows.steps_per_epoch, config.encoder_steps)
            fit(run, model, optimizer, reconstruction_loss, num_steps, rows.steps_per_epoch, phase="encoder")
        model.freeze()
    optimizer = Adam(trained.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    num_steps = config.epochs * rows.steps_per_epoch
    fit(run, model, optimizer, loss, num_steps, rows.steps_per_epoch, validate, phase)


def mask_boundary(batch: GraphBatch) -> tuple[GraphBatch, torch.Tensor]:
    """The batch with `__MASK__` at each node of a boundary, and the ids, int64 [T], that stood there."""
    x = batch.x.clone()
    x[batch.boundary] = MASK_ID
    return replace(batch, x=x), batch.x[batch.boundary]


@torch.no_grad()
def predict(model: torch.nn.Module, table: GraphTable, device: torch.device | str = "cpu") -> dict[str, IntArray]:
    """Predict the masked operators of a split.

    Args:
        model: in evaluation mode, on the device.
        table: R subgraphs with M nodes in their boundaries.
        device: where the model is.

    Returns:
        int64 [M] each: `row` of the table, `node` in the row, and for `Evaluator`, `y_true` and `y_pred`.
    """
    parts = []
    for number, batch in enumerate(table.batches(_EVALUATION_BATCH)):
        masked, y_true = mask_boundary(batch.to(device))
        logits = model(masked.x, masked.edge_index, masked.edge_attr, masked.boundary)
        graph = masked.batch[masked.boundary]
        node = masked.boundary - masked.ptr[graph]
        parts.append(torch.stack((graph + number * _EVALUATION_BATCH, node, y_true, logits.argmax(dim=-1))).cpu())
    return dict(zip(("row", "node", "y_true", "y_pred"), torch.cat(parts, dim=1).numpy(), strict=True))
