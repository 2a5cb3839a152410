"""The paper's three convolutions, computed only where the result is wanted, and once for nodes that are alike.

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
def convolve(
    conv: nn.Module, x: Tensor, edge_index: Tensor, targets: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """What a layer of torch-geometric gives at some nodes.

    Args:
        conv: a `GCNConv`, a `SAGEConv`, a `GATConv` whose heads are averaged, or another layer, which is then computed
            at all nodes.
        x: [N, in_channels], or with rows, [K, in_channels].
        edge_index: int64 [2, E]: producer, consumer.
        targets: int64 [T], the nodes, without repetition; None for all.
        rows: int64 [N], which row of x a node has, where many have the same; None where each has its own.

    Returns:
        [T, out_channels], or [N, out_channels]: `conv(x[rows], edge_index)[targets]`.
    """
    out = conv(_rows_at(None, x, rows), edge_index)
    return out if targets is None else out[targets]  # type: ignore[no-any-return]


@convolve.register
def _(
    conv: GCNConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    if targets is None:
        return conv(_rows_at(None, x, rows), edge_index)  # type: ignore[no-any-return]
    num_nodes = len(x if rows is None else rows)
    edge_index, weight = gcn_norm(edge_index, num_nodes=num_nodes, dtype=x.dtype)
    (source, target), kept = edges_into(targets, edge_index, num_nodes)
    messages = _rows_at(source, x, rows) * weight[kept, None]
    return conv.lin(x.new_zeros(len(targets), x.size(1)).index_add(0, target, messages)) + conv.bias  # type: ignore[no-any-return]


@convolve.register
def _(
    conv: SAGEConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    if targets is None:
        return conv(_rows_at(None, x, rows), edge_index)  # type: ignore[no-any-return]
    (source, target), _ = edges_into(targets, edge_index, len(x if rows is None else rows))
    into = torch.stack((source if rows is None else rows[source], target))
    return conv((x, _rows_at(targets, x, rows)), into)  # type: ignore[no-any-return]


@convolve.register
def _(
    conv: GATConv, x: Tensor, edge_index: Tensor, targets: Tensor | None = None, rows: Tensor | None = None
) -> Tensor:
    """Nothing of size [N, heads, out_channels] is made, where the layer itself has that for each edge.

    The average over heads of attention-weighted projections, 1/H Σ_h Σ_j α_hij W_h x_j, is 1/H Σ_h W_h (Σ_j α_hij x_j);
    and what attention is computed of, a_h · W_h x_j, is (W_hᵀ a_h) · x_j.
    """
    num_nodes = len(x if rows is None else rows)
    edge_index, _ = add_self_loops(remove_self_loops(edge_index)[0], num_nodes=num_nodes)
    if targets is not None:
        edge_index, _ = edges_into(targets, edge_index, num_nodes)
    source, target = edge_index
    at_targets = _rows_at(targets, x, rows)
    weight = conv.lin.weight.view(conv.heads, conv.out_channels, -1)
    of_sources = x @ torch.einsum("hc,hcf->fh", conv.att_src[0], weight)
    of_targets = at_targets @ torch.einsum("hc,hcf->fh", conv.att_dst[0], weight)
    scores = _rows_at(source, of_sources, rows) + of_targets.index_select(0, target)
    scores = functional.leaky_relu(scores, conv.negative_slope)
    attention = softmax(scores, target, num_nodes=len(at_targets))
    attention = functional.dropout(attention, conv.dropout, conv.training)
    messages = _rows_at(source, x, rows)
    out: Tensor = conv.bias.expand(len(at_targets), -1)
    for head in range(conv.heads):
        mean = torch.zeros_like(at_targets).index_add(0, target, messages * attention[:, head, None])
        out = torch.addmm(out, mean, weight[head].t(), alpha=1 / conv.heads)
    return out


def _rows_at(nodes: Tensor | None, x: Tensor, rows: Tensor | None) -> Tensor:
    """`x[rows][nodes]`, where None means all."""
    if nodes is not None and rows is not None:
        nodes = rows[nodes]
    at = rows if nodes is None else nodes
    return x if at is None else x.index_select(0, at)


def look_alikes(x: Tensor, edge_index: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Nodes that so many convolutions of an embedding of operators cannot tell apart.

    They have one operator, one number of producers, and producers that are alike one step before: the classes of
    Weisfeiler and Lehman's refinement. Operator graphs repeat themselves: of 20,000 nodes some 1,200 differ at depth 1.

    Args:
        x: int64 [N], the operators.
        edge_index: int64 [2, E]: producer, consumer.
        depth: how many convolutions.

    Returns:
        The first node of each class, int64 [K], and the class of each node, int64 [N]. Classes are told apart by sums
        of random 64-bit codes, always the same ones: one pair in 2^64 would fall together.
    """
    producers, consumers = edge_index
    num_producers = torch.zeros_like(x).index_add(0, consumers, torch.ones_like(consumers))
    kinds, classes = _distinct(x * (len(consumers) + 1) + num_producers)
    for _ in range(depth):
        generator = torch.Generator().manual_seed(0)
        codes = torch.randint(-(2**63), 2**63 - 1, (2, len(x)), generator=generator).to(x.device)
        own, passed_on = codes[0, classes], codes[1, classes]
        kinds, classes = _distinct(own.index_add(0, consumers, passed_on.index_select(0, producers)))
    first = torch.full_like(kinds, len(x))
    return first.scatter_reduce(0, classes, torch.arange(len(x), device=x.device), "amin"), classes


def _distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct ones of int64 values, [K], and which of them each is, [N]."""
    return values.unique(return_inverse=True)  # type: ignore[no-untyped-call, no-any-return]


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
