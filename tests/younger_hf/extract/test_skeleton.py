"""Skeletons: what is kept, what has no way in, and that nothing of the structure is lost."""

from __future__ import annotations

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, parser
from support.planted import planted_everywhere

from younger_hf.extract import extract, strip
from younger_hf.extract.clear import clear_values
from younger_hf.identity import fingerprint, skeleton_fingerprint


def model(body: str, opset: int = 17) -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{body}')


def kept(m: ModelProto) -> dict[str, list[int]]:
    """The values of the constants that the skeleton keeps."""
    return {t.name: onnx.numpy_helper.to_array(t).tolist() for t in strip(m).graph.initializer if t.raw_data}


def test_a_shape_is_kept_and_a_weight_is_not() -> None:
    m = model(
        "g (float[2,8] x) => (float[4,4] y) "
        "<int64[2] s = {4, 4}, float[2,8] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}>"
        "{ t = Mul(x, w) y = Reshape(t, s) }"
    )
    assert kept(m) == {"c0": [4, 4]}
    (parameter,) = (t for t in strip(m).graph.initializer if not t.raw_data)
    assert (parameter.name, list(parameter.dims), parameter.data_type) == ("p0", [2, 8], TensorProto.FLOAT)


def test_constants_behind_shape_arithmetic_are_kept_up_to_shape() -> None:
    m = model(
        "g (float[N,8] x) => (float[M,K] y) {"
        " i = Constant <value_int = 0>() s = Shape(x) n = Gather(s, i) k = Constant <value_int = 2>() h = Div(n, k)"
        " a = Constant <value_ints = [0]>() u = Unsqueeze(h, a) r = Constant <value_ints = [16]>()"
        " t = Concat <axis = 0> (u, r) y = Reshape(x, t) }"
    )
    assert sorted(map(str, kept(m).values())) == ["0", "2", "[0]", "[16]"]


def test_a_constant_that_reaches_data_alone_is_dropped() -> None:
    m = model("g (int64[4,4] x) => (int64[N] y) { i = Constant <value_ints = [1, 0]>() y = Gather(x, i) }")
    assert kept(m) == {}


@pytest.mark.parametrize(
    "body",
    [
        "{ s = Constant <value_ints = [4, 4]>() t = Reshape(x, s) y = Add(t, s) }",
        "{ y = Constant <value_ints = [4, 4]>() t = Reshape(x, y) }",
    ],
)
def test_a_constant_that_is_a_shape_and_data_is_kept_as_the_one_and_dropped_as_the_other(body: str) -> None:
    m = model(f"g (int64[4,4] x) => (int64[N] y) {body}")
    assert kept(m) == {"c0": [4, 4]}
    names = {t.name for t in strip(m).graph.initializer}
    assert names == {"c0", "p0"}
    used = [name for node in strip(m).graph.node for name in node.input] + [o.name for o in strip(m).graph.output]
    assert used.count("c0") == used.count("p0") == 1


def test_an_integer_of_shape_arithmetic_is_kept_though_its_result_reaches_data_and_a_float_is_not() -> None:
    text = (
        "g (float[N,8] x) => (float[M] y) { s = Shape(x) i = Constant <value_int = 0>() n = Gather(s, i) {CONSTANT}"
        " z = Constant <value_ints = [0]>() u = Unsqueeze(h, z) t = Expand(x, u) f = Cast <to = 1> (h) y = Mul(t, f) }"
    )
    integer = model(text.replace("{CONSTANT}", "k = Constant <value_int = 2>() h = Div(n, k)"))
    assert sorted(map(str, kept(integer).values())) == ["0", "2", "[0]"]
    real = "k = Constant <value_float = 2.0>() c = Cast <to = 1> (n) d = Div(c, k) h = Cast <to = 7> (d)"
    assert sorted(map(str, kept(model(text.replace("{CONSTANT}", real))).values())) == ["0", "[0]"]


FLOATS = "{" + ",".join(f"0.{number}" for number in range(10, 26)) + "}"


@pytest.mark.parametrize(
    "body",
    [
        "{ a = Add(x, w) y = Resize(a, , w) }",
        "{ y = Resize(x, , w) z = LSTM(x, w, w, w) q = Add(y, z) }",
        "{ i = Identity(w) y = Resize(x, , i) q = Add(y, w) }",
        "{ y = Resize(x, , w) i = Identity(w) j = Cast <to = 1> (i) q = Add(y, j) }",
        "{ y = Resize(x, w, w) q = If(c) <then_branch = t () => (o) { o = Mul(x, w) }, "
        "else_branch = e () => (o) { o = Neg(x) }> }",
    ],
)
def test_a_float_that_is_a_parameter_anywhere_is_kept_nowhere(body: str) -> None:
    m = model(f"g (float[N] x, bool c) => (float[M] y) <float[16] w = {FLOATS}> {body}")
    assert kept(m) == {}
    assert skeleton_fingerprint(strip(m)) == skeleton_fingerprint(m)
    assert strip(strip(m)).SerializeToString(deterministic=True) == strip(m).SerializeToString(deterministic=True)
    cleared = ModelProto()
    cleared.CopyFrom(m)
    clear_values(cleared)
    assert not any(tensor.float_data or tensor.raw_data for tensor in cleared.graph.initializer)


def test_the_scales_of_a_resize_alone_are_kept() -> None:
    m = model("g (float[N,M] x) => (float[K,L] y) <float[2] s = {1.0, 2.0}> { t = Relu(x) y = Resize(t, , s) }")
    assert kept(m) == {"c0": [1.0, 2.0]}


