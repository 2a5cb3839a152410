"""A directed, edge-aware model: GIN with edge features (GINE; Hu et al., 2020), in both directions.

Messages pass from producers to consumers and back, and each knows its direction and the slots of its data flow; the
paper's models see neither, and nothing that comes after a node.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GINEConv

from younger_hf.recipes.models.two_layers import operator_embedding

_SLOTS: Final = 8
"""Slots from here on count as one: only variadic operators such as Concat have them."""


class GINE(nn.Module):
    """Embedding(V, 256), four residual GINE layers, each after LayerNorm, and a linear output.

    Args:
        vocabulary_size: V.
        out_channels: C.
        hidden: the width.
        num_layers: how many hops a node sees.
    """

    def __init__(self, vocabulary_size: int, out_channels: int, hidden: int = 256, num_layers: int = 4) -> None:
        super().__init__()
        self.embedding = operator_embedding(vocabulary_size, hidden)
        self.slots = nn.ModuleList(nn.Embedding(2 * _SLOTS, hidden) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(num_layers))
        self.convs = nn.ModuleList(
            GINEConv(nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, hidden)))
            for _ in range(num_layers)
        )
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, out_channels))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, targets: Tensor | None = None) -> Tensor:
        """The outputs [T, C] at the targets, or [N, C] at all nodes."""
        slots = edge_attr.clamp(max=_SLOTS - 1)
        slots = torch.cat((slots, slots + _SLOTS))
        edges = self.slots[0](slots[:, 0]) + self.slots[1](slots[:, 1])
        edge_index = torch.cat((edge_index, edge_index.flip(0)), dim=1)
        hidden = self.embedding(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            hidden = hidden + functional.dropout(conv(norm(hidden), edge_index, edges), 0.2, self.training)
        return self.out(hidden if targets is None else hidden[targets])  # type: ignore[no-any-return]
