"""What is measured on a skeleton."""

from __future__ import annotations

import numpy as np
import onnx.helper
import onnx.parser
import pytest

from builders.measure.facts import count_types, measure
from younger_hf.extract import extract, strip
from younger_hf.extract.errors import InvalidModelError
from younger_hf.identity import skeleton_fingerprint

TWINS = """
<ir_version: 8, opset_import: ["" : 17]>
twins (float[4] x) => (float[4] a, float[4] b) { y = Relu(x) a = Neg(y) b = Neg(y) }
"""
DISTINCT = TWINS.replace("b = Neg(y)", "b = Abs(y)")
CROSSED = TWINS.replace("y = Relu(x) a = Neg(y) b = Neg(y)", "s = Relu(x) t = Relu(x) a = Sub(s, t) b = Sub(t, s)")


def skeleton(text: str) -> bytes:
    return bytes(strip(onnx.parser.parse_model(text)).SerializeToString(deterministic=True))


def test_only_a_graph_that_is_tied_within_itself_needs_a_search() -> None:
    assert measure(skeleton(DISTINCT)).facts.num_searched == 0
    assert measure(skeleton(TWINS)).facts.num_searched == 0
    assert measure(skeleton(CROSSED)).facts.num_searched > 0


SECRET = b"ada@example.org"

IN_BODIES_AND_FUNCTIONS = """
<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
g (float[1,3,9] x, bool c, float[4] s) => (float[N,M,K] y) {
    a = local.norm(x)
    b = If(c) <then_branch = t () => (o) { h = Abs(a) o = Neg(h) }, else_branch = e () => (o) { o = Resize(a, , s) }>
    p = Constant <value_ints = [0, 0, 1, 1, 0, 0]>()
    y = Pad <mode = "reflect"> (b, p)
}
<domain: "local", opset_import: ["" : 11]>
norm (x) => (y) { h = Softmax(x) y = Exp(h) }
"""


def as_an_earlier_version_made_it(text: str) -> bytes:
    """A skeleton with what these rules no longer keep: the text of a Pad, and floats that are data as well."""
    old = strip(onnx.parser.parse_model(text))
    (pad,) = (node for node in old.graph.node if node.op_type == "Pad")
    (mode,) = (attribute for attribute in pad.attribute if attribute.name == "mode")
    mode.s = SECRET
    weights = onnx.helper.make_tensor("c9", onnx.TensorProto.FLOAT, [4], [0.25, 0.5, 0.75, 1.0])
    old.graph.initializer.append(weights)
    old.graph.node.append(onnx.helper.make_node("Resize", [pad.output[0], "", "c9"], ["v90"]))
    old.graph.node.append(onnx.helper.make_node("Mul", ["v90", "c9"], ["v91"]))
    return bytes(old.SerializeToString(deterministic=True))


def test_a_skeleton_of_an_earlier_version_is_stripped_by_the_rules_of_the_day() -> None:
    old = as_an_earlier_version_made_it(IN_BODIES_AND_FUNCTIONS)
    assert SECRET in old
    measured = measure(old)
    assert SECRET not in measured.skeleton
    model = onnx.load_model_from_string(measured.skeleton)
    assert not any(tensor.raw_data for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    assert strip(model).SerializeToString(deterministic=True) == measured.skeleton
    assert measured.facts.skeleton.fingerprint == skeleton_fingerprint(model)
    assert measured.facts == measure(measured.skeleton).facts


def test_stripping_again_leaves_each_node_in_its_place_as_module_trees_need_it() -> None:
    old = onnx.load_model_from_string(as_an_earlier_version_made_it(IN_BODIES_AND_FUNCTIONS))
    new = onnx.load_model_from_string(measure(old.SerializeToString(deterministic=True)).skeleton)
    assert [o.type_label for o in extract(old).operator] == [o.type_label for o in extract(new).operator]
    assert np.array_equal(extract(old).edge_index, extract(new).edge_index)


def test_what_is_no_skeleton_is_refused() -> None:
    with pytest.raises(InvalidModelError):
        measure(b"this is no model")


def test_types_are_counted_most_frequent_first() -> None:
    variants = {'Conv{"group":1}': 1, 'Conv{"group":8}': 5, "Relu{}": 3, "com.microsoft::Gelu{}": 2, "Add{}": 3}
    counted = [("Conv", 6), ("Add", 3), ("Relu", 3), ("com.microsoft::Gelu", 2)]
    assert list(count_types(variants).items()) == counted
