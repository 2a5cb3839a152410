"""What two networks have in common and what not, block by block."""

import io

import numpy as np
import onnx
import pytest
import torch
import torchvision

from younger_hf import diff_models
from younger_hf.extract import strip
from younger_hf.extract.flatten import flatten
from younger_hf.extract.modules import modules_by_metadata, modules_by_name, told_modules
from younger_hf.module_tree import ModuleTree
from younger_hf.recognise.blocks import BlockChange
from younger_hf.recognise.normal import normal_graph, normal_graph_with_modules


def exported(*layers: int) -> onnx.ModelProto:
    """A ResNet of so many blocks a stage, its modules in the names of its nodes."""
    torch.manual_seed(0)
    network = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [*layers]).eval()
    buffer = io.BytesIO()
    torch.onnx.export(network, (torch.zeros(1, 3, 64, 64),), buffer, dynamo=False, opset_version=17)
    return onnx.load_model_from_string(buffer.getvalue())


@pytest.fixture(scope="module")
def shallow() -> onnx.ModelProto:
    return exported(1, 1, 1, 1)


@pytest.fixture(scope="module")
def deep() -> onnx.ModelProto:
    return exported(1, 3, 1, 1)


def fates(blocks: tuple[BlockChange, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(block.fate, block.path, block.by) for block in blocks]


def test_blocks_that_only_one_network_has_are_added_and_all_others_common(shallow, deep):
    blocks = diff_models(shallow, deep).blocks
    assert fates(blocks) == [
        *[("common", name, name) for name in ("conv1", "relu", "maxpool", "layer1")],
        ("changed", "layer2", "layer2"),
        ("common", "layer2.0", "layer2.0"),
        ("added", None, "layer2.1"),
        ("added", None, "layer2.2"),
        *[("common", name, name) for name in ("layer3", "layer4", "avgpool", "fc")],
    ]
    changed = blocks[4]
    assert (changed.num_nodes, changed.num_common, changed.depth) == ((6, 16), 6, 0)
    assert [block.depth for block in blocks[5:8]] == [1, 1, 1]
    assert {fate for fate, *_ in fates(diff_models(deep, shallow).blocks)} == {"common", "changed", "removed"}


def test_a_block_with_another_operator_is_changed_down_to_the_module_that_is_replaced(shallow):
    other = onnx.ModelProto()
    other.CopyFrom(shallow)
    next(node for node in other.graph.node if node.name == "/layer3/layer3.0/relu/Relu").op_type = "Tanh"
    differing = [entry for entry in fates(diff_models(shallow, other).blocks) if entry[0] != "common"]
    assert differing == [
        ("changed", "layer3", "layer3"),  # which only wraps layer3.0
        ("replaced", "layer3.0.relu", "layer3.0.relu"),
    ]


def test_a_row_with_a_module_tree_is_compared_with_a_file(shallow, deep, tmp_path):
    skeleton = strip(shallow)
    tree = told_modules(flatten(shallow))
    row = {"onnx": skeleton.SerializeToString(), "modules": tree.to_json().decode()}
    onnx.save(deep, tmp_path / "deep.onnx")
    assert diff_models(row, tmp_path / "deep.onnx") == diff_models(shallow, deep)


def test_modules_of_one_network_serve_where_those_of_the_other_are_not_known(shallow, deep):
    found = fates(diff_models(shallow, strip(deep)).blocks)
    assert ("common", "layer3", "layer3") in found
    assert fates(diff_models(strip(deep), deep).blocks)
    assert diff_models(strip(shallow), strip(deep)).blocks == ()


def test_modules_are_carried_into_the_normal_form(shallow):
    graph, tree = normal_graph_with_modules(shallow)
    assert graph.operator == normal_graph(shallow).operator
    assert len(tree.node) == graph.num_nodes
    paths = [tree.modules[at].path for at in tree.node]
    # The normalisation that follows a Conv is folded into it; the Conv stays where it was.
    convolutions = {paths[at] for at, each in enumerate(graph.operator) if each.op_type == "Conv"}
    assert {"conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.downsample.0"} <= convolutions
    assert not any("bn" in path for path in convolutions)
    assert {paths[at] for at, each in enumerate(graph.operator) if each.op_type == "Add"} == {
        f"layer{stage}.0" for stage in range(1, 5)
    }


def test_the_metadata_of_a_file_is_read_without_its_weights(tmp_path, shallow):
    model = onnx.ModelProto()
    model.CopyFrom(shallow)
    for node in model.graph.node:
        path = "/".join(node.name.split("/")[1:-1])
        scopes = ["", path, node.op_type] if path else ["", node.op_type]
        for key, value in (("name_scopes", scopes), ("class_hierarchy", scopes)):
            node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=repr(value))
        node.name = ""
    onnx.save(model, tmp_path / "model.onnx")
    _, tree = normal_graph_with_modules(tmp_path / "model.onnx")
    assert {module.path for module in tree.modules} >= {"", "conv1", "layer1/layer1.0/conv1"}
    assert np.array_equal(normal_graph_with_modules(model)[1].node, tree.node)


def test_names_with_slashes_tell_of_modules():
    names = ["/features/features.0/Conv", "/encoder/layer.0/attention/MatMul_1", "Relu_7", "/Flatten"]
    tree = modules_by_name(names)
    assert [tree.modules[at].path for at in tree.node] == ["features.0", "encoder.layer.0.attention", "", ""]
    assert modules_by_name(["Conv_0", "Relu_1"]) is None


def test_metadata_that_is_no_list_tells_of_nothing():
    entry = {"pkg.torch.onnx.name_scopes": "[" * 500, "pkg.torch.onnx.class_hierarchy": "__import__('os')"}
    assert modules_by_metadata([entry, {}]) is None


def test_names_however_deep_are_compared_as_deep_as_makes_sense():
    nodes = [onnx.helper.make_node("Relu", [f"v{at}"], [f"v{at + 1}"], "/".join("a" * (at + 2))) for at in range(100)]
    ends = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in ("v0", "v100")]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.graph.node[-1].op_type = "Tanh"
    assert max(block.depth for block in diff_models(model, other).blocks) <= 64
    assert ModuleTree.from_json(told_modules(flatten(model)).to_json()).modules == told_modules(flatten(model)).modules
