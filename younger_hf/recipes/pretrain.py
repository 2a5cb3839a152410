"""Pretraining: operators of whole graphs are masked at random, and predicted from what is around them.

As BERT does with words (Devlin et al., 2019, section 3.1), and Hu et al. ("Strategies for Pre-training Graph Neural
Networks", 2020, section 3.1.1) with nodes. The encoder then serves the other recipes (`--init RUN`), and, put into a
release, `suggest` and `embed`.

    younger-hf pretrain --model gine

In goes a release and a `PretrainConfig`; out comes a run directory. Graphs of train alone are seen; what is validated
and scored is operator design, where the boundaries of communities are masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.recipes import operator
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.dataflow import ENCODING
from younger_hf.recipes.encoders import ENCODERS
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.boundaries import BOUNDARIES
from younger_hf.tasks.operator import TASK
from younger_hf.tasks.task import Task
from younger_hf.vocabulary import MASK_ID

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.batches import GraphBatch
    from younger_hf.recipes.models.masked_operators import MaskedOperators
    from younger_hf.recipes.run import Run

_LEFT_AS_IS: Final = 0.1
"""Of the nodes that are asked for, so many keep their operator, since nothing is masked where an encoder is used."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(RecipeConfig):
    """How much is masked, and how long it takes."""

    recipe: ClassVar[str] = "pretrain"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = ENCODERS

    steps: int | None = 10_000
    patience: int = 20
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 5e-5
    validate_every: int = 250
    masked: float = setting("Share of nodes that is masked, on average: each graph's is drawn up to twice that.", 0.15)
    dropped: float = setting("Share of edges that pass no messages, likewise, as some are cut in a subgraph.", 0.3)
    boundary: str = setting("Masked operators in validation and test.", "both", choices=BOUNDARIES)

    @property
    def boundary_kind(self) -> str:
        """The boundary that is masked in validation and test."""
        return self.boundary

    def choices(self) -> dict[str, Any]:
        """Which operators are to be predicted."""
        return {"boundary": self.boundary}


def build(config: PretrainConfig, num_operators: int) -> MaskedOperators:
    """An encoder, and a classifier of operators."""
    from younger_hf.recipes.models import new_model
    from younger_hf.recipes.models.masked_operators import MaskedOperators

    return MaskedOperators(new_model(config, num_operators, ENCODING), ENCODING, num_operators)


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, or its model is not one.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    from torch.nn.functional import cross_entropy

    from younger_hf.recipes.batches import GraphBatch, ShuffledRows
    from younger_hf.recipes.pretrained import initial_model
    from younger_hf.recipes.splits import evaluator_of, load_splits
    from younger_hf.recipes.training import find_device, train_by_adam

    config, device = run.config, find_device(run.config.device)
    labelled, validation = load_splits(config, "train", "validation")
    (table,) = load_splits(config, "train", table=config.in_form("graphs"))
    rows = ShuffledRows(len(table), config.batch_size, config.seed)
    evaluator = evaluator_of(run, labelled)
    model: Any = initial_model(run).to(device)

    def loss(step: int, generator: np.random.Generator) -> torch.Tensor:
        masked, y = mask_at_random(GraphBatch.of(table.union(rows[step])), config.masked, generator)
        masked, y = drop_edges(masked, config.dropped, generator).to(device), y.to(device)
        return cross_entropy(model(masked.x, masked.edge_index, masked.edge_attr, masked.boundary), y)

    def validate() -> dict[str, float]:
        return evaluator.evaluate(predict(model, validation, config, device))

    train_by_adam(run, model, loss, rows.steps_per_epoch, validate, device)


def mask_at_random(batch: GraphBatch, share: float, generator: np.random.Generator) -> tuple[GraphBatch, torch.Tensor]:
    """A batch with `__MASK__` at some nodes, which are its boundary, and the ids, int64 [T], that stood there.

    Args:
        batch: B graphs, on the CPU.
        share: of nodes, on average; each graph's is uniform up to twice that. At least one node is asked for.
        generator: of what is drawn.
    """
    import torch

    drawn = _drawn(batch.batch.numpy(), batch.num_graphs, share, generator)
    drawn[generator.integers(batch.num_nodes)] = True
    asked = np.flatnonzero(drawn)
    hidden = asked[generator.random(len(asked)) >= _LEFT_AS_IS]
    x = batch.x.clone()
    x[torch.from_numpy(hidden)] = MASK_ID
    nodes = torch.from_numpy(asked)
    return replace(batch, x=x, boundary=nodes), batch.x[nodes]


def drop_edges(batch: GraphBatch, share: float, generator: np.random.Generator) -> GraphBatch:
    """A batch without some of its edges (DropEdge; Rong et al., 2020).

    A subgraph lacks the edges that were cut. An encoder that has seen whole networks alone takes an operator that feeds
    nothing for a network's last.

    Args:
        batch: B graphs, on the CPU.
        share: of edges, on average; each graph's is uniform up to twice that.
        generator: of what is drawn.
    """
    import torch

    of = batch.batch[batch.edge_index[0]].numpy()
    kept = torch.from_numpy(~_drawn(of, batch.num_graphs, share, generator))
    return replace(batch, edge_index=batch.edge_index[:, kept], edge_attr=batch.edge_attr[kept])


def _drawn(of: IntArray, num_graphs: int, share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Some of what graphs have, bool [n]: of each graph a share that is uniform up to twice the one that is given.

    Args:
        of: int64 [n], the graph that each is of.
        num_graphs: how many there are.
        share: on average.
        generator: of what is drawn.
    """
    shares = generator.uniform(0, min(1.0, 2 * share), num_graphs)
    drawn: NDArray[np.bool_] = generator.random(len(of)) < shares[of]
    return drawn


predict = operator.predict


def encode(model: MaskedOperators, batch: GraphBatch) -> torch.Tensor:
    """The encodings [N, C] of the nodes, with nothing masked."""
    return model.encode(batch.x, batch.edge_index, batch.edge_attr)


RECIPE: Final = Recipe(
    summary="Pretraining: an encoder from operators masked at random.",
    config=PretrainConfig,
    build=build,
    train=train,
    predict=predict,
    encode=encode,
)
