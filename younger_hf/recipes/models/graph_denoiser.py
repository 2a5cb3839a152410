"""The denoiser of a diffusion over graphs: a graph transformer whose attention reads and writes edges.

After Vignac et al., "DiGress: Discrete Denoising Diffusion for Graph Generation" (ICLR 2023, section 3 and appendix B):
scores of attention are scaled and shifted by the edge between two nodes, and make the edge anew. Here nodes stand in
topological order and edges are directed: what is between i and j is read as an edge forward and as one backward. Time,
size and task are added to every node.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from younger_hf.recipes.decisions import MOST_TASKS

_CHECKPOINTED = 1 << 16
"""Pairs of nodes in a batch beyond which layers are computed again in the backward pass, and not kept."""


class GraphDenoiser(nn.Module):
    """What a noised graph was, by the logits of each of its parts.

    Args:
        parts: the number of classes of each part of a node.
        num_edge_classes: of a pair of nodes; 0 is no edge.
        max_nodes: the largest graph.
        steps: of the diffusion.
        channels: width of nodes; edges have a quarter of it.
        layers: of the transformer.
        heads: of each.
    """

    def __init__(
        self,
        parts: list[int],
        num_edge_classes: int,
        max_nodes: int,
        steps: int,
        channels: int = 64,
        layers: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        width = channels // 4
        self.max_nodes = max_nodes
        self.parts = nn.ModuleList(nn.Embedding(count, channels) for count in parts)
        self.place = nn.Embedding(max_nodes, channels)
        self.time, self.size = nn.Embedding(steps + 1, channels), nn.Embedding(max_nodes + 1, channels)
        self.task = nn.Embedding(MOST_TASKS, channels)
        self.forward_edge = nn.Embedding(num_edge_classes, width)
        self.backward_edge = nn.Embedding(num_edge_classes, width)
        self.distance = nn.Embedding(2 * max_nodes, width)
        self.blocks = nn.ModuleList(_Block(channels, width, heads) for _ in range(layers))
        self.node_norm, self.edge_norm = nn.LayerNorm(channels), nn.LayerNorm(2 * width)
        self.to_parts = nn.ModuleList(nn.Linear(channels, count) for count in parts)
        self.to_edge = nn.Linear(2 * width, num_edge_classes)

    def forward(
        self, nodes: Tensor, edges: Tensor, real: Tensor, time: Tensor, task: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Logits of what a graph was.

        Args:
            nodes: int64 [B, N, P], the parts of noised nodes.
            edges: int64 [B, N, N], noised; what is above the diagonal counts.
            real: bool [B, N], false for padding.
            time: int64 [B], steps of noise.
            task: int64 [B], 0 where it is not said.

        Returns:
            [B, N, classes] for each part, and [B, N, N, edge classes], above the diagonal.
        """
        count = nodes.shape[1]
        places = torch.arange(count, device=nodes.device)
        of_graph = self.time(time) + self.size(real.sum(1)) + self.task(task)
        x = sum(each(nodes[..., part]) for part, each in enumerate(self.parts)) + self.place(places) + of_graph[:, None]
        is_above = places[:, None] < places
        upper = torch.where(is_above, edges, 0)
        pair = torch.where(is_above[..., None], self.forward_edge(upper), self.backward_edge(upper.transpose(1, 2)))
        pair = pair + self.distance(places[:, None] - places + self.max_nodes)
        again = self.training and len(nodes) * count * count > _CHECKPOINTED
        for block in self.blocks:
            if again:
                x, pair = checkpoint(block, x, pair, real, use_reentrant=False)
            else:
                x, pair = block(x, pair, real)
        x = self.node_norm(x)
        both = self.edge_norm(torch.cat((pair, pair.transpose(1, 2)), dim=-1))
        return [each(x) for each in self.to_parts], self.to_edge(both)


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.edge_first, self.edge_second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.film, self.write = nn.Linear(width, 2 * heads), nn.Linear(heads, width)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        self.edge_mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, pair: Tensor, real: Tensor) -> Any:
        batch, count, channels = x.shape
        q, k, v = self.qkv(self.first(x)).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) * (channels // self.heads) ** -0.5
        scale, shift = self.film(self.edge_first(pair)).permute(0, 3, 1, 2).chunk(2, dim=1)
        scores = scores * (1 + scale) + shift
        attention = functional.softmax(scores.masked_fill(~real[:, None, None], -torch.inf), dim=-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(batch, count, channels))
        pair = pair + self.write(scores.permute(0, 2, 3, 1))
        return x + self.mlp(self.second(x)), pair + self.edge_mlp(self.edge_second(pair))
