"""A directed, edge-aware model: GIN with edge features (GINE; Hu et al., 2020), in both directions.

Messages pass from producers to consumers and back, and each knows its direction and the slots of its data flow. Those
of the paper's models pass forward only, so that they see nothing of what comes after a node, and no slots.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GINEConv

from younger_hf.recipes.models.convolutions import edges_into, receptive_field
from younger_hf.recipes.models.two_layers import operator_embedding

_SLOTS: Final = 8
"""Slots from here on count as one: only variadic operators such as Concat have them."""


class GINE(nn.Module):
    """Embedding(V, hidden), residual GINE layers, each after LayerNorm, and a linear output.

    Args:
        vocabulary_size: V.
        out_channels: C.
        hidden: the width; that of the layers' perceptrons is twice as much.
        layers: how many data flows far a node sees.
        direction: "both", or "forward", where messages pass from producers to consumers only.
        slots: whether messages know the slots of their data flow; without, they know its direction alone.
        norm: whether there is a LayerNorm before each layer.
        residual: whether a layer adds to what stands there, or takes its place.
    """

    def __init__(
        self,
        vocabulary_size: int,
        out_channels: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        direction: str = "both",
        slots: bool = True,
        norm: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.is_directed, self.knows_slots, self.is_residual = direction == "both", slots, residual
        self.embedding = operator_embedding(vocabulary_size, hidden)
        self.slots = nn.ModuleList(nn.Embedding(2 * _SLOTS, hidden) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) if norm else nn.Identity() for _ in range(layers))
        self.convs = nn.ModuleList(
            GINEConv(nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, hidden)))
            for _ in range(layers)
        )
        output = nn.Linear(hidden, out_channels)
        # Logits, and dot products of outputs, begin near 0.
        nn.init.normal_(output.weight, std=0.01)
        nn.init.zeros_(output.bias)
        self.output = nn.Sequential(nn.LayerNorm(hidden), output)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, targets: Tensor | None = None) -> Tensor:
        """The outputs [T, C] at the targets, or [N, C] at all nodes."""
        slots = edge_attr.clamp(max=_SLOTS - 1) if self.knows_slots else torch.zeros_like(edge_attr)
        if self.is_directed:
            slots = torch.cat((slots, slots + _SLOTS))
            edge_index = torch.cat((edge_index, edge_index.flip(0)), dim=1)
        edges = self.slots[0](slots[:, 0]) + self.slots[1](slots[:, 1])
        nodes = torch.arange(len(x), device=x.device) if targets is None else targets
        fields = [nodes]
        for _ in self.convs[1:]:
            fields.append(receptive_field(edge_index, fields[-1], len(x)))
        hidden = self.embedding(x)
        for norm, conv, at in zip(self.norms, self.convs, reversed(fields), strict=True):
            into, kept = edges_into(at, edge_index, len(x))
            normed = norm(hidden)
            update = functional.dropout(conv((normed, normed[at]), into, edges[kept]), 0.2, self.training)
            # Rows that no target depends on stay as they are.
            hidden = hidden.index_add(0, at, update) if self.is_residual else hidden.index_copy(0, at, update)
        return self.output(hidden[nodes])  # type: ignore[no-any-return]
