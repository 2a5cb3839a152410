"""The models are the paper's, layer by layer, and compute at the target nodes what they compute at all nodes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from younger_hf import YoungerError
from younger_hf.recipes.config import MODELS
from younger_hf.recipes.models import build_model
from younger_hf.recipes.models.convolutions import convolve, convolve_operators, receptive_field, spread


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def random_graph(num_nodes: int, num_edges: int, vocabulary_size: int) -> tuple[torch.Tensor, ...]:
    x = torch.randint(vocabulary_size, (num_nodes,))
    edge_index = torch.randint(num_nodes, (2, num_edges)).sort(dim=0).values
    return x, edge_index, torch.randint(12, (num_edges, 2)), torch.tensor([7, 3, num_nodes - 1])


@pytest.mark.parametrize(("name", "count"), [("gcn", 849_664), ("gat", 5_449_472), ("sage", 1_505_024)])
def test_models_for_data_flow_have_the_papers_number_of_parameters(name, count):
    assert num_parameters(build_model("dataflow", name, 189)) == count


@pytest.mark.parametrize(("name", "count"), [("gcn", 809_145), ("gat", 5_153_353), ("sage", 1_428_153)])
def test_models_for_operators_have_the_papers_number_of_parameters(name, count):
    assert num_parameters(build_model("operator", name, 185)) == count


@pytest.mark.parametrize(("name", "count"), [("gae", 1_763_840), ("vgae", 2_288_640)])
def test_autoencoders_have_the_papers_number_of_parameters(name, count):
    model = build_model("operator", name, 185)
    assert num_parameters(model.autoencoder) == count
    assert num_parameters(model.classifier) == 94_905


@pytest.mark.parametrize("name", MODELS["operator"])
def test_embeddings_begin_as_the_paper_draws_them(name):
    model = build_model("operator", name, 185)
    weight = next(module for module in model.modules() if isinstance(module, nn.Embedding)).weight
    assert weight.std().item() == pytest.approx(weight.size(1) ** -0.5, rel=0.02)


@pytest.mark.parametrize("name", MODELS["operator"])
def test_logits_at_targets_are_those_of_all_nodes(name):
    torch.manual_seed(0)
    model = build_model("operator", name, 40).eval()
    x, edge_index, edge_attr, targets = random_graph(60, 150, 40)
    everywhere = model(x, edge_index, edge_attr)
    assert everywhere.shape == (60, 40)
    torch.testing.assert_close(model(x, edge_index, edge_attr, targets), everywhere[targets])


LAYERS = [GCNConv(16, 5), SAGEConv(16, 5), GATConv(16, 5, heads=8, concat=False)]


@pytest.mark.parametrize("conv", LAYERS, ids=lambda conv: type(conv).__name__)
@pytest.mark.parametrize("targets", [None, torch.tensor([4, 17, 0])], ids=["everywhere", "targets"])
def test_convolve_is_the_layer_itself_in_value_and_gradient(conv, targets):
    torch.manual_seed(0)
    edge_index = torch.cat((torch.randint(20, (2, 70)), torch.tensor([[4, 4, 9], [4, 4, 9]])), dim=1)
    results = []
    for layer in (convolve, lambda conv, x, edges, at: conv(x, edges) if at is None else conv(x, edges)[at]):
        conv.zero_grad()
        x = torch.randn(20, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = layer(conv, x, edge_index, targets)
        out.square().sum().backward()
        results.append([out, x.grad, *(parameter.grad.clone() for parameter in conv.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


class Sizes(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


@pytest.mark.parametrize("targets", [None, torch.tensor([3, 0])])
def test_projecting_the_vocabulary_is_projecting_the_nodes(targets):
    torch.manual_seed(0)
    conv, embedding = GCNConv(16, 8), nn.Embedding(5, 16)
    x, edge_index = torch.tensor([4, 1, 4, 2, 0]), torch.tensor([[0, 1, 1, 2], [1, 2, 3, 3]])
    results = [
        convolve_operators(conv, embedding, x, edge_index, targets),
        convolve(conv, embedding(x), edge_index, targets),
    ]
    torch.testing.assert_close(*results)
    gradients = [torch.autograd.grad(out.square().sum(), [embedding.weight, *conv.parameters()]) for out in results]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gat_holds_no_vector_of_the_vocabularys_size_for_each_node_and_head():
    num_nodes, num_targets, vocabulary_size = 600, 50, 3000
    x, edge_index, edge_attr, _ = random_graph(num_nodes, 700, vocabulary_size)
    model = build_model("operator", "gat", vocabulary_size)
    with Sizes() as sizes:
        model(x, edge_index, edge_attr, torch.arange(num_targets)).logsumexp(dim=1).sum().backward()
    assert sizes.largest == max(parameter.numel() for parameter in model.parameters()) == 512 * 8 * vocabulary_size
    with Sizes() as sizes:
        model.conv2(torch.randn(num_nodes, 512), edge_index)
    assert sizes.largest >= 700 * 8 * vocabulary_size


def test_a_node_without_producers_is_convolved_too():
    x, edge_index = torch.randn(3, 16), torch.empty((2, 0), dtype=torch.int64)
    for conv in LAYERS:
        torch.testing.assert_close(convolve(conv, x, edge_index, torch.tensor([1])), conv(x, edge_index)[[1]])


def test_only_what_the_targets_read_is_computed_before():
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])
    nodes = receptive_field(edge_index, torch.tensor([3]), 5)
    assert nodes.tolist() == [2, 3]
    assert spread(torch.ones(2, 1), nodes, 5).flatten().tolist() == [0, 0, 1, 1, 0]
    assert torch.equal(spread(torch.ones(5, 1), None, 5), torch.ones(5, 1))


@pytest.mark.parametrize("name", ["gae", "vgae"])
def test_the_encoder_minimises_what_torch_geometric_does(name):
    torch.manual_seed(0)
    model = build_model("operator", name, 40).eval()
    x, edge_index, _, _ = random_graph(60, 150, 40)
    negatives = torch.randint(60, (2, 150))
    theirs = model.autoencoder.recon_loss(model.encode(x, edge_index), edge_index, negatives)
    if name == "vgae":
        theirs = theirs + 0.001 * model.autoencoder.kl_loss()
    torch.testing.assert_close(model.reconstruction_loss(x, edge_index, negatives), theirs)


@pytest.mark.parametrize(("task", "name"), [("operator", "gcn"), ("operator", "gat"), ("dataflow", "gcn")])
def test_gradients_are_the_same_every_time_with_several_threads(task, name):
    torch.manual_seed(0)
    model = build_model(task, name, 30).eval()
    x, edge_index, edge_attr, _ = random_graph(200, 6000, 30)
    last = torch.randint(200, (2, 6000)) if task == "dataflow" else torch.randperm(200)[:100]
    gradients = []
    torch.set_num_threads(2)
    try:
        for _ in range(3):
            model.zero_grad()
            model(x, edge_index, edge_attr, last).square().mean().backward()
            gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    finally:
        torch.set_num_threads(1)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


@pytest.mark.parametrize("name", MODELS["dataflow"])
def test_the_dot_product_ignores_direction_and_the_directed_decoder_does_not(name):
    torch.manual_seed(0)
    x, edge_index, edge_attr, _ = random_graph(30, 60, 40)
    there, back = torch.tensor([[1, 5], [2, 9]]), torch.tensor([[2, 9], [1, 5]])
    dot = build_model("dataflow", name, 40).eval()
    torch.testing.assert_close(*(dot(x, edge_index, edge_attr, pairs) for pairs in (there, back)))
    directed = build_model("dataflow", name, 40, "directed").eval()
    scores = [directed(x, edge_index, edge_attr, pairs) for pairs in (there, back)]
    assert not torch.allclose(*scores)


def test_gine_sees_direction_slots_and_what_comes_after():
    torch.manual_seed(0)
    model = build_model("operator", "gine", 40).eval()
    x, target = torch.tensor([1, 5, 6]), torch.tensor([0])
    edges, slots = torch.tensor([[0, 1], [1, 2]]), torch.tensor([[0, 0], [0, 1]])
    logits = model(x, edges, slots, target)
    for other in (
        model(x, edges.flip(0), slots, target),
        model(x, edges, slots.flip(1), target),
        model(torch.tensor([1, 5, 7]), edges, slots, target),
    ):
        assert not torch.allclose(logits, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dataflo", "gcn", 9), "no task 'dataflo': did you mean dataflow?"),
        (("dataflow", "vgae", 9), "no model for dataflow 'vgae'"),
        (("dataflow", "gcn", 9, "dott"), "no decoder 'dott': did you mean dot?"),
    ],
)
def test_what_there_is_not_is_named(arguments, message):
    with pytest.raises(YoungerError, match=message.replace("?", r"\?")):
        build_model(*arguments)
