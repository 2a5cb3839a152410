"""A training step of a recipe, against the plainest loop over the same model and tensors that were collated before.

    python benchmarks/recipe_steps.py [RELEASE]

A step of ours makes its batch from Arrow memory, masks it, seeds the generators, looks at the loss and moves the bar;
the plain loop does none of that. Both take the same steps in turn; of each step the best time counts.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from recipe_batches import BATCH_SIZE, NUM_BATCHES, enough_rows, opened, release_parser
from torch.nn import functional

from younger_hf import Vocabulary
from younger_hf.recipes.batches import GraphBatch, ShuffledRows
from younger_hf.recipes.checkpoints import fresh_model
from younger_hf.recipes.operator import mask_boundary
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.run import Run
from younger_hf.recipes.training import fit
from younger_hf.tasks.graph_table import GraphTable

REPEATS = 4


def main() -> None:
    arguments = release_parser(__doc__).parse_args()
    with opened(arguments.release) as (release, scratch):
        table = GraphTable(enough_rows(release, BATCH_SIZE * NUM_BATCHES), "variant")
        order = ShuffledRows(len(table), BATCH_SIZE, seed=0)
        collated = [mask_boundary(GraphBatch.of(table.union(order[step]))) for step in range(NUM_BATCHES)]
        for model in ("gcn", "sage"):
            config = config_of("operator", {"model": model, "attributes": True, "release": str(release)})
            times = []
            for number in range(REPEATS):
                run = Run.create(scratch / f"{model}-{number}", config, Vocabulary.load(release))
                run.directory.mkdir()
                times.append((recipe_loop(run, table, order), plain_loop(run, collated)))
            ours, plain = np.min(times, axis=0)
            print(
                f"{model:4} recipe {1000 * ours.mean():7.1f} ms a step, plain loop {1000 * plain.mean():7.1f} ms; "
                f"ratio {ours.sum() / plain.sum():.3f} (at most 1.1)"
            )


def recipe_loop(run: Run, table: GraphTable, order: ShuffledRows) -> list[float]:
    """The seconds from the beginning of each step to that of the next."""
    starts = []
    model = fresh_model(run)

    def loss(step: int, _: np.random.Generator) -> torch.Tensor:
        starts.append(time.perf_counter())
        batch, y = mask_boundary(GraphBatch.of(table.union(order[step % NUM_BATCHES])))
        return functional.cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y)

    # One more, since a step ends where the next one begins.
    fit(run, model, torch.optim.Adam(model.parameters()), loss, NUM_BATCHES + 1, order.steps_per_epoch)
    return np.diff(starts).tolist()


def plain_loop(run: Run, collated: list[tuple[GraphBatch, torch.Tensor]]) -> list[float]:
    model = fresh_model(run)
    optimizer = torch.optim.Adam(model.parameters())
    starts = []
    for batch, y in [*collated, collated[0]]:
        starts.append(time.perf_counter())
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y)
        loss.backward()
        optimizer.step()
    return np.diff(starts).tolist()


if __name__ == "__main__":
    main()
