"""Discrete denoising diffusion over the operators and edges of an architecture, after DiGress.

Vignac et al., "DiGress: Discrete Denoising Diffusion for Graph Generation" (ICLR 2023). What is noised is the upper
triangle of a random topological order, so that every sample is acyclic. Noise is towards the marginals of train
(section 4.1), the schedule is the cosine (section 3), and the loss weighs edges five times.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from younger_hf.graph import IntArray
from younger_hf.recipes.generators import Generator
from younger_hf.recipes.generators.dense import EDGES, NUM_KINDS, SLOTS, from_dense, to_dense
from younger_hf.recipes.models.graph_denoiser import GraphDenoiser
from younger_hf.recipes.training_graphs import TrainingGraphs
from younger_hf.recipes.wish import Wish
from younger_hf.tasks.generation.slotted import SlottedGraph

STEPS: Final = 50
"""Of the diffusion, and so of denoising."""

_EDGE_WEIGHT: Final = 5.0
_PRIOR: Final = 0.1  # of a class that train does not have, in counts
_DRAWS: Final = 8  # of the time, for each graph, in the bound
_SEED: Final = 12345
_OFFSET: Final = 0.008  # of the cosine, so that the first step has noise, too


class Diffusion(nn.Module):
    """A denoiser with the marginals that noise goes to, and how likely each size is."""

    def __init__(self, num_operators: int, max_nodes: int, channels: int, layers: int) -> None:
        super().__init__()
        parts = [num_operators, *[NUM_KINDS] * SLOTS]
        self.denoiser = GraphDenoiser(parts, len(EDGES), max_nodes, STEPS, channels, layers)
        for part, count in enumerate(parts):
            self.register_buffer(f"marginal_{part}", torch.full((count,), 1 / count))
        self.register_buffer("marginal_edge", torch.full((len(EDGES),), 1 / len(EDGES)))
        self.register_buffer("log_size", torch.full((max_nodes + 1,), -np.log(max_nodes + 1)))
        self.num_parts = len(parts)
        alpha = [cos(pi / 2 * (step / STEPS + _OFFSET) / (1 + _OFFSET)) ** 2 for step in range(STEPS + 1)]
        self.register_buffer("alpha_bar", torch.tensor(alpha) / alpha[0], persistent=False)

    def marginal(self, part: int) -> Tensor:
        """The marginal of a part of nodes; of edges where the part is -1."""
        return self.get_buffer(f"marginal_{part}" if part >= 0 else "marginal_edge")


def build(config: Any, num_operators: int) -> Diffusion:
    """A diffusion with fresh parameters and uniform marginals."""
    return Diffusion(num_operators, config.max_nodes, config.channels, config.layers)


def prepare(model: Diffusion, data: TrainingGraphs) -> None:
    """Count the marginals and the sizes of the training graphs."""
    counts = [torch.full_like(model.marginal(part), _PRIOR) for part in range(model.num_parts)]
    edge = torch.full_like(model.marginal(-1), _PRIOR)
    size = torch.full_like(model.get_buffer("log_size"), _PRIOR)
    for graph in data.graphs:
        nodes, edges, _ = to_dense([graph])
        for part, count in enumerate(counts):
            count += torch.from_numpy(np.bincount(nodes[0, :, part], minlength=len(count))).to(count)
        above = edges[0][np.triu_indices(graph.num_nodes, 1)]
        edge += torch.from_numpy(np.bincount(above, minlength=len(edge))).to(edge)
        size[graph.num_nodes] += 1
    for part, count in enumerate(counts):
        model.marginal(part).copy_(count / count.sum())
    model.marginal(-1).copy_(edge / edge.sum())
    model.get_buffer("log_size").copy_((size / size.sum()).log())


def loss(model: Diffusion, graphs: Sequence[SlottedGraph], _: IntArray, task: IntArray, device: torch.device) -> Tensor:
    """The cross-entropy of what noised graphs were; their sizes show in how many nodes there are."""
    nodes, edges, real = (torch.from_numpy(array).to(device) for array in to_dense(graphs))
    time = torch.randint(1, STEPS + 1, (len(graphs),)).to(device)
    noised_nodes, noised_edges = _noise(model, nodes, edges, time, None)
    parts, pair = model.denoiser(noised_nodes, noised_edges, real, time, torch.from_numpy(task).to(device))
    found = sum(
        functional.cross_entropy(logits[real].float(), nodes[..., part][real]) for part, logits in enumerate(parts)
    )
    above = _above(real)
    return found + _EDGE_WEIGHT * functional.cross_entropy(pair[above].float(), edges[above])


def nll(model: Diffusion, graphs: Sequence[SlottedGraph], device: torch.device | str) -> Tensor:
    """The variational bound [B] on the negative log-likelihood, in nats, with every edge counted once."""
    return bound(model, graphs, device, edges_counted=1)


def bound(
    model: Diffusion,
    graphs: Sequence[SlottedGraph],
    device: torch.device | str,
    edges_counted: int,
    draws: int = _DRAWS,
) -> Tensor:
    """The variational bound [B] of DiGress (appendix C), in nats.

    It is -log p(n), the divergence of the last step from the noise, the sum over the steps between, and the
    reconstruction. The sum is estimated from draws of the time, one from each of as many parts of the schedule.

    Args:
        model: in evaluation mode.
        graphs: B of them.
        device: where the model is.
        edges_counted: 1, or 2 as DiGress does, which sums over the full matrix.
        draws: of the time, for each graph.
    """
    nodes, edges, real = (torch.from_numpy(array).to(device) for array in to_dense(graphs))
    above = _above(real)
    task = torch.zeros(len(graphs), dtype=torch.int64, device=device)
    generator = torch.Generator().manual_seed(_SEED)
    weights = {part: real.float() for part in range(model.num_parts)} | {-1: above.float() * edges_counted}
    total = -model.get_buffer("log_size")[real.sum(1)]

    def classes(part: int) -> Tensor:
        return nodes[..., part] if part >= 0 else edges

    def add(part: int, values: Tensor) -> Tensor:
        return (values * weights[part]).flatten(1).sum(1)

    last = torch.full((len(graphs),), STEPS, device=device)
    for part in weights:
        end = _forward(model, part, classes(part), last)
        total = total + add(part, _divergence(end, model.marginal(part).expand_as(end)))

    def denoised(time: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        noised_nodes, noised_edges = _noise(model, nodes, edges, time, generator)
        parts, pair = model.denoiser(noised_nodes, noised_edges, real, time, task)
        logits = dict(enumerate(parts)) | {-1: pair}
        noised = {part: noised_nodes[..., part] for part in range(model.num_parts)} | {-1: noised_edges}
        return {part: functional.softmax(each.float(), -1) for part, each in logits.items()}, noised

    predicted, _ = denoised(torch.ones_like(last))
    for part, probability in predicted.items():
        true = probability.gather(-1, classes(part)[..., None])[..., 0]
        total = total - add(part, true.clamp(min=1e-12).log())
    width = (STEPS - 1) / draws
    for draw in range(draws):
        at = 2 + torch.floor((draw + torch.rand(len(graphs), generator=generator)) * width).long()
        time = at.clamp(max=STEPS).to(device)
        predicted, noised = denoised(time)
        for part, probability in predicted.items():
            exact = functional.one_hot(classes(part), probability.shape[-1]).float()
            true = _posterior(model, part, exact, noised[part], time)
            guess = _posterior(model, part, probability, noised[part], time)
            total = total + width * add(part, _divergence(true, guess))
    return total


def sample(model: Diffusion, wish: Wish) -> list[SlottedGraph]:
    """Denoise graphs from noise, in `STEPS` steps; sizes are drawn as train has them where none is wished for."""
    generator = torch.Generator().manual_seed(wish.seed)
    device = model.get_buffer("log_size").device
    sizes = torch.multinomial(model.get_buffer("log_size").cpu().exp(), wish.num, replacement=True, generator=generator)
    sizes = torch.full_like(sizes, wish.size) if wish.size else sizes.clamp(min=2)
    most = int(sizes.max())
    real = (torch.arange(most) < sizes[:, None]).to(device)

    def draw(probability: Tensor) -> Tensor:
        flat = probability.flatten(0, -2).float().cpu()
        return torch.multinomial(flat, 1, generator=generator).view(probability.shape[:-1]).to(device)

    shape = (wish.num, most)
    nodes = torch.stack([draw(model.marginal(part).expand(*shape, -1)) for part in range(model.num_parts)], dim=-1)
    edges = draw(model.marginal(-1).expand(*shape, most, -1))
    task = torch.full((wish.num,), wish.task, device=device)
    with torch.inference_mode():
        for step in range(STEPS, 0, -1):
            time = torch.full((wish.num,), step, device=device)
            parts, pair = model.denoiser(nodes, edges, real, time, task)
            found = []
            for part, logits in (*enumerate(parts), (-1, pair)):
                # Part 0 is the operator of a node, the others what is in its slots.
                probability = functional.softmax(logits.float() / (wish.temperature if part == 0 else 1.0), -1)
                if step > 1:
                    probability = _posterior(model, part, probability, nodes[..., part] if part >= 0 else edges, time)
                found.append(draw(probability))
            *of_nodes, edges = found
            nodes = torch.stack(of_nodes, dim=-1)
    arrays = zip(nodes.cpu().numpy(), edges.cpu().numpy(), real.cpu().numpy(), strict=True)
    return [from_dense(*each) for each in arrays]


def _above(real: Tensor) -> Tensor:
    """The pairs of real nodes, bool [B, N, N], the first before the second."""
    return (real[:, :, None] & real[:, None]).triu(1)


def _like(values: Tensor, shape: Tensor) -> Tensor:
    """Values [B] that broadcast against [B, ..., K]."""
    return values.view(-1, *[1] * (shape.ndim - 1))


def _forward(model: Diffusion, part: int, classes: Tensor, time: Tensor) -> Tensor:
    """How likely each class is after so many steps of noise, [..., K]."""
    marginal = model.marginal(part)
    exact = functional.one_hot(classes, len(marginal)).float()
    kept = _like(model.get_buffer("alpha_bar")[time], exact)
    return kept * exact + (1 - kept) * marginal


def _noise(
    model: Diffusion, nodes: Tensor, edges: Tensor, time: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Noised classes: each is kept, or drawn from its marginal."""
    kept = model.get_buffer("alpha_bar")[time]

    def noised(part: int, classes: Tensor) -> Tensor:
        stays = torch.rand(classes.shape, generator=generator).to(classes.device) < kept.view(
            -1, *[1] * (classes.ndim - 1)
        )
        marginal = model.marginal(part).cpu()
        drawn = torch.multinomial(marginal, classes.numel(), replacement=True, generator=generator)
        return torch.where(stays, classes, drawn.view(classes.shape).to(classes.device))

    parts = [noised(part, nodes[..., part]) for part in range(nodes.shape[-1])]
    return torch.stack(parts, dim=-1), noised(-1, edges).triu(1)