CALLED_TWICE = """
<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
g (float[2,2] x) => (float[N,M] y, float[2] z) {
    c = local.two CALL () y = Resize(x, , c)
    d = local.two CALL () z = Exp(d)
}
<domain: "local", opset_import: ["" : 17]>
two TAKES () => (w) { w = Constant <VALUE>() }
"""


@pytest.mark.parametrize(
    ("call", "takes", "value"),
    [("", "", "value_floats = [1.5, 2.5]"), ("<v = [1.5, 2.5]>", "<v>", "value_floats: floats = @v")],
)
def test_the_floats_of_a_function_are_a_parameter_if_they_are_at_any_call(call: str, takes: str, value: str) -> None:
    text = CALLED_TWICE.replace("CALL", call).replace("TAKES", takes).replace("VALUE", value)
    m = parser.parse_model(text)
    assert kept(m) == {}
    assert strip(strip(m)).SerializeToString(deterministic=True) == strip(m).SerializeToString(deterministic=True)


def test_what_shape_reads_is_no_data_use() -> None:
    m = model(
        "g (float[4,4] x) => (float[N,M] y, int64[1] n) {"
        " p = Constant <value_ints = [1, 1, 1, 1]>() y = Pad(x, p) n = Shape(p) }"
    )
    assert kept(m) == {"c0": [1, 1, 1, 1]}


def test_a_node_names_as_many_inputs_as_its_operator_demands() -> None:
    m = model(
        "g (int64 n, float[2] x) => (float[2] y) {"
        " r = Relu(x) y = Loop (n, , r) <body = b (int64 i, bool k, float[2] s) => (bool k, float[2] t) { t = Neg(s) }>"
        " z = Loop (n) <body = c (int64 j, bool q) => (bool q) {}> }"
    )
    assert [list(node.input) for node in strip(m).graph.node] == [["in1"], ["in0", "", "v0"], ["in0", ""]]


def test_which_axis_of_a_shape_is_meant_is_kept_whatever_its_length_is_used_for() -> None:
    m = model(
        "g (float[N,8] x) => (float[M] y) { i = Constant <value_int = 1>() s = Shape(x) n = Gather(s, i)"
        " f = Cast <to = 1> (n) y = Mul(x, f) }"
    )
    assert kept(m) == {"c0": 1}


def test_names_symbols_and_texts_are_replaced() -> None:
    m = model(
        "g (float[batch, 8] image, float[batch, 8] mask) => (float[batch, 8] logits) { logits = Mul(image, mask) }"
    )
    m.doc_string = m.producer_name = m.graph.doc_string = m.graph.node[0].name = "free text"
    m.graph.value_info.append(helper.make_tensor_value_info("free text", TensorProto.FLOAT, ["free text"]))
    skeleton = strip(m)
    assert [v.name for v in skeleton.graph.input] == ["in0", "in1"]
    assert [v.name for v in skeleton.graph.output] == ["v0"]
    assert {
        d.dim_param for v in (*skeleton.graph.input, *skeleton.graph.output) for d in v.type.tensor_type.shape.dim
    } == {
        "d0",
        "",
    }
    assert b"free text" not in skeleton.SerializeToString()


def test_nothing_planted_in_any_field_reaches_the_skeleton_or_the_graph() -> None:
    m, secrets = planted_everywhere()
    data = m.SerializeToString()
    assert len(secrets) > 60
    assert all(secret in data for secret in secrets)
    skeleton, graph = strip(m).SerializeToString(), extract(m)
    labels = "".join(operator.label for operator in graph.operator).encode()
    for secret in secrets:
        assert secret not in skeleton
        assert secret not in labels
    assert fingerprint(extract(strip(m))) == fingerprint(graph)


def test_clearing_keeps_what_the_skeleton_keeps_and_nothing_else() -> None:
    m, _ = planted_everywhere()
    payloads = [t.raw_data for t in m.graph.initializer if t.raw_data]
    before = skeleton_fingerprint(m)
    clear_values(m)
    data = m.SerializeToString()
    assert payloads
    assert not any(payload in data for payload in payloads)
    assert skeleton_fingerprint(m) == before


def test_parameters_in_the_bodies_of_control_flow_have_no_data() -> None:
    body = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["u"])],
        "b",
        [],
        [helper.make_tensor_value_info("u", TensorProto.FLOAT, [2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [2], [1.5, 2.5])],
    )
    m = model("g (float[2] x, bool c) => (float[2] y) { y = Relu(x) }")
    m.graph.node[0].CopyFrom(helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body))
    (node,) = strip(m).graph.node
    names = [t.name for a in node.attribute for t in a.g.initializer]
    assert names == ["p0", "p1"]
    assert not any(t.raw_data or t.float_data for a in node.attribute for t in a.g.initializer)
    assert extract(m).metadata.num_parameters == 4


def test_stripping_twice_gives_the_same_bytes() -> None:
    m, _ = planted_everywhere()
    once = strip(m)
    assert strip(once).SerializeToString(deterministic=True) == once.SerializeToString(deterministic=True)
    assert strip(m).SerializeToString(deterministic=True) == once.SerializeToString(deterministic=True)


@pytest.mark.parametrize("rank", [35, 64])
def test_pads_completed_for_many_axes_survive_stripping(rank: int) -> None:
    x, y, w = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1] * rank) for name in "xyw")
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    m = helper.make_model(helper.make_graph([node], "g", [x, w], [y]), opset_imports=[helper.make_opsetid("", 20)])
    assert extract(strip(m)) == extract(m)
    assert f'"pads":{{"length":{2 * (rank - 2)},"type":"INTS"}}' in extract(m).operator[0].label
