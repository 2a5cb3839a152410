"""What flows along an edge: ONNX's inference at example sizes, at the place of the edge in the canonical graph."""

from __future__ import annotations

import onnx
import pytest
from onnx import parser

from builders.convert.conversion import Request
from builders.convert.onnx_package import export
from builders.crawl import list_models
from builders.measure.facts import Measurement, measure
from younger_hf.extract import strip


def measured(text: str) -> Measurement:
    return measure(strip(parser.parse_model(text)).SerializeToString())


def flows(found: Measurement) -> set[tuple[str, str, str | None]]:
    names = [operator.op_type for operator in found.graph.operator]
    ends = found.graph.edge_index.T.tolist()
    return {(names[a], names[b], shape) for (a, b), shape in zip(ends, found.shapes, strict=True)}


def test_each_edge_has_the_type_and_shape_of_its_output_slot():
    found = measured("""<ir_version: 10, opset_import: ["": 20]>
        g (float[2, 6] x) => (float[2, 4] y, int64[2, 4] z) {
            k = Constant<value = int64[1] {4}>()
            r = Relu(x)
            a, b = TopK<axis = 1>(r, k)
            y = Sigmoid(a)
            z = Neg(b)
        }""")
    assert flows(found) == {
        ("Relu", "TopK", "float[2,6]"),
        ("TopK", "Sigmoid", "float[2,4]"),
        ("TopK", "Neg", "int64[2,4]"),
    }


def test_open_dimensions_are_example_sizes():
    found = measured("""<ir_version: 10, opset_import: ["": 20]>
        g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { r = Relu(x) y = Sigmoid(r) }""")
    assert flows(found) == {("Relu", "Sigmoid", "float[1,3,224,224]")}


def test_what_depends_on_values_is_not_known():
    found = measured("""<ir_version: 10, opset_import: ["": 20]>
        g (float[4] x) => (int64[1, N] y) { i = NonZero(x) y = Neg(i) }""")
    assert flows(found) == {("NonZero", "Neg", None)}
    assert found.facts.num_shapes == 0


def test_a_body_s_tensors_have_shapes_and_stand_where_the_edges_are():
    found = measured("""<ir_version: 10, opset_import: ["": 20]>
        g (bool c, float[5] x) => (float[5] y) {
            r = Relu(x)
            y = If (c) <
                then_branch = t () => (float[5] a) { s = Sigmoid(r) a = Tanh(s) },
                else_branch = e () => (float[5] b) { b = Neg(r) }
            >
        }""")
    assert flows(found) == {
        ("Relu", "Sigmoid", "float[5]"),
        ("Relu", "Neg", "float[5]"),
        ("Sigmoid", "Tanh", "float[5]"),
        ("Tanh", "If", "float[5]"),
        ("Neg", "If", "float[5]"),
    }


@pytest.mark.parametrize("name", ["resnet50", "shufflenet"])
def test_shapes_are_those_that_inference_gives_by_name(name):
    (model,) = list_models(f"onnx-package:{name}")
    skeleton = strip(export(Request(model)).onnx)
    inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    known = {
        proto.name: [dim.dim_value for dim in proto.type.tensor_type.shape.dim] for proto in inferred.graph.value_info
    }
    makers = {name: node.op_type for node in skeleton.graph.node for name in node.output}
    expected = {
        (makers[value], node.op_type, f"float[{','.join(map(str, known[value]))}]")
        for node in skeleton.graph.node
        for value in node.input
        if value in makers
    }
    assert flows(measure(skeleton.SerializeToString())) == expected
