"""Embeddings that a run has learned: of operators, of subgraphs and of whole graphs (paper, global statistics).

In goes a `Run`; out come vectors. An operator's are its rows of the embedding layer, before and after training; a
subgraph's is the mean over its nodes of what the last layer gives; a graph's is the mean of its subgraphs'.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from younger_hf.errors import UsageError
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.batches import GraphBatch, in_parts
from younger_hf.recipes.checkpoints import fresh_model, load_best
from younger_hf.recipes.recipe import Recipe
from younger_hf.recipes.run import Run
from younger_hf.recipes.subgraph_batches import subgraph_batch

_MOST_NODES = 1 << 14

Floats = NDArray[np.float32]


def embed_operators(run: Run) -> tuple[Floats, Floats]:
    """The rows of the embedding layer, float32 [V, d]: as they were drawn, and as they were learned.

    Raises:
        UsageError: the run's model has no embedding of operators.
        RunError: the run has no checkpoint.
    """
    before, after = (_embedding_rows(run, model) for model in (fresh_model(run), load_best(run)))
    return before, after


@torch.no_grad()
def embed_subgraphs(recipe: Recipe, model: nn.Module, batch: GraphBatch) -> Floats:
    """Embed each graph of a batch as one subgraph.

    Args:
        recipe: by which the model was trained. That of operator design masks the boundary, as in training.
        model: in evaluation mode, where the batch is.
        batch: B subgraphs.

    Returns:
        float32 [B, C].

    Raises:
        UsageError: the recipe does not say what an embedding is.
    """
    if recipe.encode is None:
        raise UsageError(f"runs of {recipe.name} embed nothing: the recipe has no encode")
    vectors = [
        torch.segment_reduce(recipe.encode(model, part), "mean", lengths=part.ptr.diff())
        for part in in_parts(batch, _MOST_NODES)
    ]
    return torch.cat(vectors).cpu().numpy()


def embed_graph(recipe: Recipe, model: nn.Module, graph: OperatorGraph, ids: IntArray) -> tuple[Floats, int]:
    """Embed a whole graph.

    Args:
        recipe: as `embed_subgraphs` takes it.
        model: likewise.
        graph: N operators, in canonical order.
        ids: int64 [N], the operators' vocabulary ids.

    Returns:
        float32 [C], and of how many subgraphs it is the mean.
    """
    device = next(model.parameters()).device
    vectors = embed_subgraphs(recipe, model, subgraph_batch(graph, ids)[0].to(device))
    return vectors.mean(axis=0), len(vectors)


def _embedding_rows(run: Run, model: nn.Module) -> Floats:
    """The first embedding is that of the operators; what a model knows of slots comes after it."""
    layers = (module for module in model.modules() if isinstance(module, nn.Embedding))
    layer = next(layers, None)
    if layer is None or layer.num_embeddings != len(run.labels):
        raise UsageError(f"the model of {run.directory} has no embedding of {len(run.labels):,} operators")
    return layer.weight.detach().numpy()
