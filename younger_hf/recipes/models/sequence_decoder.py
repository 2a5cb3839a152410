"""A decoder transformer over the decisions that make an architecture.

At each decision it scores the end, what else can be in a slot, all operators, and every earlier node as a pointer
(Vinyals, Fortunato and Jaitly, "Pointer Networks", 2015): the query of the decision meets what the decoder said where
the node was complete, how often the node is used already, and how far back it stands. A second choice is between the
outputs of that node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from younger_hf.recipes.decisions import FIRST_OPERATOR, MOST_TASKS, DecisionBatch
from younger_hf.tasks.generation.slotted import MOST_OUTPUTS

_SLOTS: Final = 32  # what is beyond these counts as the last
_DISTANCES: Final = 64
_USES: Final = 4
_OPEN: Final = 16


@dataclass
class Cache:
    """What decoding keeps: keys and values of each layer [B, H, t, C / H], and the encodings of nodes [B, N, C]."""

    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)


@dataclass(frozen=True)
class Inputs:
    """What is known before a decision, int64 [B, T] each; the fields are what `SequenceDecoder` embeds.

    Attributes:
        token: the choice before, or one number for all pointers; `begin` first.
        pointed: the operator of the node that it points to, 0 for none.
        output: the output that it takes.
        back: how far back the node stands, 0 for none.
        operator: of the node placed last, 0 for none.
        node: how many nodes are placed.
        slot: how many of the last one's slots are decided.
        left: how many nodes are still to come and one, 0 where the size is not said.
        unused: how many placed nodes feed nothing.
        task: as in `DecisionBatch`.
    """

    token: Tensor
    pointed: Tensor
    output: Tensor
    back: Tensor
    operator: Tensor
    node: Tensor
    slot: Tensor
    left: Tensor
    unused: Tensor
    task: Tensor


class SequenceDecoder(nn.Module):
    """Scores of decisions.

    Args:
        num_operators: V.
        max_nodes: the largest graph.
        channels: C.
        layers: of the transformer.
        heads: of each.
    """

    def __init__(
        self, num_operators: int, max_nodes: int, channels: int = 160, layers: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        self.num_fixed = FIRST_OPERATOR + num_operators
        self.max_nodes = max_nodes
        self.token = nn.Embedding(self.num_fixed + 2, channels)  # a pointer, and the beginning
        self.pointed = nn.Embedding(num_operators, channels)
        self.operator = nn.Embedding(num_operators, channels)
        self.output = nn.Embedding(MOST_OUTPUTS, channels)
        self.back = nn.Embedding(_DISTANCES, channels)
        self.node = nn.Embedding(max_nodes + 1, channels)
        self.slot = nn.Embedding(_SLOTS, channels)
        self.left = nn.Embedding(max_nodes + 2, channels)
        self.unused = nn.Embedding(_OPEN, channels)
        self.task = nn.Embedding(MOST_TASKS, channels)
        for embedding in (module for module in self.modules() if isinstance(module, nn.Embedding)):
            nn.init.normal_(embedding.weight, std=0.1)
        self.blocks = nn.ModuleList(_Block(channels, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.fixed = nn.Linear(channels, self.num_fixed)
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.use_key = nn.Linear(_USES, channels)
        self.distance_key = nn.Linear(_DISTANCES, channels)
        self.which_output = nn.Linear(2 * channels, MOST_OUTPUTS)
        self.output_of = nn.Embedding(num_operators, MOST_OUTPUTS)
        nn.init.zeros_(self.output_of.weight)

    @property
    def pointer(self) -> int:
        """The token of a pointer."""
        return self.num_fixed

    @property
    def begin(self) -> int:
        """The token before the first decision."""
        return self.num_fixed + 1

    def encode(self, inputs: Inputs, cache: Cache | None = None) -> Tensor:
        """The encodings [B, T, C] of what is known before each decision.

        Args:
            inputs: of all decisions, or of those that the cache does not know yet.
            cache: of the decisions before; it is extended.
        """
        limits = {"slot": _SLOTS, "back": _DISTANCES, "unused": _OPEN}
        h = torch.zeros((), device=inputs.token.device)
        for name in ("token", "pointed", "output", "back", "operator", "node", "slot", "left", "unused", "task"):
            value = getattr(inputs, name)
            h = h + getattr(self, name)(value.clamp(max=limits[name] - 1) if name in limits else value)
        for number, block in enumerate(self.blocks):
            h = block(h, cache, number)
        return self.norm(h)  # type: ignore[no-any-return]

    def scores(self, h: Tensor, keys: Tensor, node: Tensor, uses: Tensor) -> Tensor:
        """The scores [B, T, F + N] of the F fixed choices and of the nodes; minus infinity where there is no choice.

        Args:
            h: [B, T, C], as `encode` gives it.
            keys: [B, N, C], as `encode` gave it where each node was complete.
            node: int64 [B, T], the node placed last, -1 for none.
            uses: int64 [B, T, N], how many slots each node feeds already.
        """
        fixed = self.fixed(h)
        before = node < 0
        fixed = fixed.masked_fill(
            before[..., None] & (torch.arange(self.num_fixed, device=h.device) < FIRST_OPERATOR), -torch.inf
        )
        query = self.query(h) * h.shape[-1] ** -0.5
        pointers = query @ self.key(keys).transpose(1, 2)
        by_use = query @ self.use_key.weight
        by_distance = query @ self.distance_key.weight
        numbers = torch.arange(keys.shape[1], device=h.device)
        back = (node[..., None] - numbers).clamp(0, _DISTANCES - 1)
        pointers = pointers + by_use.gather(-1, uses.clamp(max=_USES - 1)) + by_distance.gather(-1, back)
        pointers = pointers.masked_fill(numbers >= node[..., None], -torch.inf)
        return torch.cat((fixed, pointers), dim=-1)

    def output_scores(self, h: Tensor, key: Tensor, operator: Tensor) -> Tensor:
        """The scores [M, MOST_OUTPUTS] of the outputs of nodes that were chosen.

        Args:
            h: [M, C], of the decisions.
            key: [M, C], of the nodes.
            operator: int64 [M], of the nodes.
        """
        return self.which_output(torch.cat((h, key), dim=-1)) + self.output_of(operator)  # type: ignore[no-any-return]

    def nll(self, batch: DecisionBatch) -> Tensor:
        """The negative log-likelihood [B] of sequences, in nats."""
        inputs, uses = self.inputs_of(batch)
        h = self.encode(inputs)
        keys = h.gather(1, batch.ends[..., None].expand(-1, -1, h.shape[-1]))
        scores = self.scores(h, keys, batch.node, uses)
        losses = functional.cross_entropy(
            scores.flatten(0, 1).float(), batch.choice.flatten(), ignore_index=-1, reduction="none"
        ).view(batch.choice.shape)
        to = (batch.choice - self.num_fixed).clamp(min=0)
        row, place = (batch.choice >= self.num_fixed).nonzero(as_tuple=True)
        if len(row):
            node = to[row, place]
            which = self.output_scores(h[row, place], keys[row, node], batch.operator[row, node])
            extra = functional.cross_entropy(which.float(), batch.output[row, place], reduction="none")
            losses = losses.index_put((row, place), extra, accumulate=True)
        return losses.sum(dim=1)

    def inputs_of(self, batch: DecisionBatch) -> tuple[Inputs, Tensor]:
        """What is known before each decision of whole sequences, and int64 [B, T, N] how often nodes are used."""
        choice, before = batch.choice, torch.roll(batch.choice, 1, dims=1)
        points = choice >= self.num_fixed
        to = (choice - self.num_fixed).clamp(min=0)
        fed = functional.one_hot(to, batch.operator.shape[1]) * points[..., None]
        uses = fed.cumsum(dim=1) - fed
        is_placed = torch.arange(batch.operator.shape[1], device=choice.device) <= batch.node[..., None]
        pointed_to = torch.roll(to, 1, dims=1)
        points_before = torch.roll(points, 1, dims=1)
        points_before[:, 0] = False
        token = torch.where(points_before, self.pointer, before.clamp(min=0))
        token[:, 0] = self.begin
        placed = batch.node.clamp(min=0)
        count = batch.node + 1
        size = batch.size[:, None]
        inputs = Inputs(
            token=token,
            pointed=torch.where(points_before, batch.operator.gather(1, pointed_to), 0),
            output=torch.where(points_before, torch.roll(batch.output, 1, dims=1), 0),
            back=torch.where(points_before, torch.roll(batch.node, 1, dims=1) - pointed_to, 0).clamp(min=0),
            operator=torch.where(batch.node >= 0, batch.operator.gather(1, placed), 0),
            node=count,
            slot=batch.slot,
            left=torch.where(size > 0, (size - count).clamp(min=0) + 1, 0),
            unused=(is_placed & (uses == 0)).sum(-1),
            task=batch.task[:, None].expand_as(token),
        )
        return inputs, uses


class _Block(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.dropout = nn.Dropout(0.1)

    def forward(self, h: Tensor, cache: Cache | None, number: int) -> Tensor:
        batch, length, channels = h.shape
        q, k, v = self.qkv(self.first(h)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            if number < len(cache.layers):
                k, v = (torch.cat(pair, dim=2) for pair in zip(cache.layers[number], (k, v), strict=True))
                cache.layers[number] = k, v
            else:
                cache.layers.append((k, v))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=k.shape[2] == length)
        h = h + self.dropout(self.out(attended.transpose(1, 2).reshape(batch, length, channels)))
        return h + self.dropout(self.mlp(self.second(h)))  # type: ignore[no-any-return]
