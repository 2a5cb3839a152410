"""The models are the paper's, layer by layer, and compute at the target nodes what they compute at all nodes."""

from __future__ import annotations

import networkx
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from younger_hf import YoungerError
from younger_hf.recipes.models import build_model
from younger_hf.recipes.models.convolutions import convolve, look_alikes, receptive_field, spread
from younger_hf.recipes.models.dag_transformer import depths, paths
from younger_hf.recipes.recipe import RECIPES, find_recipe

MODELS = {name: find_recipe(name).config.models for name in RECIPES.names}


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
@pytest.mark.parametrize("rows", [None, torch.arange(20) % 7], ids=["own-rows", "shared-rows"])
def test_convolve_is_the_layer_itself_in_value_and_gradient(conv, targets, rows):
    torch.manual_seed(0)
    edge_index = torch.cat((torch.randint(20, (2, 70)), torch.tensor([[4, 4, 9], [4, 4, 9]])), dim=1)

    def plain(conv, x, edge_index, targets, rows):
        out = conv(x if rows is None else x[rows], edge_index)
        return out if targets is None else out[targets]

    results = []
    for layer in (convolve, plain):
        conv.zero_grad()
        x = torch.randn(20 if rows is None else 7, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = layer(conv, x, edge_index, targets, rows)
        out.square().sum().backward()
        results.append([out, x.grad, *(parameter.grad.clone() for parameter in conv.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_nodes_are_alike_that_refinement_cannot_tell_apart(depth):
    torch.manual_seed(0)
    x, edge_index, _, _ = random_graph(300, 330, 3)
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    producers = [edge_index[0, edge_index[1] == node].tolist() for node in range(300)]
    seen = [(operator, len(into)) for operator, into in zip(x.tolist(), producers, strict=True)]
    for _ in range(depth):
        seen = [(seen[node], tuple(sorted(seen[other] for other in into))) for node, into in enumerate(producers)]
    first, classes = look_alikes(x, edge_index, depth)
    assert len(first) == len(set(seen)) < 300
    assert [seen[first[number]] for number in classes] == seen
    assert [seen.index(seen[node]) for node in first] == first.tolist()


def test_no_nodes_are_no_classes():
    first, classes = look_alikes(torch.empty(0, dtype=torch.int64), torch.empty((2, 0), dtype=torch.int64), 1)
    assert len(first) == len(classes) == 0


@pytest.mark.parametrize("name", ["gcn", "gat", "sage"])
def test_what_is_computed_once_for_nodes_that_are_alike_is_what_the_layers_give(name):
    torch.manual_seed(0)
    x, edge_index, edge_attr, _ = random_graph(60, 90, 4)
    encoder = build_model("dataflow", name, 4).eval().encoder
    plain = encoder.conv2(encoder.conv1(encoder.embedding(x), edge_index).relu(), edge_index)
    torch.testing.assert_close(encoder(x, edge_index, edge_attr), plain)


@pytest.mark.parametrize("name", ["gae", "vgae"])
def test_an_autoencoder_computes_what_its_layers_give_in_value_and_gradient(name):
    torch.manual_seed(0)
    model = build_model("operator", name, 4)
    x, edge_index, _, _ = random_graph(60, 90, 4)
    encoder = model.autoencoder.encoder
    results = []
    for outputs in (
        encoder(x, edge_index),
        tuple(head(encoder.conv1(encoder.embedding(x), edge_index).relu(), edge_index) for head in encoder.heads),
    ):
        out = torch.stack(outputs if isinstance(outputs, tuple) else (outputs,)).flatten()
        results.append([out, *torch.autograd.grad(out.square().sum(), list(encoder.parameters()))])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs.reshape(ours.shape))


class Sizes(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


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
    directed = build_model("dataflow", name, 40, decoder="directed").eval()
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


def test_in_both_directions_a_layer_is_the_mean_of_two():
    torch.manual_seed(0)
    x, edge_index, edge_attr, targets = random_graph(60, 150, 40)
    model = build_model("operator", "dir-sage", 40).eval()
    back = edge_index.flip(0)
    hidden = (model.conv1(model.embedding(x), edge_index) + model.reverse1(model.embedding(x), back)) / 2
    hidden = hidden.relu()
    out = (model.conv2(hidden, edge_index) + model.reverse2(hidden, back)) / 2
    torch.testing.assert_close(model(x, edge_index, edge_attr, targets), out[targets])


@pytest.mark.parametrize(
    ("model", "options", "blind_to"),
    [
        ("sage", {}, {"after", "slots"}),
        ("dir-sage", {}, {"slots"}),
        ("gine", {}, set()),
        ("gine", {"direction": "forward"}, {"after"}),
        ("gine", {"slots": False}, {"slots"}),
        ("gine", {"layers": 1}, {"far"}),
        ("gine", {"norm": False, "residual": False}, set()),
        ("dag-transformer", {}, set()),
        ("dag-transformer", {"layers": 1}, set()),
        ("dag-transformer", {"direction": "forward"}, {"after"}),
        ("dag-transformer", {"slots": False}, {"slots"}),
    ],
)
def test_what_a_model_sees_is_what_its_options_say(model, options, blind_to):
    """Of a chain 0 -> 1 -> 2 -> 3 it is asked about node 1."""
    torch.manual_seed(0)
    built = build_model("operator", model, 40, **options).eval()
    chain, target = torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([1])
    no_slots = torch.zeros(3, 2, dtype=torch.int64)
    slots = torch.tensor([[0, 0], [0, 1], [0, 0]]), torch.tensor([[0, 1], [0, 0], [0, 0]])
    logits = built(torch.tensor([4, 5, 6, 7]), chain, no_slots, target)
    other = {
        "after": [built(torch.tensor([4, 5, 9, 7]), chain, no_slots, target)],
        "slots": [built(torch.tensor([4, 5, 6, 7]), chain, each, target) for each in slots],
    }
    if blind_to == {"far"}:
        other = {"far": [built(torch.tensor([4, 5, 6, 9]), chain, no_slots, target)]}
    seen = {what for what, each in other.items() if not all(torch.allclose(logits, one) for one in each)}
    assert seen == set(other) - blind_to


def test_gines_layers_and_their_parts_can_be_left_out():
    def parts(**options):
        return {type(module).__name__ for module in build_model("operator", "gine", 40, **options).norms}

    assert len(build_model("operator", "gine", 40, layers=8).convs) == 8
    assert parts() == {"LayerNorm"}
    assert parts(norm=False) == {"Identity"}
    torch.manual_seed(0)
    x, edge_index, edge_attr, _ = random_graph(30, 60, 40)
    adds, replaces = (build_model("operator", "gine", 40, residual=residual).eval() for residual in (True, False))
    replaces.load_state_dict(adds.state_dict())
    assert not torch.allclose(adds(x, edge_index, edge_attr), replaces(x, edge_index, edge_attr))


def test_paths_are_those_of_a_breadth_first_search():
    torch.manual_seed(0)
    _, edge_index, _, _ = random_graph(50, 90, 3)
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    found, hops = paths(edge_index, 50, 4)
    graph = networkx.DiGraph(edge_index.t().tolist())
    wanted = {
        (start, end, length)
        for start, ends in networkx.all_pairs_shortest_path_length(graph, cutoff=4)
        for end, length in ends.items()
        if length > 1
    }
    assert len(wanted) == len(hops) > 50
    assert {(*pair, hop) for pair, hop in zip(found.t().tolist(), hops.tolist(), strict=True)} == wanted
    longest = [networkx.dag_longest_path_length(graph.subgraph({*networkx.ancestors(graph, n), n})) for n in graph]
    assert depths(edge_index, 50)[list(graph)].tolist() == longest


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("dataflo", {"name": "gcn"}, r"no recipe 'dataflo': did you mean dataflow\?"),
        ("dataflow", {"name": "vgae"}, "no model for dataflow 'vgae'"),
        ("dataflow", {"name": "gcn", "layers": 3}, "model gcn has no option layers: leave --layers out"),
        ("dataflow", {"name": "gcn", "decoder": "dott"}, r"no decoder 'dott': did you mean dot\?"),
    ],
)
def test_what_there_is_not_is_named(recipe, settings, message):
    with pytest.raises(YoungerError, match=message):
        build_model(recipe, vocabulary_size=9, **settings)
