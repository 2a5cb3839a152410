"""What is measured on a skeleton."""

from __future__ import annotations

import onnx.parser
import pytest

from builders.measure.facts import count_types, measure
from younger_hf.extract import strip
from younger_hf.extract.errors import InvalidModelError

TWINS = """
<ir_version: 8, opset_import: ["" : 17]>
twins (float[4] x) => (float[4] a, float[4] b) { y = Relu(x) a = Neg(y) b = Neg(y) }
"""
DISTINCT = TWINS.replace("b = Neg(y)", "b = Abs(y)")


def skeleton(text: str) -> bytes:
    return bytes(strip(onnx.parser.parse_model(text)).SerializeToString(deterministic=True))


def test_a_graph_whose_nodes_colours_tell_apart_needs_no_search_and_one_with_twins_does() -> None:
    assert measure(skeleton(DISTINCT)).facts.num_searched == 0
    assert measure(skeleton(TWINS)).facts.num_searched > 0


def test_what_is_no_skeleton_is_refused() -> None:
    with pytest.raises(InvalidModelError):
        measure(b"this is no model")


def test_types_are_counted_most_frequent_first() -> None:
    variants = {'Conv{"group":1}': 1, 'Conv{"group":8}': 5, "Relu{}": 3, "com.microsoft::Gelu{}": 2, "Add{}": 3}
    counted = [("Conv", 6), ("Add", 3), ("Relu", 3), ("com.microsoft::Gelu", 2)]
    assert list(count_types(variants).items()) == counted
