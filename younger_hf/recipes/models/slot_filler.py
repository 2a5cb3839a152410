"""Slot filling: an encoder of nodes, and a decoder that scores the candidates of a slot."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

_SLOTS: Final = 8
"""Slots from here on count as one."""

_BUCKETS: Final = 16


class Queries(NamedTuple):
    """Q slots of one graph and their candidates, of which each has the first so many of C.

    Attributes:
        consumer: int64 [Q], nodes.
        slot: int64 [Q], input slots.
        node: int64 [C], of the candidates, ascending.
        output: int64 [C], output slots.
        num_candidates: int64 [Q].
        unused: bool [C], candidates that pass no messages.
    """

    consumer: Tensor
    slot: Tensor
    node: Tensor
    output: Tensor
    num_candidates: Tensor
    unused: Tensor


class SlotFiller(nn.Module):
    """An encoder and a decoder.

    A score is the dot product of what the consumer asks at a slot and what the producer gives at an output, and weights
    that the consumer chooses for what messages do not tell: how far the producer is, whether the output is unused, and
    how many unused ones are nearer.

    Args:
        encoder: gives [N, C] for `(x, edge_index, edge_attr)`.
        channels: C.
    """

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.consumer = nn.Linear(channels, channels)
        self.producer = nn.Linear(channels, channels)
        self.slots = nn.ModuleList(nn.Embedding(_SLOTS, channels) for _ in range(2))
        self.weights = nn.Linear(channels, 3 * _BUCKETS)
        for embedding in self.slots:
            nn.init.normal_(embedding.weight, std=0.1)  # type: ignore[arg-type]
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def encode(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """The encodings [N, C] of the nodes, from messages that pass along edge_index."""
        return self.encoder(x, edge_index, edge_attr)  # type: ignore[no-any-return]

    def decode(self, z: Tensor, queries: Queries) -> Tensor:
        """The scores [Q, C] of the candidates, -inf for those that come after a consumer."""
        consumer, slot, node, output, num_candidates, unused = queries
        z_asking = z.index_select(0, consumer) + self.slots[0](slot.clamp(max=_SLOTS - 1))
        asks = self.consumer(z_asking)
        gives = self.producer(z.index_select(0, node) + self.slots[1](output.clamp(max=_SLOTS - 1)))
        scores = asks @ gives.t() / asks.size(1) ** 0.5
        weights = self.weights(z_asking)
        distance = (consumer[:, None] - node).clamp(min=1)
        nearer = (num_unused := unused.cumsum(0)).new_zeros(len(num_unused) + 1)
        nearer[1:] = num_unused
        unused_nearer = (nearer[num_candidates][:, None] - num_unused).clamp(min=0)
        kinds = _bucket(distance) + torch.where(unused, _BUCKETS, 0)
        scores = scores + weights.gather(1, kinds)
        place = 2 * _BUCKETS + _bucket(unused_nearer + 1)
        scores = scores + torch.where(unused, weights.gather(1, place), 0)
        is_candidate = torch.arange(len(node), device=z.device) < num_candidates[:, None]
        return torch.where(is_candidate, scores, -torch.inf)


def _bucket(values: Tensor) -> Tensor:
    """Whole numbers from 1 on by their number of binary digits, from 0."""
    return values.double().log2().floor().long().clamp(max=_BUCKETS - 1)
