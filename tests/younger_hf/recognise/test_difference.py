"""What two models have in common and what not, on the zoo models that the onnx package has."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from younger_hf import diff_models
from younger_hf.graph import OperatorGraph
from younger_hf.recognise.alignment import align
from younger_hf.recognise.normal import normal_graph

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def zoo(name: str) -> onnx.ModelProto:
    return onnx.load(LIGHT / f"light_{name}.onnx")


@pytest.fixture(scope="module")
def squeezenet() -> OperatorGraph:
    return normal_graph(zoo("squeezenet"))


def with_replaced(name: str, old: str, new: str) -> onnx.ModelProto:
    model = zoo(name)
    for node in model.graph.node:
        if node.op_type == old:
            node.op_type = new
    return model


def test_a_graph_is_aligned_with_itself_node_by_node(squeezenet):
    assert align(squeezenet, squeezenet).tolist() == list(range(squeezenet.num_nodes))


def test_a_model_and_itself_are_the_same():
    difference = diff_models(zoo("squeezenet"), zoo("squeezenet"))
    assert difference.same
    assert (difference.num_common,) * 2 == difference.num_nodes
    assert difference.replaced == difference.removed == difference.added == ()


def test_another_activation_is_said_to_replace_it_wherever_it_stands():
    difference = diff_models(zoo("squeezenet"), with_replaced("squeezenet", "Relu", "Tanh"))
    (change,) = difference.replaced
    assert str(change) == "Relu -> Tanh"
    assert change.count == len(change.nodes) == 26
    assert difference.num_common == difference.num_nodes[0] - 26
    assert not difference.same
    assert difference.removed == difference.added == ()


def test_an_attribute_that_differs_is_named():
    other = zoo("squeezenet")
    first = next(node for node in other.graph.node if node.op_type == "Conv")
    next(attribute for attribute in first.attribute if attribute.name == "strides").ints[:] = [1, 1]
    (change,) = diff_models(zoo("squeezenet"), other).replaced
    assert str(change) == "Conv (strides [2,2] -> [1,1])"


def test_what_the_larger_of_a_family_has_besides_is_added_and_nothing_else():
    """VGG19 is VGG16 with three more layers; here both are cut out of VGG19."""
    larger, smaller = zoo("vgg19"), zoo("vgg19")
    nodes = smaller.graph.node
    at = next(at for at, node in enumerate(nodes) if node.op_type == "Relu" and nodes[at + 1].op_type == "Conv")
    nodes[at + 3].input[0] = nodes[at].output[0]
    del nodes[at + 1 : at + 3]
    difference = diff_models(smaller, larger)
    assert sorted((str(change), change.count) for change in difference.added) == [("Conv", 1), ("Relu", 1)]
    assert difference.replaced == difference.removed == ()
    assert difference.num_common == difference.num_nodes[0]


def test_every_node_is_common_replaced_removed_or_added():
    one, other = normal_graph(zoo("resnet50")), normal_graph(zoo("densenet121"))
    there = align(one, other)
    matched = there[there >= 0]
    assert len(np.unique(matched)) == len(matched)
    difference = diff_models(zoo("resnet50"), zoo("densenet121"))
    counts = {
        title: sum(change.count for change in getattr(difference, title)) for title in ("replaced", "removed", "added")
    }
    assert difference.num_nodes[0] == difference.num_common + counts["replaced"] + counts["removed"]
    assert difference.num_nodes[1] == difference.num_common + counts["replaced"] + counts["added"]
