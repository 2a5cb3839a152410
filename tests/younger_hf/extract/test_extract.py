"""Extraction by the rules of DESIGN section 3, on models written in ONNX's text form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, parser
from onnx.backend.test.case.node import collect_testcases

from younger_hf.extract import InvalidModelError, extract, node_names, strip
from younger_hf.graph import OperatorGraph
from younger_hf.identity import fingerprint, skeleton_fingerprint


def model(body: str, opset: int = 17, ir_version: int = 8, more: str = "", imports: str = "") -> ModelProto:
    return parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["" : {opset}{imports}]>\n{body}\n{more}')


def attributes(graph: OperatorGraph, op_type: str) -> dict[str, object]:
    (operator,) = {o for o in graph.operator if o.op_type == op_type}
    return dict(json.loads(operator.attributes))


def edges(graph: OperatorGraph) -> set[tuple[str, str, int, int]]:
    """(producer type, consumer type, output slot, input slot) of every edge."""
    names = [operator.type_label for operator in graph.operator]
    ends, slots = graph.edge_index.T.tolist(), graph.edge_slot.T.tolist()
    return {(names[p], names[c], out, into) for (p, c), (out, into) in zip(ends, slots, strict=True)}


def same(*models: ModelProto) -> bool:
    return len({fingerprint(extract(m)) for m in models}) == 1


def conv(attributes: str, weight: str = "float[8,3,3,3] w") -> ModelProto:
    return model(f"g (float[1,3,9,9] x, {weight}) => (float[N,C,H,W] y) {{ t = Relu(x) y = Conv {attributes}(t, w) }}")


# Nodes and edges


def test_using_a_value_twice_makes_two_edges() -> None:
    graph = extract(model("g (float[2] x) => (float[2] y) { t = Relu(x) y = Mul(t, t) }"))
    assert graph.num_edges == 2
    assert edges(graph) == {("Relu", "Mul", 0, 0), ("Relu", "Mul", 0, 1)}


def test_two_outputs_into_one_node_make_two_edges() -> None:
    graph = extract(model("g (float[4] x) => (float[2] y) { a, b = Split(x) y = Add(b, a) }", opset=13))
    assert edges(graph) == {("Split", "Add", 1, 0), ("Split", "Add", 0, 1)}


def test_operand_order_tells_sub_apart() -> None:
    text = "g (float[2] x) => (float[2] y) {{ a = Relu(x) b = Neg(x) y = Sub({}) }}"
    assert not same(model(text.format("a, b")), model(text.format("b, a")))


def test_the_sums_of_one_value_and_of_two_are_told_apart() -> None:
    text = (
        "g (float[2] x, float[2] z) => (float[2] u, float[2] v) {{ s = Relu(x) t = Relu(z) u = Add({}) v = Add({}) }}"
    )
    assert not same(model(text.format("s, s", "t, t")), model(text.format("s, t", "s, t")))


def test_constants_inputs_and_initializers_are_no_nodes() -> None:
    graph = extract(
        model(
            "g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> "
            "{ c = Constant <value_float = 2.0>() t = Mul(x, w) y = Add(t, c) }"
        )
    )
    assert [o.op_type for o in graph.operator] == ["Mul", "Add"]
    assert graph.metadata.num_parameters == 3
    assert graph.metadata.num_inputs == graph.metadata.num_outputs == 1


def test_a_sparse_initializer_is_a_parameter_of_its_dense_shape() -> None:
    m = model("g (float[3,4] x) => (float[3,4] y) { y = Add(x, w) }")
    values = helper.make_tensor("w", TensorProto.FLOAT, [1], [5.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [7])
    m.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3, 4]))
    assert extract(m).metadata.num_parameters == 12


def test_nodes_that_stand_in_no_order_are_sorted() -> None:
    ordered = model("g (float[2] x) => (float[2] y) { a = Relu(x) b = Neg(a) y = Abs(b) }")
    shuffled = ModelProto()
    shuffled.CopyFrom(ordered)
    nodes = list(ordered.graph.node)[::-1]
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    assert same(ordered, shuffled)


@given(st.permutations(range(4)), st.integers(0, 10**6))
def test_renaming_values_and_reordering_nodes_never_changes_the_fingerprint(order: list[int], salt: int) -> None:
    text = "a = Relu(x)|b = Neg(x)|c = Sub(a, b)|y = Conv(c, w)".split("|")
    plain = model(f"g (float[1,3,9,9] x, float[8,3,3,3] w) => (float[N,C,H,W] y) {{ {' '.join(text)} }}")
    renamed = ModelProto()
    renamed.CopyFrom(plain)
    nodes = [plain.graph.node[i] for i in order]
    del renamed.graph.node[:]
    renamed.graph.node.extend(nodes)
    for node in renamed.graph.node:
        node.name = f"node{salt}"
        node.input[:] = [f"{name}{salt}" for name in node.input]
        node.output[:] = [f"{name}{salt}" for name in node.output]
    for value in (*renamed.graph.input, *renamed.graph.output):
        value.name += str(salt)
    assert same(plain, renamed)
    assert skeleton_fingerprint(plain) == skeleton_fingerprint(renamed)


def test_empty_optional_inputs_and_outputs_take_up_their_slots() -> None:
    graph = extract(
        model(
            "g (float[5,1,3] x, float[1,16,3] w, float[1,16,4] r) => (float[1,1,4] y) "
            "{ s = Relu(x) h = Neg(x) , l = LSTM <hidden_size = 4>(s, w, r, , , h) y = Abs(l) }"
        )
    )
    assert edges(graph) == {("Relu", "LSTM", 0, 0), ("Neg", "LSTM", 0, 5), ("LSTM", "Abs", 1, 0)}


def test_a_bias_that_is_a_parameter_is_not_identity() -> None:
    with_bias = model(
        "g (float[1,3,9,9] x, float[8,3,3,3] w, float[8] b) => (float[N] y) { t = Relu(x) y = Conv(t, w, b) }"
    )
    assert same(conv(""), with_bias)
    assert skeleton_fingerprint(conv("")) != skeleton_fingerprint(with_bias)


# Bodies

IF = """g (bool c, float[2] x) => (float[2] y) {
    a = Relu(x) b = Neg(x)
    y = If (c) <then_branch = t () => (float[2] u) { u = Abs(a) }, else_branch = e () => (float[2] u) { u = Ceil(b) }>
}"""


def test_both_branches_of_an_if_are_linked_to_what_they_capture_and_to_their_owner() -> None:
    graph = extract(model(IF))
    assert edges(graph) == {
        ("Relu", "Abs", 0, 0),
        ("Neg", "Ceil", 0, 0),
        ("Ceil", "If", 0, 1),  # after If's own input, else_branch before then_branch
        ("Abs", "If", 0, 2),
    }
    owner = [o.op_type for o in graph.operator].index("If")
    owned = {graph.operator[i].op_type for i in np.flatnonzero(graph.scope == owner)}
    assert owned == {"Abs", "Ceil"}
    assert json.loads(graph.operator[owner].attributes) == {"else_branch": "graph", "then_branch": "graph"}


def loop(operands: str) -> ModelProto:
    return model(
        f"""g (int64 n, bool c, float[2] x, float[2] z) => (float[2] u, float[2] v, float[N,2] w) {{
        p = Relu(x) q = Neg(z)
        u, v, w = Loop (n, c, p, q) <body = b (int64 i, bool k, float[2] s, float[2] t) =>
            (bool k, float[2] s2, float[2] t, float[2] d) {{ d = Sub({operands}) s2 = Abs(s) }}>
    }}"""
    )


def test_the_carried_values_of_a_loop_are_linked_from_its_third_input_on() -> None:
    assert edges(extract(loop("s, t"))) == {
        ("Relu", "Loop", 0, 2),
        ("Neg", "Loop", 0, 3),
        ("Relu", "Sub", 0, 0),
        ("Neg", "Sub", 0, 1),
        ("Relu", "Abs", 0, 0),
        ("Abs", "Loop", 0, 5),  # outputs k and t are formal inputs and take up slots 4 and 6
        ("Sub", "Loop", 0, 7),
    }


def test_loop_bodies_that_subtract_in_either_order_differ() -> None:
    assert not same(loop("s, t"), loop("t, s"))


@pytest.mark.parametrize(("opset", "first"), [(8, '""'), (11, "")])
def test_scan_hands_in_states_and_scanned_inputs_in_order(opset: int, first: str) -> None:
    inputs = ", ".join(filter(None, [first, "p", "q"]))
    graph = extract(
        model(
            f"""g (float[2] x, float[3,2] z) => (float[2] u, float[3,2] v) {{
            p = Relu(x) q = Neg(z)
            u, v = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] e) => (float[2] r, float[2] o)
                {{ r = Sub(s, e) o = Abs(r) }}> ({inputs})
        }}""",
            opset=opset,
        )
    )
    shift = 1 if first else 0
    assert edges(graph) == {
        ("Relu", "Scan", 0, shift),
        ("Neg", "Scan", 0, shift + 1),
        ("Relu", "Sub", 0, 0),
        ("Neg", "Sub", 0, 1),
        ("Sub", "Abs", 0, 0),
        ("Sub", "Scan", 0, shift + 2),
        ("Abs", "Scan", 0, shift + 3),
    }


# Functions

FUNCTION = (
    '<opset_import: ["" : {opset}], domain: "local"> f <alpha> (a) => (b) '
    "{{ c = Elu <alpha: float = @alpha> (a) b = Softmax(c) }}"
)


def call(opset: int = 17, alpha: str = "<alpha = 2.0>") -> ModelProto:
    text = f"g (float[2] x) => (float[2] y) {{ t = Relu(x) u = local.f {alpha} (t) y = Neg(u) }}"
    return model(text, more=FUNCTION.format(opset=opset), imports=', "local" : 1')


def test_local_functions_are_inlined_with_the_attributes_of_the_call() -> None:
    inlined = model(
        "g (float[2] x) => (float[2] y) { t = Relu(x) c = Elu <alpha = 2.0> (t) u = Softmax(c) y = Neg(u) }"
    )
    assert same(call(), inlined)
    assert skeleton_fingerprint(call()) == skeleton_fingerprint(inlined)
    assert not same(call(alpha="<alpha = 3.0>"), inlined)


def test_a_function_that_imports_another_opset_keeps_it() -> None:
    graph = extract(call(opset=11))
    assert attributes(graph, "Softmax") == {"axis": 1, "since_version": 1}
    skeleton = strip(call(opset=11))
    assert fingerprint(extract(skeleton)) == fingerprint(graph)
    assert not same(call(opset=11), call(opset=17))


def test_functions_that_call_each_other_in_a_circle_are_refused() -> None:
    body = '<opset_import: ["" : 17, "local" : 1], domain: "local"> f (a) => (b) { b = local.f(a) }'
    m = model("g (float[2] x) => (float[2] y) { y = local.f(x) }", more=body, imports=', "local" : 1')
    with pytest.raises(InvalidModelError, match="function 'f' calls itself"):
        extract(m)


def test_functions_that_would_inline_to_millions_of_nodes_are_refused_at_once() -> None:
    last = '<opset_import: ["" : 17], domain: "local"> f0 (a) => (b) { b = Relu(a) }'
    more = [last] + [
        f'<opset_import: ["local" : 1], domain: "local"> f{i} (a) => (c) '
        f"{{ b = local.f{i - 1}(a) c = local.f{i - 1}(b) }}"
        for i in range(1, 40)
    ]
    m = model("g (float[2] x) => (float[2] y) { y = local.f39(x) }", more="\n".join(more), imports=', "local" : 1')
    with pytest.raises(InvalidModelError, match=f"{2**39} nodes"):
        extract(m)


# Attributes


def test_four_spellings_of_one_convolution_are_equal() -> None:
    spellings = [
        "",
        "<strides = [1, 1]>",
        "<dilations = [1, 1], pads = [0, 0, 0, 0], group = 1>",
        '<kernel_shape = [3, 3], auto_pad = "NOTSET", strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0]>',
    ]
    assert same(*map(conv, spellings))
    assert not same(conv(""), conv("<strides = [2, 2]>"))
    assert not same(conv(""), conv("", "float[8,3,5,5] w"))


@pytest.mark.parametrize(
    ("op", "opset", "expected"),
    [
        ("Softmax", 11, {"axis": 1, "since_version": 1}),
        ("Softmax", 13, {"axis": -1, "since_version": 13}),
        ("LogSoftmax", 12, {"axis": 1, "since_version": 1}),
        ("Hardmax", 13, {"axis": -1, "since_version": 13}),
        ("Unsqueeze <axes = [0, 2]>", 11, {"axes": [0, 2]}),
        ("ConstantOfShape", 17, {"value": {"element": "FLOAT", "shape": [1], "value": 0.0}}),
        ("Elu <alpha = 0.1>", 17, {"alpha": 0.1}),
        ("Transpose <perm = [2, 1, 0]>", 17, {}),
        ("Transpose <perm = [0, 2, 1]>", 17, {"perm": [0, 2, 1]}),
        ("Relu <undeclared = 3>", 17, {}),
        (
            "MaxPool <kernel_shape = [2, 2]>",
            8,
            {"auto_pad": "NOTSET", "kernel_shape": [2, 2], "pads": [0] * 4, "storage_order": 0, "strides": [1, 1]},
        ),
    ],
)
def test_attributes_are_completed_at_the_models_own_opset(op: str, opset: int, expected: dict[str, object]) -> None:
    graph = extract(model(f"g (float[2,2,2] x) => (float[N] y) {{ t = Abs(x) y = {op} (t) }}", opset=opset))
    assert attributes(graph, op.split()[0]) == expected


@pytest.mark.parametrize(("op", "opset", "default"), [("Softmax", 11, "axis = 1"), ("Softmax", 13, "axis = -1")])
def test_an_explicit_default_and_an_omitted_one_are_equal(op: str, opset: int, default: str) -> None:
    text = "g (float[2] x) => (float[2] y) {{ t = Relu(x) y = {op} {attributes} (t) }}"
    assert same(*(model(text.format(op=op, attributes=a), opset=opset) for a in ("", f"<{default}>")))


def test_data_in_attributes_is_denied() -> None:
    secret = "SECRET0123456789"
    node = helper.make_node(
        "TfIdfVectorizer",
        ["t"],
        ["y"],
        mode="TF",
        max_gram_length=1,
        max_skip_count=0,
        min_gram_length=1,
        ngram_counts=[0],
        ngram_indexes=[0],
        pool_strings=[secret],
        weights=[0.123456],
    )
    before = helper.make_node("Identity", ["x"], ["t"])
    x, y = (helper.make_tensor_value_info(n, t, [1]) for n, t in (("x", TensorProto.STRING), ("y", TensorProto.FLOAT)))
    m = helper.make_model(helper.make_graph([before, node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])
    graph = extract(m)
    assert attributes(graph, "TfIdfVectorizer").keys() == {
        "mode",
        "max_gram_length",
        "max_skip_count",
        "min_gram_length",
    }
    assert secret.encode() not in strip(m).SerializeToString()


def test_long_lists_and_strings_become_type_and_length() -> None:
    node = helper.make_node("Upsample", ["t"], ["y"], mode="m" * 65, scales=[1.0] * 65)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["t"]), node], "g", [x], [y])
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)])
    assert attributes(extract(m), "Upsample") == {
        "mode": {"length": 65, "type": "STRING"},
        "scales": {"length": 65, "type": "FLOATS"},
    }
    assert fingerprint(extract(strip(m))) == fingerprint(extract(m))


def foreign(domain: str, op_type: str, **given: object) -> OperatorGraph:
    node = helper.make_node(op_type, ["t"], ["y"], domain=domain, **given)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["t"]), node], "g", [x], [y])
    return extract(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)])
    )


def test_other_domains_keep_attribute_types_and_no_names() -> None:
    graph = foreign("my.ops", "Magic", secret_name=3, other=[1.0])
    assert graph.operator[1].label == 'my.ops::Magic{"attributes":["FLOATS","INT"]}'
    assert foreign("my.ops", "a name with spaces").operator[1].op_type == "Unnamed"
    assert foreign("user@example.org", "Magic").operator[1].domain == "unnamed"


def test_onnx_ml_keeps_names_and_types() -> None:
    graph = foreign("ai.onnx.ml", "Scaler", offset=[0.25], scale=[3.5])
    assert graph.operator[1].label == 'ai.onnx.ml::Scaler{"offset":"FLOATS","scale":"FLOATS"}'


def test_com_microsoft_keeps_an_allow_list() -> None:
    graph = foreign("com.microsoft", "Attention", num_heads=12, unidirectional=1, note="free text")
    assert graph.operator[1].label == 'com.microsoft::Attention{"num_heads":12,"unidirectional":1}'


@pytest.mark.parametrize("ir_version", range(3, 12))
def test_any_file_version_from_3_on_extracts(ir_version: int) -> None:
    m = model("g (float[1,3,9,9] x) => (float[N] y) { t = Relu(x) y = Conv(t, w) }", ir_version=ir_version)
    m.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8, 3, 3, 3]))
    if ir_version < 4:
        m.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [8, 3, 3, 3]))
    graph = extract(m)
    assert graph.metadata.num_inputs == 1
    assert graph.metadata.num_parameters == 8 * 27
    assert same(m, conv(""))


# Refusals


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{ y = Relu(y) }", "cycle, through a Relu node"),
        ("{ t = Relu(z) y = Neg(t) }", "nothing makes the value 'z'"),
        ("{ y = Relu(x) y = Neg(x) }", "two nodes or inputs make the value 'y'"),
        ("{ a = Add(x, b) b = Neg(a) y = Abs(b) }", "cycle, through a"),
    ],
)
def test_unsound_models_are_refused(body: str, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        extract(model(f"g (float[2] x) => (float[2] y) {body}"))


@pytest.mark.parametrize("opset", [-1, 0, 2**62])
def test_absurd_opsets_are_read_as_the_first_or_the_newest(opset: int) -> None:
    m = model("g (float[2] x) => (float[2] y) { t = Relu(x) y = Softmax(t) }")
    m.opset_import[0].version = opset
    assert attributes(extract(m), "Softmax")["axis"] == (-1 if opset > 1 else 1)


def test_absurd_parameter_shapes_are_refused() -> None:
    m = model("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    m.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**40, 2**40]))
    with pytest.raises(InvalidModelError, match="parameters"):
        extract(m)


# Every model that ONNX tests its operators with


@pytest.fixture(scope="session")
def node_models() -> dict[str, ModelProto]:
    return {case.name: case.model for case in collect_testcases(None) if case.model is not None}


def test_every_node_model_of_onnx_extracts_and_survives_its_skeleton(node_models: dict[str, ModelProto]) -> None:
    assert len(node_models) > 1000
    for name, m in node_models.items():
        graph, skeleton = extract(m), strip(m)
        again = extract(skeleton)
        assert fingerprint(again) == fingerprint(graph), name
        assert skeleton_fingerprint(skeleton) == skeleton_fingerprint(m), name
        assert again.metadata.num_parameters == graph.metadata.num_parameters, name
        assert strip(skeleton).SerializeToString(deterministic=True) == skeleton.SerializeToString(deterministic=True)


def test_a_path_is_read_weightlessly(tmp_path: Path) -> None:
    onnx.save(conv(""), tmp_path / "conv.onnx")
    assert extract(tmp_path / "conv.onnx") == extract(conv(""))


NAMES = """
<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
named (float[4] x) => (float[4] y) {
    a = Relu(x)
    b = local.twice(a)
    y = Neg(b)
}
<domain: "local", opset_import: ["" : 17]>
twice (x) => (y) { h = Abs(x) y = Exp(h) }
"""


def test_nodes_have_the_names_that_the_model_gives_them_or_those_of_their_outputs():
    model = parser.parse_model(NAMES)
    assert node_names(model) == ["a", "b/h", "b/y", "y"]
    for name, node in zip(("/act/Relu", "/block", "/act/Neg"), model.graph.node, strict=True):
        node.name = name
    assert node_names(model) == ["/act/Relu", "/block/h", "/block/y", "/act/Neg"]
    assert [o.op_type for o in extract(model).operator] == ["Relu", "Abs", "Exp", "Neg"]


def test_a_tensor_or_input_without_a_name_feeds_no_slot_that_is_left_out() -> None:
    unnamed = helper.make_tensor("", TensorProto.FLOAT, [1], [1.0])
    nothing = helper.make_tensor_value_info("", TensorProto.FLOAT, [1])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    node = helper.make_node("Clip", ["x", "", "x"], ["y"])
    plain = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    odd = helper.make_model(helper.make_graph([node], "g", [x, nothing], [y], [unnamed]))
    assert extract(odd) == extract(plain)
    assert strip(odd).graph.node == strip(plain).graph.node
