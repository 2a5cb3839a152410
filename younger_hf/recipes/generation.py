"""Generation: architectures from scratch, as sequences of decisions or by diffusion.

    younger-hf train generation
    younger-hf train generation --model digress --max-nodes 40

In go a release and a `GenerationConfig`; out comes a run directory, for `younger-hf generate` and `complete`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from younger_hf.errors import UsageError
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.recipe import Recipe
from younger_hf.settings import setting
from younger_hf.tasks.generation.task import TASK, evaluation_graphs
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.tasks.task import Task

if TYPE_CHECKING:
    import torch

    from younger_hf.recipes.run import Run

_EVALUATION_BATCH: Final = 32
_OF_ENCODERS: Final = ("direction", "slots", "norm", "residual", "init")


@dataclass(frozen=True, kw_only=True)
class GenerationConfig(RecipeConfig):
    """What is generated, and by what."""

    recipe: ClassVar[str] = "generation"
    task: ClassVar[Task] = TASK
    models: ClassVar[Mapping[str, str]] = {
        "autoregressive": "younger_hf.recipes.generators.autoregressive:GENERATOR",
        "digress": "younger_hf.recipes.generators.digress:GENERATOR",
    }
    rules: ClassVar[Mapping[str, str]] = {
        "counts": "younger_hf.recipes.rules.generation:COUNTS",
        "bigrams": "younger_hf.recipes.rules.generation:BIGRAMS",
    }

    model: str = setting("Built in:", "autoregressive")
    level: str = setting(
        "What a sample is: a part of a network, or a whole one.", "subgraph", choices=("subgraph", "graph")
    )
    max_nodes: int = setting("Operators of the largest graph to learn from.", 40, least=2)
    channels: int = setting("Width of the model.", 128, least=16)
    layers: int = setting("Depth of the model.", 3, above=0)
    steps: int | None = 5000
    patience: int = 0
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    validate_every: int = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" in self.model:
            raise UsageError(f"generation trains {', '.join(self.models)}, not a class of your own: {self.model}")
        unused = [name for name in _OF_ENCODERS if getattr(self, name) is not None]
        if unused:
            raise UsageError(f"{unused[0]} is a setting of encoders, and generation trains none: leave it out")
        if self.channels % 16:
            raise UsageError(f"channels must be a multiple of 16, not {self.channels}")

    @property
    def table(self) -> str:
        """The config of the release that is trained on."""
        return self.in_form(f"{self.level}s")

    def choices(self) -> dict[str, Any]:
        """The largest graph."""
        return {"max_nodes": self.max_nodes}

    @property
    def title(self) -> str:
        """The model, and the largest graph."""
        return f"{self.model}, {self.level}s of up to {self.max_nodes} nodes"


def generator_of(config: GenerationConfig) -> Any:
    """How a model of generation is built, trained and sampled: a `younger_hf.recipes.generators.Generator`."""
    from younger_hf.recipes.places import load_built_in

    return load_built_in(config.models[config.model])


def build(config: GenerationConfig, num_operators: int) -> Any:
    """The model with fresh parameters."""
    return generator_of(config).build(config, num_operators)


def train(run: Run) -> None:
    """Train a run to its end, from wherever it was interrupted.

    Raises:
        UsageError: its device is not here, or no graph is small enough.
        ReleaseError: its release lacks what it needs.
        RunError: the loss is not a number.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    import torch

    from younger_hf.recipes.batches import ShuffledRows
    from younger_hf.recipes.checkpoints import fresh_model
    from younger_hf.recipes.decisions import MOST_TASKS
    from younger_hf.recipes.splits import evaluate_columns, evaluator_of, load_splits
    from younger_hf.recipes.training import begin, find_device, fit
    from younger_hf.recipes.training_graphs import TrainingGraphs

    config, device = run.config, find_device(run.config.device)
    table, validation = load_splits(config, "train", "validation")
    data = TrainingGraphs.of(table, config, config.max_nodes, MOST_TASKS)
    rows = ShuffledRows(len(data.graphs), config.batch_size, config.seed)
    evaluator, generator = evaluator_of(run, table), generator_of(config)
    model: Any = fresh_model(run).to(device)
    generator.prepare(model, data)
    num_steps = config.num_steps(rows.steps_per_epoch)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def loss(step: int, draws: np.random.Generator) -> torch.Tensor:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _rate(step, num_steps)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return generator.loss(model, *data.drawn(rows[step], draws), device)  # type: ignore[no-any-return]

    def validate() -> dict[str, float]:
        return evaluate_columns(evaluator, predict(model, validation, config, device))

    begin(run, model, loss, device)
    run.write("tasks.json", f"{json.dumps(data.tasks)}\n".encode())
    fit(run, model, optimizer, loss, num_steps, rows.steps_per_epoch, validate)


def _rate(step: int, num_steps: int) -> float:
    """The learning rate of a step as a share: up over the first hundred steps, then down to a twentieth."""
    warm = min(1.0, (step + 1) / min(100, max(num_steps // 10, 1)))
    return float(warm * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * min(step / num_steps, 1.0)))))


def predict(
    model: Any, table: GraphTable, config: GenerationConfig, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """The negative log-likelihood of each graph of a split.

    Args:
        model: in evaluation mode, on the device.
        table: the split.
        config: which graphs.
        device: where the model is.

    Returns:
        [M] each: int64 `row` of the table, `y_true`, how many nodes it has, and `y_pred`, float64, in nats.
    """
    import torch

    nll = generator_of(config).nll
    found: dict[int, float] = {}
    sizes: dict[int, int] = {}
    scored = sorted(evaluation_graphs(table, config.max_nodes), key=lambda item: len(item[1].source))
    for start in range(0, len(scored), _EVALUATION_BATCH):
        part = scored[start : start + _EVALUATION_BATCH]
        with torch.no_grad():
            values = nll(model, [graph for _, graph in part], device).double().cpu().tolist()
        found |= zip([row for row, _ in part], values, strict=True)
        sizes |= {row: graph.num_nodes for row, graph in part}
    rows = sorted(found)
    return {
        "row": np.array(rows, np.int64),
        "y_true": np.array([sizes[row] for row in rows], np.int64),
        "y_pred": np.array([found[row] for row in rows], np.float64),
    }


RECIPE: Final = Recipe(
    summary="Generation: learn to make architectures, operator by operator or by diffusion.",
    config=GenerationConfig,
    build=build,
    train=train,
    predict=predict,
)
