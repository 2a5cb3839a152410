"""Graph-level tasks: an encoder of nodes, a pooling, and what is predicted of the pooled encoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch_geometric.nn import aggr

POOLINGS: Final = ("mean", "sum", "max", "attention")


class GraphPredictor(nn.Module):
    """Encodings of nodes, pooled, then a perceptron.

    Args:
        encoder: gives [N, C] for `(x, edge_index, edge_attr)`.
        channels: C.
        pooling: one of `POOLINGS`; "sum" is of the logarithm's size, so that graphs of any size can be told apart.
        out_channels: the number of classes, or 1 for a number, which is predicted in standard deviations.
        classes: their names, in the order of the outputs: those of the release that it is trained on, whichever it is
            scored on.
    """

    def __init__(
        self, encoder: nn.Module, channels: int, pooling: str, out_channels: int, classes: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.encoder = encoder
        self.pooling = pooling
        gate = nn.Linear(channels, 1)
        pools = {"mean": aggr.MeanAggregation, "sum": aggr.SumAggregation, "max": aggr.MaxAggregation}
        self.pool = aggr.AttentionalAggregation(gate) if pooling == "attention" else pools[pooling]()
        self.head = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, out_channels))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def encode(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """The encodings [N, C] of the nodes."""
        return self.encoder(x, edge_index, edge_attr)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, ptr: Tensor) -> Tensor:
        """The outputs [B, out_channels] of B graphs, graph i being nodes ptr[i] up to ptr[i + 1]."""
        pooled = self.pool(self.encode(x, edge_index, edge_attr), ptr=ptr)
        if self.pooling == "sum":
            pooled = pooled.sign() * pooled.abs().log1p()
        return self.head(pooled)  # type: ignore[no-any-return]
