"""The autoregressive generator: one decision after the other, by a decoder transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from younger_hf.graph import IntArray
from younger_hf.recipes.decisions import DecisionBatch
from younger_hf.recipes.generators import Generator
from younger_hf.recipes.models.sequence_decoder import SequenceDecoder
from younger_hf.recipes.training_graphs import TrainingGraphs
from younger_hf.tasks.generation.slotted import SlottedGraph


def build(config: Any, num_operators: int) -> SequenceDecoder:
    """A decoder with fresh parameters."""
    return SequenceDecoder(num_operators, config.max_nodes, config.channels, config.layers)


def prepare(model: SequenceDecoder, data: TrainingGraphs) -> None:
    """Nothing: all that it knows, it learns."""


def loss(
    model: SequenceDecoder, graphs: Sequence[SlottedGraph], size: IntArray, task: IntArray, device: torch.device
) -> torch.Tensor:
    """Nats a node."""
    batch = DecisionBatch.of(graphs, model.num_fixed, size, task).to(device)
    return model.nll(batch).sum() / sum(graph.num_nodes for graph in graphs)


def nll(model: SequenceDecoder, graphs: Sequence[SlottedGraph], device: torch.device | str) -> torch.Tensor:
    """The exact negative log-likelihood [B] of sequences of which neither size nor task is said, in nats."""
    nothing = np.zeros(len(graphs), np.int64)
    return model.nll(DecisionBatch.of(graphs, model.num_fixed, nothing, nothing).to(device))


def sample(model: SequenceDecoder, wish: Any) -> list[SlottedGraph]:
    """Sample graphs."""
    from younger_hf.recipes.generators.decoding import decode

    return decode(model, wish)


GENERATOR: Final = Generator(build, prepare, loss, nll, sample)
