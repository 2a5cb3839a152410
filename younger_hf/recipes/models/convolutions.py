"""The paper's three convolutions, computed only where the result is wanted.

In goes a layer of torch-geometric; out comes what the layer itself gives, at all nodes or at some. What differs is the
order of work: neighbours are averaged before they are projected, and only at the target nodes, so that a last layer as
wide as the vocabulary costs what its targets cost. Rows are taken by `index_select`, whose gradient, unlike that of
indexing, is the same number every time on a CPU.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv, GCNConv, SAGEConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import add_self_loops, remove_self_loops, softmax


@singledispatch
def convolve(conv: nn.Module, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor:
    """What a layer of torch-geometric gives at some nodes.

    Args:
        conv: a `GCNConv`, a `SAGEConv`, a `GATConv` whose heads are averaged, or another layer, which is then computed
            at all nodes.
        x: [N, in_channels].
        edge_index: int64 [2, E]: producer, consumer.
        targets: int64 [T], the nodes, without repetition; None for all.

    Returns:
        [T, out_channels], or [N, out_channels]: `conv(x, edge_index)[targets]`.
    """
    out = conv(x, edge_index)
    return out if targets is None else out[targets]  # type: ignore[no-any-return]


@convolve.register
def _(conv: GCNConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor:
    if targets is None:
        return conv(x, edge_index)  # type: ignore[no-any-return]
    return conv.lin(_normalized_sum(x, edge_index, targets)) + conv.bias  # type: ignore[no-any-return]


@convolve.register
def _(conv: SAGEConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor:
    if targets is None:
        return conv(x, edge_index)  # type: ignore[no-any-return]
    into, _ = edges_into(targets, edge_index, len(x))
    return conv((x, x[targets]), into)  # type: ignore[no-any-return]


@convolve.register
def _(conv: GATConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None) -> Tensor:
    """Nothing of size [N, heads, out_channels] is made, where the layer itself has that for each edge.

    The average over heads of attention-weighted projections, 1/H Σ_h Σ_j α_hij W_h x_j, is 1/H Σ_h W_h (Σ_j α_hij x_j);
    and what attention is computed of, a_h · W_h x_j, is (W_hᵀ a_h) · x_j.
    """
    edge_index, _ = add_self_loops(remove_self_loops(edge_index)[0], num_nodes=len(x))
    if targets is not None:
        edge_index, _ = edges_into(targets, edge_index, len(x))
    source, target = edge_index
    at_targets = x if targets is None else x[targets]
    weight = conv.lin.weight.view(conv.heads, conv.out_channels, -1)
    of_sources = x @ torch.einsum("hc,hcf->fh", conv.att_src[0], weight)
    of_targets = at_targets @ torch.einsum("hc,hcf->fh", conv.att_dst[0], weight)
    scores = of_sources.index_select(0, source) + of_targets.index_select(0, target)
    scores = functional.leaky_relu(scores, conv.negative_slope)
    attention = softmax(scores, target, num_nodes=len(at_targets))
    attention = functional.dropout(attention, conv.dropout, conv.training)
    messages = x.index_select(0, source)
    out: Tensor = conv.bias.expand(len(at_targets), -1)
    for head in range(conv.heads):
        mean = torch.zeros_like(at_targets).index_add(0, target, messages * attention[:, head, None])
        out = torch.addmm(out, mean, weight[head].t(), alpha=1 / conv.heads)
    return out


def convolve_operators(
    conv: GCNConv, embedding: nn.Embedding, x: Tensor, edge_index: Tensor, targets: Tensor | None = None
) -> Tensor:
    """`convolve(conv, embedding(x), edge_index, targets)`: the V embeddings are projected, and not the N nodes'."""
    projected = functional.embedding(x, conv.lin(embedding.weight))
    nodes = torch.arange(len(x), device=x.device) if targets is None else targets
    return _normalized_sum(projected, edge_index, nodes) + conv.bias  # type: ignore[no-any-return]


def _normalized_sum(x: Tensor, edge_index: Tensor, targets: Tensor) -> Tensor:
    """What a GCN passes to the targets: [T, C], their own and their producers' rows, weighted by degrees."""
    edge_index, weight = gcn_norm(edge_index, num_nodes=len(x), dtype=x.dtype)
    (source, target), kept = edges_into(targets, edge_index, len(x))
    return x.new_zeros(len(targets), x.size(1)).index_add(0, target, x.index_select(0, source) * weight[kept, None])


def spread(values: Tensor, nodes: Tensor | None, num_nodes: int) -> Tensor:
    """Values [K, C] at some nodes as [N, C], 0 at the others; as they are where nodes is None, which means all."""
    if nodes is None:
        return values
    return values.new_zeros(num_nodes, values.size(1)).index_copy(0, nodes, values)


def receptive_field(edge_index: Tensor, targets: Tensor, num_nodes: int) -> Tensor:
    """The nodes that a convolution at the targets reads: they and their producers."""
    reached = torch.zeros(num_nodes, dtype=torch.bool, device=targets.device)
    reached[targets] = True
    reached[edge_index[0, reached[edge_index[1]]]] = True
    return reached.nonzero().flatten()


def edges_into(targets: Tensor, edge_index: Tensor, num_nodes: int) -> tuple[Tensor, Tensor]:
    """The edges whose consumer is a target, which is then numbered as in `targets`, and their positions."""
    number = torch.full((num_nodes,), -1, device=targets.device)
    number[targets] = torch.arange(len(targets), device=targets.device)
    consumers = number[edge_index[1]]
    kept = (consumers >= 0).nonzero().flatten()
    return torch.stack((edge_index[0, kept], consumers[kept])), kept
