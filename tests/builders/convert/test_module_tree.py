"""Every node of a skeleton knows the module that it came from, by either way of export."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
import torchvision
from onnx import helper

from builders.convert.module_tree import Module, ModuleTree, module_tree, set_modules
from builders.convert.torch import export_module
from younger_hf.extract import extract, strip

WAYS = [("_through_export", 20), ("_through_export", 17), ("_through_torchscript", 20), ("_through_torchscript", 17)]


def weight_shapes(skeleton, op_type):
    """The shape of each such node's weight, in the nodes' own order."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in skeleton.graph.initializer}
    return [shapes[node.input[1]] for node in skeleton.graph.node if node.op_type == op_type]


def exported(way, build, inputs, opset=0):
    """By this way alone."""
    from builders.convert import torch as exporter

    return getattr(exporter, way)(build, inputs, opset or exporter.OPSET)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def resnet(request, tmp_path_factory):
    """resnet18 with its skeleton, as it is read again, and its tree."""
    way, opset = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("export"))
        model = exported(way, torchvision.models.resnet18, lambda _: (torch.rand(1, 3, 64, 64),), opset)
    tree = module_tree(model)
    skeleton = onnx.load_from_string(strip(model).SerializeToString(deterministic=True))
    assert skeleton.opset_import[0].version == opset
    return torchvision.models.resnet18(), skeleton, tree


def test_every_node_has_a_module_that_the_network_has(resnet):
    network, skeleton, tree = resnet
    graph = extract(skeleton)
    assert len(tree.node) == graph.num_nodes
    assert tree.node.min() >= 0
    named = dict(network.named_modules())
    for module in tree.modules:
        assert module.kind == f"{type(named[module.path]).__module__}.{type(named[module.path]).__qualname__}"


@pytest.mark.parametrize(("op_type", "kind"), [("Conv", torch.nn.Conv2d), ("Gemm", torch.nn.Linear)])
def test_the_module_of_a_node_has_its_weight(resnet, op_type, kind):
    network, skeleton, tree = resnet
    named = dict(network.named_modules())
    operators = [operator.op_type for operator in extract(skeleton).operator]
    modules = [named[tree.modules[tree.node[i]].path] for i, name in enumerate(operators) if name == op_type]
    assert [type(module) for module in modules] == [kind] * len(modules)
    assert len(modules) == sum(isinstance(module, kind) for module in named.values())
    # A Linear's weight may lie transposed.
    shapes = weight_shapes(skeleton, op_type)
    assert [sorted(module.weight.shape) for module in modules] == [sorted(shape) for shape in shapes]


def test_a_module_stands_below_the_one_that_called_it(resnet):
    _, _, tree = resnet
    position = {module.path: index for index, module in enumerate(tree.modules)}
    assert tree.modules[0] == Module("", "torchvision.models.resnet.ResNet", -1)
    assert tree.modules[position["layer1.0.conv1"]].parent == position["layer1.0"]
    assert tree.modules[position["layer1.0"]].parent == position["layer1"]
    assert len(position) == len(tree.modules)  # a ReLU that is called twice is one


def test_a_tree_survives_json_and_is_the_same_bytes(resnet):
    _, _, tree = resnet
    text = tree.to_json()
    again = ModuleTree.from_json(text)
    assert again.modules == tree.modules
    assert np.array_equal(again.node, tree.node)
    assert again.to_json() == text


class Private(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = torch.nn.ModuleDict({"john@home": torch.nn.Linear(3, 3), "plain": torch.nn.Linear(3, 3)})

    def forward(self, x):
        return self.parts["plain"](torch.relu(self.parts["john@home"](x)))


class Halves(torch.nn.Module):
    def forward(self, x):
        left, right = x.chunk(2, dim=-1)
        return left * torch.sigmoid(right)


def test_a_split_has_the_module_that_splits():
    network = torch.nn.Sequential(torch.nn.Linear(4, 6), Halves())
    model = exported("_through_export", lambda: network, lambda _: (torch.rand(2, 4),))
    tree = module_tree(model)
    operators = [operator.op_type for operator in extract(strip(model)).operator]
    assert tree.modules[tree.node[operators.index("Split")]].path == "1"


def test_classes_of_others_and_odd_names_are_numbered():
    tree = module_tree(export_module(Private, lambda _: (torch.rand(2, 3),)).onnx)
    linear = "torch.nn.modules.linear.Linear"
    assert tree.modules == (Module("", "#0", -1), Module("parts.#0", linear, 0), Module("parts.plain", linear, 0))


def told(op_type, inputs, outputs, scopes, classes):
    node = helper.make_node(op_type, inputs, outputs)
    set_modules(node, scopes, classes)
    return node


def float_value(name):
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2])


def model_of(nodes, functions=()):
    graph = helper.make_graph(nodes, "g", [float_value("x")], [float_value("z")])
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=10)


def test_the_nodes_of_a_function_have_the_module_of_the_call():
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("local", "F", ["a"], ["c"], body, [helper.make_opsetid("", 20)])
    call = told("F", ["x"], ["y"], ["", "inner"], ["torch.nn.A", "torch.nn.B"])
    call.domain = "local"
    tree = module_tree(model_of([call, helper.make_node("Abs", ["y"], ["z"])], [function]))
    assert tree.node.tolist() == [1, 1, -1]


def test_nodes_that_are_out_of_order_keep_their_modules():
    def named(op_type, inputs, outputs):
        return told(op_type, inputs, outputs, ["", op_type], ["torch.nn.Root", f"torch.nn.{op_type}"])

    branch = helper.make_graph([named("Exp", ["e"], ["f"]), named("Neg", ["y"], ["e"])], "b", [], [float_value("f")])
    choice = named("If", ["c"], ["z"])
    choice.attribute.extend(helper.make_attribute(name, branch) for name in ("then_branch", "else_branch"))
    condition = [named("Not", ["d"], ["c"]), named("IsNaN", ["s"], ["d"]), named("ReduceSum", ["x"], ["s"])]
    model = model_of([choice, *condition, named("Abs", ["x"], ["y"])])
    tree = module_tree(model)
    operators = [operator.op_type for operator in extract(strip(model)).operator]
    assert len(operators) == 9
    assert [tree.modules[position].path for position in tree.node] == operators


def test_a_model_that_tells_of_no_module_has_no_tree():
    assert module_tree(model_of([helper.make_node("Abs", ["x"], ["z"])])) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"modules":[]}',
        b'{"modules":[["","a",0]],"node":[]}',
        b'{"modules":[["","a",-1]],"node":[1]}',
        b'{"modules":[["","a",-1]],"node":[-2]}',
        b'{"modules":[["","a",-1]],"node":["x"]}',
    ],
)
def test_what_is_no_tree_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        ModuleTree.from_json(text)
