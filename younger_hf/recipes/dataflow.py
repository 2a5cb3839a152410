"""Data flow design: which pairs of operators have a data flow between them (paper, local paradigm).

Under the paper's protocol messages pass along all edges, those to be predicted too. Under `heldout` they pass along the
others only, in training, validation and test.

    younger-hf train dataflow --model sage --protocol heldout --decoder directed

In goes a release and a `DataflowConfig`; out comes a run directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.encoders import ENCODERS
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.dataflow import PROTOCOLS, TASK, LinkChoices
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.links import Links, evaluation_links, split_links
from younger_hf.tasks.task import Task

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.models.link_predictor import LinkPredictor
    from younger_hf.recipes.run import Run

ENCODING: Final = 256
"""The width of a node's encoding."""


@dataclass(frozen=True, kw_only=True)
class DataflowConfig(RecipeConfig):
    """The paper's settings, except for the protocol."""

    recipe: ClassVar[str] = "dataflow"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = ENCODERS
    rules: ClassVar[Mapping[str, str]] = {
        "rule": "younger_hf.recipes.rules.links:ORDER",
        "open-slots": "younger_hf.recipes.rules.links:OPEN_SLOTS",
        "ngram": "younger_hf.recipes.rules.links:NGRAM",
    }

    # 6 epochs of 5,612 graphs, one a step, as the paper has them without attributes.
    steps: int | None = 33672
    patience: int = 10
    batch_size: int = 1
    learning_rate: float = 1e-4
    weight_decay: float = 5e-5
    validate_every: int = 0
    protocol: str = setting(
        "heldout: what is predicted passes no messages. paper: it does.", "heldout", choices=PROTOCOLS
    )
    decoder: str = setting("dot (a pair scores as its reverse) or directed.", "dot", choices=("dot", "directed"))
    held_out: float = setting("Share of a graph's edges that is to be predicted, under heldout.", 0.2)
    evaluation_seed: int = setting(
        "Of the pairs in validation and test, which runs of other seeds have in common.", 12345, least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choices()

    def choices(self) -> dict[str, Any]:
        """Which pairs are to be predicted."""
        chosen = LinkChoices(self.protocol, self.held_out, self.evaluation_seed)
        return {"protocol": chosen.protocol, "held_out": chosen.held_out, "seed": chosen.seed}

    @property
    def title(self) -> str:
        """The model and its decoder."""
        return super().title if self.is_rule else f"{super().title} with {self.decoder} decoder"


def build(config: DataflowConfig, num_operators: int) -> LinkPredictor:
    """An encoder, and a decoder that scores pairs of nodes."""
    from younger_hf.recipes.models import new_model
    from younger_hf.recipes.models.link_predictor import DirectedDecoder, DotDecoder, LinkPredictor

    encoder = new_model(config, num_operators, ENCODING)
    return LinkPredictor(encoder, DirectedDecoder(ENCODING) if config.decoder == "directed" else DotDecoder())


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, or its model is not one.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    from younger_hf.recipes.batches import GraphBatch, ShuffledRows
    from younger_hf.recipes.pretrained import initial_model
    from younger_hf.recipes.splits import load_splits
    from younger_hf.recipes.training import find_device, train_by_adam
    from younger_hf.tasks.evaluator import Evaluator

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    rows = ShuffledRows(len(table), config.batch_size, config.seed)
    evaluator = Evaluator(TASK)
    model: Any = initial_model(run).to(device)

    def loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        graphs = table.union(rows[step])
        links = split_links(graphs, held_out_share(config), generator.spawn(graphs.num_graphs))
        batch = GraphBatch.of(graphs).to(device)
        return binary_cross_entropy_with_logits(logits_of(model, batch, links), batch.tensor(links.y).float())

    def validate() -> dict[str, float]:
        return evaluator.evaluate(predict(model, validation, config, device))

    train_by_adam(run, model, loss, rows.steps_per_epoch, validate, device)


def logits_of(model: LinkPredictor, batch: GraphBatch, links: Links) -> torch.Tensor:
    """The logits [P] of the links, from messages that pass along the edges that are left for them."""
    messages, pairs = batch.tensor(links.is_message), batch.tensor(links.pairs)
    return model(batch.x, batch.edge_index[:, messages], batch.edge_attr[messages], pairs)  # type: ignore[no-any-return]


def held_out_share(config: DataflowConfig) -> float | None:
    """What `split_links` takes under the protocol of a configuration."""
    return config.held_out if config.protocol == "heldout" else None


def predict(
    model: LinkPredictor, table: GraphTable, config: DataflowConfig, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Predict the data flows of a split.

    Args:
        model: in evaluation mode, on the device.
        table: R graphs, of which M pairs are to be predicted.
        config: for the protocol and the evaluation seed.
        device: where the model is.

    Returns:
        [M] each: int64 `row` of the table, `producer` and `consumer` in the row, bool `y_true`, and float32 `y_pred`,
        the probability.
    """
    import torch

    from younger_hf.recipes.batches import GraphBatch

    parts = []
    for row, fingerprint in enumerate(table.fingerprints.to_pylist()):
        graph = table.union(np.array([row]))
        links = evaluation_links(graph, fingerprint, held_out_share(config), config.evaluation_seed)
        with torch.no_grad():
            probabilities = logits_of(model, GraphBatch.of(graph).to(device), links).sigmoid().cpu().numpy()
        parts.append((np.full(len(links.y), row), *links.pairs, links.y, probabilities))
    names = ("row", "producer", "consumer", "y_true", "y_pred")
    return dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def encode(model: LinkPredictor, batch: GraphBatch) -> torch.Tensor:
    """The encodings [N, C] of the nodes, from messages along all edges."""
    return model.encode(batch.x, batch.edge_index, batch.edge_attr)


RECIPE: Final = Recipe(
    summary="Data flow design: predict which operators are joined. Settings left out are the paper's.",
    config=DataflowConfig,
    build=build,
    train=train,
    predict=predict,
    encode=encode,
)