def _posterior(model: Diffusion, part: int, start: Tensor, noised: Tensor, time: Tensor) -> Tensor:
    """The distribution [..., K] of a class one step earlier, given what it is now and, as probabilities, what it was.

    With one step's share a that stays and b of all steps before, q(x[t-1] | x[t], x[0]) is in proportion to
    (a [x[t-1] = x[t]] + (1 - a) m[x[t]]) (b [x[t-1] = x[0]] + (1 - b) m[x[t-1]]), and for probabilities of x[0] the
    mean over them.
    """
    marginal, alpha_bar = model.marginal(part), model.get_buffer("alpha_bar")
    before = _like(alpha_bar[time - 1], start)
    stays = _like(alpha_bar[time] / alpha_bar[time - 1], start)
    now = functional.one_hot(noised, len(marginal)).float()
    came = stays * now + (1 - stays) * (now * marginal).sum(-1, keepdim=True)
    # For each x[0], the factor of x[t-1] summed: what normalises.
    at_noised, with_marginal = came, (came * marginal).sum(-1, keepdim=True)
    total = before * at_noised + (1 - before) * with_marginal
    share = start / total.clamp(min=1e-12)
    return came * (before * share + (1 - before) * marginal * share.sum(-1, keepdim=True))


def _divergence(one: Tensor, other: Tensor) -> Tensor:
    """The Kullback-Leibler divergence [...] of distributions [..., K]."""
    return (one * ((one.clamp(min=1e-12)).log() - other.clamp(min=1e-12).log())).sum(-1)


GENERATOR: Final = Generator(build, prepare, loss, nll, sample)
