"""A training step of the paper's models, against the same layers of torch-geometric one after the other.

    python benchmarks/recipe_models.py [RELEASE]

Ours compute a layer only where its result is wanted, and once for nodes that are alike; the peer computes all layers at
all nodes. Both have the same parameters and batch, and give the same loss where dropout is off, which is checked. They
take steps in turn, and the best time of each counts; then ours once more with the memory of freed tensors kept, as
`younger-hf train` does. What is special about GAT's operator design is its memory: see recipe_memory.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from recipe_batches import BATCH_SIZE, opened, release_parser
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import VGAE

from younger_hf import Vocabulary, load
from younger_hf.cli.memory import keep_freed_memory
from younger_hf.recipes.batches import GraphBatch
from younger_hf.recipes.dataflow import logits_of
from younger_hf.recipes.models import build_model
from younger_hf.recipes.operator import mask_boundary
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.links import negative_pairs, split_links

REPEATS = 4
MODELS = [
    *(("operator", name) for name in ("gcn", "sage", "gae", "vgae")),
    *(("dataflow", name) for name in ("gcn", "gat", "sage")),
]


def main() -> None:
    arguments = release_parser(__doc__).parse_args()
    with opened(arguments.release) as (release, _):
        vocabulary_size = len(Vocabulary.load(release).operators)
        table = GraphTable(load("subgraphs-no-attributes", "train", source=release), "operator")
        drawn = np.random.default_rng(0).permutation(len(table))
        graphs = table.union(np.resize(drawn, BATCH_SIZE))
        steps = {key: losses_of(*key, vocabulary_size, graphs) for key in MODELS}
        print(f"{BATCH_SIZE} subgraphs, {graphs.num_nodes:,} nodes; milliseconds of a step forward and back")
        seconds = {
            key: np.min([[step(loss) for loss in both] for _ in range(REPEATS)], axis=0) for key, both in steps.items()
        }
        keep_freed_memory()
        for key, (ours, _) in steps.items():
            mine, plain = 1000 * seconds[key]
            kept = 1000 * min(step(ours) for _ in range(REPEATS))
            print(
                f"{key[0]:8} {key[1]:4} plain {plain:5.0f}, ours {mine:5.0f}: ratio {plain / mine:4.1f}; "
                f"with memory kept {kept:5.0f}: ratio {plain / kept:4.1f}"
            )


def losses_of(task: str, name: str, vocabulary_size: int, graphs: GraphUnion) -> list[Callable[[], Tensor]]:
    """The loss of a step as the recipe computes it, and by the plain layers."""
    torch.manual_seed(0)
    model = build_model(task, name, vocabulary_size)
    generator = np.random.default_rng(0)
    batch = GraphBatch.of(graphs)
    masked, y = mask_boundary(batch)
    if name in ("gae", "vgae"):
        edges = graphs.edge_index
        pairs = batch.tensor(negative_pairs(edges, graphs.num_nodes, edges.shape[1], generator))
        losses = [
            lambda: model.reconstruction_loss(masked.x, masked.edge_index, pairs),
            lambda: plain_reconstruction(model.autoencoder, masked, pairs),
        ]
    elif task == "operator":
        losses = [
            lambda: functional.cross_entropy(model(masked.x, masked.edge_index, masked.edge_attr, masked.boundary), y),
            lambda: functional.cross_entropy(two_layers(model, masked.x, masked.edge_index)[masked.boundary], y),
        ]
    else:
        links = split_links(graphs, 0.2, generator.spawn(graphs.num_graphs))
        messages, ends, labels = (batch.tensor(array) for array in (links.is_message, links.pairs, links.y))
        losses = [
            lambda: links_loss(logits_of(model, batch, links), labels),
            lambda: links_loss(
                model.decode(two_layers(model.encoder, batch.x, batch.edge_index[:, messages]), ends), labels
            ),
        ]
    model.eval()
    torch.testing.assert_close(losses[0](), losses[1](), rtol=1e-4, atol=1e-4)
    model.train()
    return losses


def two_layers(model: Any, x: Tensor, edge_index: Tensor) -> Tensor:
    embedded = functional.dropout(model.embedding(x), model.input_dropout, model.training)
    hidden = functional.dropout(model.conv1(embedded, edge_index).relu(), 0.5, model.training)
    return model.conv2(hidden, edge_index)  # type: ignore[no-any-return]


def plain_reconstruction(autoencoder: Any, batch: GraphBatch, negatives: Tensor) -> Tensor:
    """What the two methods of torch-geometric's autoencoders give, of an encoder's plain layers."""
    encoder = autoencoder.encoder
    hidden = encoder.conv1(encoder.embedding(batch.x), batch.edge_index).relu()
    outputs = [head(hidden, batch.edge_index) for head in encoder.heads]
    if not isinstance(autoencoder, VGAE):
        return autoencoder.recon_loss(outputs[0], batch.edge_index, negatives)  # type: ignore[no-any-return]
    mean, log_deviation = outputs
    z = autoencoder.reparametrize(mean, log_deviation)
    loss = autoencoder.recon_loss(z, batch.edge_index, negatives)
    return loss + 0.001 * autoencoder.kl_loss(mean, log_deviation)  # type: ignore[no-any-return]


def links_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, labels.float())


def step(loss: Callable[[], Tensor]) -> float:
    """The seconds that a step takes; gradients add up, which costs the same."""
    start = time.perf_counter()
    loss().backward()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
