"""Data flow design: an encoder of nodes, and a decoder that scores pairs of them."""

from __future__ import annotations

from torch import Tensor, nn


class LinkPredictor(nn.Module):
    """An encoder and a decoder.

    Args:
        encoder: gives [N, C] for `(x, edge_index, edge_attr)`.
        decoder: gives logits [P] for `(z, pairs)`.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None) -> Tensor:
        """The encodings [N, C] of the nodes, from messages that pass along edge_index."""
        return self.encoder(x, edge_index, edge_attr)  # type: ignore[no-any-return]

    def decode(self, z: Tensor, pairs: Tensor) -> Tensor:
        """The logits [P] that there is a data flow; pairs are int64 [2, P]: producer, consumer."""
        return self.decoder(z, pairs)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None, pairs: Tensor) -> Tensor:
        """The logits [P] of pairs of nodes."""
        return self.decode(self.encode(x, edge_index, edge_attr), pairs)


class DotDecoder(nn.Module):
    """The paper's decoder: the dot product of both ends, which is symmetric."""

    def forward(self, z: Tensor, pairs: Tensor) -> Tensor:
        """The logits [P] of pairs, int64 [2, P], of nodes that are encoded as z, [N, C]."""
        producer, consumer = pairs
        return (z.index_select(0, producer) * z.index_select(0, consumer)).sum(dim=-1)


class DirectedDecoder(nn.Module):
    """The dot product of what a node is as a producer and what it is as a consumer: two projections, one a role.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.producer = nn.Linear(channels, channels)
        self.consumer = nn.Linear(channels, channels)

    def forward(self, z: Tensor, pairs: Tensor) -> Tensor:
        """The logits [P] of pairs, int64 [2, P], of nodes that are encoded as z, [N, C]."""
        producer, consumer = pairs
        ends: Tensor = self.producer(z).index_select(0, producer) * self.consumer(z).index_select(0, consumer)
        return ends.sum(dim=-1)
