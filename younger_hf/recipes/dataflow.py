"""Data flow design: which pairs of operators have a data flow between them (paper, local paradigm).

Under the paper's protocol messages pass along all edges, those to be predicted too. Under `heldout` they pass along the
others only, in training, validation and test.

    younger-hf train dataflow --model sage --protocol heldout --decoder directed

In goes a release and a `DataflowConfig`; out comes a run directory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.optim import Adam

from younger_hf.recipes.batches import GraphBatch, GraphTable, ShuffledRows
from younger_hf.recipes.config import DataflowConfig
from younger_hf.recipes.link_split import Links, split_links
from younger_hf.recipes.models.links import LinkPredictor
from younger_hf.recipes.run import Run
from younger_hf.recipes.training import find_device, fit, load_splits
from younger_hf.tasks.evaluator import Evaluator


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
    evaluator = Evaluator("dataflow")
    model: Any = run.build_model().to(device)
    run.start(device)

    def loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        batch = table.batch(rows[step])
        links = split_links(batch, held_out_share(config), generator.spawn(batch.num_graphs)).to(device)
        return functional.binary_cross_entropy_with_logits(logits_of(model, batch.to(device), links), links.y)

    def validate() -> dict[str, float]:
        return evaluator.evaluate(predict(model, validation, config, device))

    optimizer = Adam(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    fit(run, model, optimizer, loss, config.epochs * rows.steps_per_epoch, rows.steps_per_epoch, validate)


def logits_of(model: LinkPredictor, batch: GraphBatch, links: Links) -> torch.Tensor:
    """The logits [P] of the links, from messages that pass along the edges that are left for them."""
    messages = links.is_message
    return model(batch.x, batch.edge_index[:, messages], batch.edge_attr[messages], links.pairs)  # type: ignore[no-any-return]


def held_out_share(config: DataflowConfig) -> float | None:
    """What `split_links` takes under the protocol of a configuration."""
    return config.held_out if config.protocol == "heldout" else None


def evaluation_links(batch: GraphBatch, fingerprint: str, held_out: float | None, seed: int) -> Links:
    """What is predicted of a graph in validation and test: a function of the graph, its fingerprint and the seed.

    Args:
        batch: one graph.
        fingerprint: of the graph.
        held_out: as `split_links` takes it.
        seed: of the choice.
    """
    return split_links(batch, held_out, [np.random.default_rng([seed, *fingerprint.encode()])])


@torch.no_grad()
def predict(
    model: LinkPredictor, table: GraphTable, config: DataflowConfig, device: torch.device | str = "cpu"
) -> dict[str, NDArray[Any]]:
    """Predict the data flows of a split.

    Args:
        model: in evaluation mode, on the device.
        table: R graphs, of which M pairs are to be predicted.
        config: for the protocol and the evaluation seed.
        device: where the model is.

    Returns:
        [M] each: int64 `row` of the table, `producer` and `consumer` in the row, and for `Evaluator`, int64 `y_true`
        and float32 `y_pred`, the probability.
    """
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("row", "producer", "consumer", "y_true", "y_pred")}
    for row, batch in enumerate(table.batches(1)):
        links = evaluation_links(batch, table.fingerprints[row].as_py(), held_out_share(config), config.evaluation_seed)
        logits = logits_of(model, batch.to(device), links.to(device))
        parts["row"].append(np.full(len(links.y), row))
        parts["producer"].append(links.pairs[0].numpy())
        parts["consumer"].append(links.pairs[1].numpy())
        parts["y_true"].append(links.y.long().numpy())
        parts["y_pred"].append(logits.sigmoid().cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
