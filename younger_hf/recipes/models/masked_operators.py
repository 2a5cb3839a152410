"""Pretraining: an encoder of nodes, and a linear layer that says which operator each node is."""

from __future__ import annotations

from torch import Tensor, nn


class MaskedOperators(nn.Module):
    """An encoder and a classifier.

    Args:
        encoder: a model as `younger_hf.recipes.models` says; gives [N, C].
        channels: C.
        num_operators: V.
    """

    def __init__(self, encoder: nn.Module, channels: int, num_operators: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(channels, num_operators)

    def encode(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, targets: Tensor | None = None) -> Tensor:
        """The encodings [T, C] of the targets, or [N, C] of all nodes."""
        return self.encoder(x, edge_index, edge_attr, targets)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, targets: Tensor | None = None) -> Tensor:
        """The logits [T, V] at the targets, or [N, V] at all nodes."""
        return self.classifier(self.encode(x, edge_index, edge_attr, targets))  # type: ignore[no-any-return]
