"""GCN, GAT and SAGE as the paper has them, for both tasks; and with reverse edges.

The paper's pass messages from producers to consumers only. In both directions, a layer is the mean of two, one along
data flows and one against them, each with weights of its own (Dir-GNN; Rossi et al., "Edge Directionality Improves
Learning on Heterophilic Graphs", 2023, eq. 6, with alpha = 1/2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from younger_hf.recipes.models.convolutions import convolve, look_alikes, receptive_field, spread

CONVOLUTIONS: Final[dict[str, Callable[[int, int], nn.Module]]] = {
    "gcn": GCNConv,
    "gat": lambda inputs, outputs: GATConv(inputs, outputs, heads=8, concat=False),
    "sage": SAGEConv,
}


class TwoLayerGNN(nn.Module):
    """Embedding(V, 1024), dropout, convolution to 512, ReLU, dropout, convolution to the outputs.

    Args:
        name: of the convolution, one of `CONVOLUTIONS`.
        vocabulary_size: V.
        out_channels: C.
        input_dropout: of the embedding: 0.5 for operator design, 0 for data flow design.
        hidden: the width between the convolutions.
        direction: "forward", or "both".
    """

    def __init__(
        self,
        name: str,
        vocabulary_size: int,
        out_channels: int,
        *,
        input_dropout: float = 0.0,
        hidden: int = 512,
        direction: str = "forward",
    ) -> None:
        super().__init__()
        self.input_dropout = input_dropout
        self.is_directed = direction == "both"
        self.embedding = operator_embedding(vocabulary_size, 1024)
        self.conv1 = CONVOLUTIONS[name](1024, hidden)
        self.conv2 = CONVOLUTIONS[name](hidden, out_channels)
        if self.is_directed:
            self.reverse1 = CONVOLUTIONS[name](1024, hidden)
            self.reverse2 = CONVOLUTIONS[name](hidden, out_channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,  # noqa: ARG002 - all models are called alike
        targets: Tensor | None = None,
    ) -> Tensor:
        """The outputs [T, C] at the targets, or [N, C] at all nodes; edge_attr plays no part."""
        nodes = None
        if self.input_dropout == 0 and not self.is_directed:  # so that nodes that are alike stay so
            first, alike = look_alikes(x, edge_index, depth=1)
            hidden = convolve(self.conv1, self.embedding.weight, edge_index, first, rows=x).index_select(0, alike)
        else:
            read = torch.cat((edge_index, edge_index.flip(0)), dim=1) if self.is_directed else edge_index
            nodes = None if targets is None else receptive_field(read, targets, len(x))
            inputs = None if nodes is None else receptive_field(read, nodes, len(x))
            embedded = self.embedding(x if inputs is None else x[inputs])
            embedded = spread(functional.dropout(embedded, self.input_dropout, self.training), inputs, len(x))
            hidden = self._layer("1", embedded, edge_index, nodes)
        hidden = functional.dropout(hidden.relu(), 0.5, self.training)
        return self._layer("2", spread(hidden, nodes, len(x)), edge_index, targets)

    def _layer(self, number: str, x: Tensor, edge_index: Tensor, targets: Tensor | None) -> Tensor:
        out = convolve(self.get_submodule(f"conv{number}"), x, edge_index, targets)
        if not self.is_directed:
            return out
        return (out + convolve(self.get_submodule(f"reverse{number}"), x, edge_index.flip(0), targets)) / 2


gcn, gat, sage = (partial(TwoLayerGNN, name) for name in CONVOLUTIONS)
"""As the paper has them."""

dir_gcn, dir_sage = (partial(TwoLayerGNN, name, direction="both") for name in ("gcn", "sage"))
"""In both directions."""


def operator_embedding(vocabulary_size: int, channels: int) -> nn.Embedding:
    """An embedding that is drawn from N(0, channels^-1/2), as the paper's are."""
    embedding = nn.Embedding(vocabulary_size, channels)
    nn.init.normal_(embedding.weight, std=channels**-0.5)
    return embedding
