"""A transformer over directed acyclic graphs: attention along paths, and an encoding of depth.

After DAGFormer (Luo et al., "Transformers over Directed Acyclic Graphs", 2023, section 3): a node attends to the nodes
that it can reach, or that can reach it, within some steps (eq. 4), and its position is its depth (section 3.3). Here
attention knows how far the other node is, in which direction, and the slots of the data flows of the node itself. Its
cost is that of the pairs, not the square of the nodes, so that graphs of any size pass.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import TransformerConv

from younger_hf.recipes.models.two_layers import operator_embedding

_SLOTS: Final = 8
"""Slots from here on count as one."""

_HEADS: Final = 4
_LONGEST: Final = 10_000.0
"""The longest wave of the encoding of depth, as transformers have it."""


class DAGTransformer(nn.Module):
    """Embedding(V, hidden) and depth, blocks of attention and a perceptron, each after LayerNorm, a linear output.

    Args:
        vocabulary_size: V.
        out_channels: C.
        hidden: the width; that of the blocks' perceptrons is twice as much.
        layers: how many blocks.
        reach: how many data flows far a node attends to others.
        direction: "both", or "forward", where a node attends to those before it only.
        slots: whether attention knows the slots of a node's own data flows.
    """

    def __init__(
        self,
        vocabulary_size: int,
        out_channels: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        reach: int = 2,
        direction: str = "both",
        slots: bool = True,
    ) -> None:
        super().__init__()
        self.reach, self.is_directed, self.knows_slots = reach, direction == "both", slots
        self.embedding = operator_embedding(vocabulary_size, hidden)
        self.hops = nn.Embedding(2 * (reach + 1), hidden)
        self.slots = nn.ModuleList(nn.Embedding(2 * _SLOTS, hidden) for _ in range(2))
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(layers))
        output = nn.Linear(hidden, out_channels)
        # Logits, and dot products of outputs, begin near 0.
        nn.init.normal_(output.weight, std=0.01)
        nn.init.zeros_(output.bias)
        self.output = nn.Sequential(nn.LayerNorm(hidden), output)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, targets: Tensor | None = None) -> Tensor:
        """The outputs [T, C] at the targets, or [N, C] at all nodes."""
        far, hop = paths(edge_index, len(x), self.reach)
        pairs = torch.cat((edge_index, far), dim=1)
        hop = torch.cat((hop.new_ones(edge_index.size(1)), hop))
        slots = edge_attr.clamp(max=_SLOTS - 1) if self.knows_slots else torch.zeros_like(edge_attr)
        if self.is_directed:
            pairs = torch.cat((pairs, pairs.flip(0)), dim=1)
            hop = torch.cat((hop, hop + self.reach + 1))
            slots = torch.cat((slots, slots + _SLOTS))
        about = self.hops(hop)
        # The data flows themselves are those of one hop.
        own = ((hop % (self.reach + 1)) == 1).nonzero().flatten()
        about = about.index_add(0, own, self.slots[0](slots[:, 0]) + self.slots[1](slots[:, 1]))
        hidden = self.embedding(x)
        hidden = hidden + hidden.size(1) ** -0.5 * depth_encoding(depths(edge_index, len(x)), hidden.size(1))
        for block in self.blocks:
            hidden = block(hidden, pairs, about)
        return self.output(hidden if targets is None else hidden.index_select(0, targets))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Attention and a perceptron, each added to what stands there."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.attention = TransformerConv(hidden, hidden // _HEADS, _HEADS, edge_dim=hidden)
        self.perceptron = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))

    def forward(self, hidden: Tensor, pairs: Tensor, about: Tensor) -> Tensor:
        update = self.attention(self.norms[0](hidden), pairs, about)
        hidden = hidden + functional.dropout(update, 0.2, self.training)
        update = self.perceptron(self.norms[1](hidden))
        return hidden + functional.dropout(update, 0.2, self.training)


def paths(edge_index: Tensor, num_nodes: int, reach: int) -> tuple[Tensor, Tensor]:
    """The pairs of nodes that are joined by a path, the shortest of which has from 2 to `reach` data flows.

    Args:
        edge_index: int64 [2, E]: producer, consumer.
        num_nodes: N.
        reach: of data flows.

    Returns:
        int64 [2, P], where a path begins and ends, and int64 [P], how long the shortest is.
    """
    producers, consumers = step = edge_index[:, edge_index[0].argsort(stable=True)]
    fan_out = torch.bincount(producers, minlength=num_nodes)
    first = fan_out.cumsum(0) - fan_out
    frontier, found, hops = step, [step[:, :0]], [producers[:0]]
    seen = _keys(step, num_nodes).unique()  # type: ignore[no-untyped-call]
    for hop in range(2, reach + 1):
        fan = fan_out[frontier[1]]
        begins = frontier[0].repeat_interleave(fan)
        # Of each path, the data flows that go on from where it ends, one after the other.
        number = torch.arange(len(begins), device=step.device) - (fan.cumsum(0) - fan).repeat_interleave(fan)
        ends = consumers[first[frontier[1]].repeat_interleave(fan) + number]
        keys = _keys(torch.stack((begins, ends)), num_nodes).unique()  # type: ignore[no-untyped-call]
        keys = keys[~torch.isin(keys, seen)]
        frontier = torch.stack((keys // num_nodes, keys % num_nodes))
        found.append(frontier)
        hops.append(torch.full_like(keys, hop))
        seen = torch.cat((seen, keys))
    return torch.cat(found, dim=1), torch.cat(hops)


def _keys(pairs: Tensor, num_nodes: int) -> Tensor:
    return pairs[0] * num_nodes + pairs[1]


def depths(edge_index: Tensor, num_nodes: int) -> Tensor:
    """How many data flows the longest path to each node has, int64 [N]; nodes stand in topological order."""
    deepest = [0] * num_nodes
    producers, consumers = edge_index[:, edge_index[1].argsort(stable=True)].tolist()
    for producer, consumer in zip(producers, consumers, strict=True):
        deepest[consumer] = max(deepest[consumer], deepest[producer] + 1)
    return torch.tensor(deepest, device=edge_index.device)


def depth_encoding(depth: Tensor, channels: int) -> Tensor:
    """Sines and cosines of the depth, float [N, channels] (Vaswani et al., 2017, section 3.5)."""
    waves = torch.exp(torch.arange(0, channels, 2, device=depth.device) * (-math.log(_LONGEST) / channels))
    angles = depth[:, None] * waves
    return torch.cat((angles.sin(), angles.cos()), dim=1)
