"""GCN, GAT and SAGE as the paper has them, for both tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

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
    """

    def __init__(
        self, name: str, vocabulary_size: int, out_channels: int, input_dropout: float = 0.0, hidden: int = 512
    ) -> None:
        super().__init__()
        self.input_dropout = input_dropout
        self.embedding = operator_embedding(vocabulary_size, 1024)
        self.conv1 = CONVOLUTIONS[name](1024, hidden)
        self.conv2 = CONVOLUTIONS[name](hidden, out_channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,  # noqa: ARG002 - all models are called alike
        targets: Tensor | None = None,
    ) -> Tensor:
        """The outputs [T, C] at the targets, or [N, C] at all nodes; edge_attr plays no part."""
        nodes = None
        if self.input_dropout == 0:  # so that nodes that are alike stay so
            first, alike = look_alikes(x, edge_index, depth=1)
            hidden = convolve(self.conv1, self.embedding.weight, edge_index, first, rows=x).index_select(0, alike)
        else:
            nodes = None if targets is None else receptive_field(edge_index, targets, len(x))
            inputs = None if nodes is None else receptive_field(edge_index, nodes, len(x))
            embedded = self.embedding(x if inputs is None else x[inputs])
            embedded = spread(functional.dropout(embedded, self.input_dropout, self.training), inputs, len(x))
            hidden = convolve(self.conv1, embedded, edge_index, nodes)
        hidden = functional.dropout(hidden.relu(), 0.5, self.training)
        return convolve(self.conv2, spread(hidden, nodes, len(x)), edge_index, targets)


gcn, gat, sage = (partial(TwoLayerGNN, name) for name in CONVOLUTIONS)
"""As data flow design has them."""

masked_gcn, masked_gat, masked_sage = (partial(TwoLayerGNN, name, input_dropout=0.5) for name in CONVOLUTIONS)
"""As operator design has them."""


def operator_embedding(vocabulary_size: int, channels: int) -> nn.Embedding:
    """An embedding that is drawn from N(0, channels^-1/2), as the paper's are."""
    embedding = nn.Embedding(vocabulary_size, channels)
    nn.init.normal_(embedding.weight, std=channels**-0.5)
    return embedding
