"""Embeddings that a run has learned: of operators, of subgraphs and of whole graphs (paper, global statistics).

In goes a `Run`; out come vectors. An operator's are its rows of the embedding layer, before and after training; a
subgraph's is the mean over its nodes of what the last layer gives; a graph's is the mean of its subgraphs'.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.batches import GraphBatch
from younger_hf.recipes.models.autoencoders import Autoencoder
from younger_hf.recipes.models.links import LinkPredictor
from younger_hf.recipes.operator import mask_boundary
from younger_hf.recipes.run import Run
from younger_hf.recipes.samples import Cut, in_parts, sample_batch

_MOST_NODES = 1 << 14

Floats = NDArray[np.float32]


def embed_operators(run: Run) -> tuple[Floats, Floats]:
    """The rows of the embedding layer, float32 [V, d]: as they were drawn, and as they were learned.

    Raises:
        RunError: the run has no checkpoint.
    """
    before, after = (_embedding_layer(model).weight.detach().numpy() for model in (run.build_model(), run.load_best()))
    return before, after


@torch.no_grad()
def embed_subgraphs(model: nn.Module, batch: GraphBatch) -> Floats:
    """Embed each graph of a batch as one subgraph.

    Args:
        model: of either task, in evaluation mode, where the batch is. One of operator design sees the boundary masked,
            as in training.
        batch: B subgraphs.

    Returns:
        float32 [B, C].
    """
    vectors = [
        torch.segment_reduce(_last_layer(model, part), "mean", lengths=part.ptr.diff())
        for part in in_parts(batch, _MOST_NODES)
    ]
    return torch.cat(vectors).cpu().numpy()


def embed_graph(model: nn.Module, graph: OperatorGraph, ids: IntArray, cut: Cut) -> tuple[Floats, int]:
    """Embed a whole graph.

    Args:
        model: as `embed_subgraphs` takes it.
        graph: N operators, in canonical order.
        ids: int64 [N], the operators' vocabulary ids.
        cut: as `sample_batch` takes it.

    Returns:
        float32 [C], and of how many subgraphs it is the mean.
    """
    device = next(model.parameters()).device
    vectors = embed_subgraphs(model, sample_batch(graph, ids, cut)[0].to(device))
    return vectors.mean(axis=0), len(vectors)


def _last_layer(model: nn.Module, batch: GraphBatch) -> torch.Tensor:
    """What the last layer of a model, below a classifier or decoder of its own, gives for each node: [N, C]."""
    if isinstance(model, LinkPredictor):
        return model.encode(batch.x, batch.edge_index, batch.edge_attr)
    masked, _ = mask_boundary(batch)
    if isinstance(model, Autoencoder):
        return model.encode(masked.x, masked.edge_index)
    return model(masked.x, masked.edge_index, masked.edge_attr)  # type: ignore[no-any-return]


def _embedding_layer(model: nn.Module) -> nn.Embedding:
    """The first embedding is that of the operators; what a model knows of slots comes after it."""
    return next(module for module in model.modules() if isinstance(module, nn.Embedding))
