"""How much memory operator design by GAT with attributes takes, where the paper ran out of 80 GB.

    python benchmarks/recipe_memory.py [RELEASE] [--vocabulary-size 10000]

Three whole steps of the recipe at the paper's batch of 512 real subgraphs, as the command takes them. The vocabulary is
as large as one asks: its size is what the last layer's width is. The peer is the paper's 80 GB, which was not enough.
"""

from __future__ import annotations

import resource

import torch
from recipe_batches import BATCH_SIZE, enough_rows, opened, release_parser
from torch.nn import functional

from younger_hf.cli.memory import keep_freed_memory
from younger_hf.recipes.batches import GraphBatch, ShuffledRows
from younger_hf.recipes.models import build_model
from younger_hf.recipes.operator import mask_boundary
from younger_hf.tasks.graph_table import GraphTable

NUM_STEPS = 3
PAPER = 80e9  # bytes, and more were wanted


def main() -> None:
    parser = release_parser(__doc__)
    parser.add_argument("--vocabulary-size", type=int, default=10_000)
    arguments = parser.parse_args()
    keep_freed_memory()
    with opened(arguments.release) as (release, _):
        table = GraphTable(enough_rows(release, BATCH_SIZE * NUM_STEPS), "variant")
        order = ShuffledRows(len(table), BATCH_SIZE, seed=0)
        model = build_model("operator", "gat", arguments.vocabulary_size)
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(NUM_STEPS):
            batch, y = mask_boundary(GraphBatch.of(table.union(order[step])))
            optimizer.zero_grad()
            functional.cross_entropy(model(batch.x, batch.edge_index, batch.edge_attr, batch.boundary), y).backward()
            optimizer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"vocabulary of {arguments.vocabulary_size:,}, {batch.num_nodes:,} nodes, {len(y):,} of them masked")
    print(
        f"peak resident memory {peak / 2**30:.1f} GiB (to reach: under 12 GB); the paper: {PAPER / peak:.0f} times that"
    )


if __name__ == "__main__":
    main()
