"""Operator design: which operators stand in the places that are masked (paper, local paradigm).

A subgraph is a community and its boundary. The boundary's operators are masked, and are what is to be predicted.

    younger-hf train operator --model sage

In goes a release and an `OperatorConfig`; out comes a run directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.encoders import ENCODERS
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.boundaries import BOUNDARIES, labelled_rows, with_boundary
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.links import negative_pairs
from younger_hf.tasks.operator import TASK, TOP
from younger_hf.tasks.task import Task
from younger_hf.vocabulary import MASK_ID

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.run import Run

PROTOCOLS: Final = ("both", "paper")

_EVALUATION_BATCH: Final = 512
_AUTOENCODERS: Final = ("gae", "vgae")


@dataclass(frozen=True, kw_only=True)
class OperatorConfig(RecipeConfig):
    """The paper's settings. An autoencoder's encoder is trained first, then frozen, and a classifier trained on it."""

    recipe: ClassVar[str] = "operator"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = {
        **ENCODERS,
        "gae": "younger_hf.recipes.models.autoencoders:gae",
        "vgae": "younger_hf.recipes.models.autoencoders:vgae",
    }
    rules: ClassVar[Mapping[str, str]] = {
        "majority": "younger_hf.recipes.rules.operators:RULE",
        "ngram": "younger_hf.recipes.rules.operators:RULE",
    }

    # 200 epochs of 23,775 subgraphs, as the paper has them without attributes.
    steps: int | None = 9400
    patience: int = 50
    batch_size: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    validate_every: int = 20
    protocol: str = setting("paper: masked operators are successors of a community.", "both", choices=PROTOCOLS)
    boundary: str | None = setting("Masked operators. Default: as --protocol says.", None, choices=BOUNDARIES)
    hops: int = setting("Of ngram: how far it sees.", 4, above=0)
    encoder_steps: int = setting("Of gae's and vgae's encoder, before those of the classifier.", 4000, above=0)
    encoder_epochs: int | None = setting("In the place of --encoder-steps.", None, above=0)
    encoder_learning_rate: float = setting("Adam's, for the encoder.", 1e-4, above=0)
    encoder_weight_decay: float = setting("Adam's, for the encoder.", 5e-5, least=0)

    @classmethod
    def defaults(cls, model: str) -> Mapping[str, Any]:
        """What the paper has for the classifier on top of an autoencoder."""
        return {"steps": 4700, "weight_decay": 5e-4} if model in _AUTOENCODERS else {}

    @property
    def boundary_kind(self) -> str:
        """The boundary that is masked: "both" or "successors"."""
        return self.boundary or ("successors" if self.protocol == "paper" else "both")

    def choices(self) -> dict[str, Any]:
        """Which operators are to be predicted."""
        return {"boundary": self.boundary_kind}

    @property
    def title(self) -> str:
        """The model, and how far a look-up sees."""
        return f"{self.model}, {self.hops} hop{'s' * (self.hops > 1)}" if self.model == "ngram" else super().title


def build(config: OperatorConfig, num_operators: int) -> torch.nn.Module:
    """A model that gives logits of each operator, [T, V]."""
    from younger_hf.recipes.models import new_model

    return new_model(config, num_operators, num_operators, input_dropout=0.5)


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, or its model is not one.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    from torch.nn.functional import cross_entropy
    from torch.optim import Adam

    from younger_hf.recipes.batches import GraphBatch, ShuffledRows
    from younger_hf.recipes.pretrained import initial_model
    from younger_hf.recipes.splits import evaluator_of, load_splits
    from younger_hf.recipes.training import begin, find_device, fit

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    labelled = labelled_rows(table, config.boundary_kind)
    rows = ShuffledRows(len(labelled), config.batch_size, config.seed)
    evaluator = evaluator_of(run, table)
    model: Any = initial_model(run).to(device)

    def masked(step: int) -> tuple[GraphBatch, torch.Tensor]:
        graphs, _ = with_boundary(table.union(labelled[rows[step]]), config.boundary_kind)
        return mask_boundary(GraphBatch.of(graphs).to(device))

    def reconstruction_loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        batch, _ = masked(step)
        edges = batch.edge_index.cpu().numpy()
        negatives = batch.tensor(negative_pairs(edges, batch.num_nodes, edges.shape[1], generator))
        return model.reconstruction_loss(batch.x, batch.edge_index, negatives)  # type: ignore[no-any-return]

    def loss(step: int, _: np.random.Generator) -> torch.Tensor:
        batch, y = masked(step)
        return cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y)

    def validate() -> dict[str, float]:
        return evaluator.evaluate(predict(model, validation, config, device))

    begin(run, model, loss, device)
    trained, phase = model, "train"
    if config.model in _AUTOENCODERS:
        trained, phase = model.classifier, "classifier"
        if run.position.phase != phase:
            encoder = model.autoencoder.parameters()
            optimizer = Adam(encoder, config.encoder_learning_rate, weight_decay=config.encoder_weight_decay)
            num_steps = (config.encoder_epochs or 0) * rows.steps_per_epoch or config.encoder_steps
            fit(run, model, optimizer, reconstruction_loss, num_steps, rows.steps_per_epoch, phase="encoder")
        model.freeze()
    optimizer = Adam(trained.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    num_steps = config.num_steps(rows.steps_per_epoch)
    fit(run, model, optimizer, loss, num_steps, rows.steps_per_epoch, validate, phase)


def mask_boundary(batch: GraphBatch) -> tuple[GraphBatch, torch.Tensor]:
    """The batch with `__MASK__` at each node of a boundary, and the ids, int64 [T], that stood there."""
    x = batch.x.clone()
    x[batch.boundary] = MASK_ID
    return replace(batch, x=x), batch.x[batch.boundary]


def predict(
    model: torch.nn.Module,
    table: GraphTable,
    config: OperatorConfig,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Predict the masked operators of a split.

    Args:
        model: in evaluation mode, on the device.
        table: R subgraphs with M nodes in their boundaries.
        config: for the boundary.
        device: where the model is.

    Returns:
        int64 [M] each: `row` of the table, `node` in the row, `y_true` and `y_pred`; int64 `top` and float32
        `log_probability`, [M, K], of the likeliest operators.
    """
    import torch

    from younger_hf.recipes.batches import GraphBatch

    parts = []
    for rows in table.parts(_EVALUATION_BATCH):
        graphs, position = with_boundary(table.union(rows), config.boundary_kind)
        masked, y_true = mask_boundary(GraphBatch.of(graphs).to(device))
        with torch.no_grad():
            logits = model(masked.x, masked.edge_index, masked.edge_attr, masked.boundary)
        where = {"row": rows[masked.batch[masked.boundary].cpu().numpy()], "node": position[graphs.boundary]}
        parts.append({**where, "y_true": y_true.cpu().numpy(), **ranked(logits.log_softmax(dim=-1).cpu().numpy())})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def ranked(log_probability: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The likeliest operators, the likeliest first; of two that are equally likely, the one of the smaller id.

    Args:
        log_probability: floating point [m, V], of each operator.

    Returns:
        int64 `y_pred` [m]; int64 `top` and float32 `log_probability`, [m, K], K being 10 or, if that is less, V.
    """
    top = np.argsort(-log_probability, axis=1, kind="stable")[:, :TOP]
    scores = np.take_along_axis(log_probability, top, axis=1).astype(np.float32)
    return {"y_pred": top[:, 0].copy(), "top": top, "log_probability": scores}


def encode(model: Any, batch: GraphBatch) -> torch.Tensor:
    """What the last layer gives for each node, [N, C], with the boundary masked as in training."""
    from younger_hf.recipes.models.autoencoders import Autoencoder

    masked, _ = mask_boundary(batch)
    if isinstance(model, Autoencoder):
        return model.encode(masked.x, masked.edge_index)
    return model(masked.x, masked.edge_index, masked.edge_attr)  # type: ignore[no-any-return]


RECIPE: Final = Recipe(
    summary="Operator design: predict the operators at a subgraph's boundary. Settings left out are the paper's.",
    config=OperatorConfig,
    build=build,
    train=train,
    predict=predict,
    encode=encode,
)
