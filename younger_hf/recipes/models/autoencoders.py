"""GAE and VGAE as the paper has them: an encoder that learns to restore data flows, then a classifier on top of it."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GAE, VGAE, GCNConv

from younger_hf.recipes.models.convolutions import convolve, look_alikes
from younger_hf.recipes.models.link_predictor import DotDecoder
from younger_hf.recipes.models.two_layers import operator_embedding


class Autoencoder(nn.Module):
    """A (variational) graph auto-encoder (Kipf and Welling, 2016), and a linear classifier of its encodings.

    Args:
        name: "gae" or "vgae".
        vocabulary_size: V.
        out_channels: C.
    """

    def __init__(self, name: str, vocabulary_size: int, out_channels: int) -> None:
        super().__init__()
        encoder = _Encoder(vocabulary_size, variational=name == "vgae")
        self.autoencoder = (VGAE if name == "vgae" else GAE)(encoder)
        self.classifier = nn.Linear(512, out_channels)
        self.is_frozen = False
        self._decoder = DotDecoder()

    def freeze(self) -> None:
        """From here on the encoder stays as it is: no gradients, no noise."""
        self.is_frozen = True
        self.autoencoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Autoencoder:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        self.autoencoder.train(mode and not self.is_frozen)
        return self

    def reconstruction_loss(self, x: Tensor, edge_index: Tensor, negatives: Tensor) -> Tensor:
        """What the encoder minimises: cross entropy of data flows and non-edges, and for VGAE 0.001 times the KL."""
        z = self.autoencoder.encode(x, edge_index)
        # As `recon_loss` of torch-geometric has it, which is another number each time where threads take turns.
        present, absent = self._decoder(z, edge_index), self._decoder(z, negatives)
        loss = functional.softplus(-present).mean() + functional.softplus(absent).mean()
        if isinstance(self.autoencoder, VGAE):
            loss = loss + 0.001 * self.autoencoder.kl_loss()
        return loss

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,  # noqa: ARG002 - all models are called alike
        targets: Tensor | None = None,
    ) -> Tensor:
        """The logits [T, C] at the targets, or [N, C] at all nodes; edge_attr plays no part."""
        return self.classifier(self.encode(x, edge_index, targets))  # type: ignore[no-any-return]

    def encode(self, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor:
        """The encodings [T, 512] at the targets, or [N, 512] at all nodes; of VGAE the means, outside of training."""
        return self.autoencoder.encode(x, edge_index, targets)  # type: ignore[no-any-return]


gae, vgae = (partial(Autoencoder, name) for name in ("gae", "vgae"))


class _Encoder(nn.Module):
    """Embedding(V, 1024), GCN(1024, 1024), ReLU, GCN(1024, 512); for VGAE two of the last, mean and log deviation."""

    def __init__(self, vocabulary_size: int, *, variational: bool) -> None:
        super().__init__()
        self.embedding = operator_embedding(vocabulary_size, 1024)
        self.conv1 = GCNConv(1024, 1024)
        self.heads = nn.ModuleList(GCNConv(1024, 512) for _ in range(2 if variational else 1))

    def reset_parameters(self) -> None:
        """torch-geometric's autoencoders ask for this: they would draw the embedding from N(0, 1)."""
        nn.init.normal_(self.embedding.weight, std=self.embedding.embedding_dim**-0.5)
        self.conv1.reset_parameters()
        for head in self.heads:
            head.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        first, alike = look_alikes(x, edge_index, depth=1)
        hidden = convolve(self.conv1, self.embedding.weight, edge_index, first, rows=x).relu()
        if targets is not None:
            outputs = [convolve(head, hidden, edge_index, targets, rows=alike) for head in self.heads]
        else:
            first, of = look_alikes(x, edge_index, depth=2)
            outputs = [convolve(head, hidden, edge_index, first, rows=alike).index_select(0, of) for head in self.heads]
        return tuple(outputs) if len(outputs) > 1 else outputs[0]
