"""The normal form as a whole: what may not show in it, what must, and what it leaves alone."""

import random

import numpy as np
import onnx
import pytest
from execution import assert_same, example_feeds, parse, run, run_network
from onnx.backend.test.case.node import collect_testcases

from younger_hf import normal_fingerprint, normalize, to_onnx
from younger_hf.errors import UsageError, YoungerError
from younger_hf.extract import strip
from younger_hf.recognise import normal
from younger_hf.recognise.fixpoint import rewrite
from younger_hf.recognise.normal import normal_graph, normal_network, raised_network
from younger_hf.recognise.rules.table import RULES
from younger_hf.work import Work, WorkLimitError

from .proofs import MORE

BLOCK = """
<ir_version: 8, opset_import: ["" : {opset}]> g (float[1,4,8,8] x, float[4,4,3,3] pw, float[4] pb, float[4] pvs,
    float[4] pm, float[4] pu, float[4] pvv, float[4,1,1] pt) => (float[] y) {{ {body} }}
"""
WITH_NORM = BLOCK.format(
    opset=18,
    body="a = Conv<pads=[1,1,1,1]>(x, pw, pb) b = BatchNormalization(a, pvs, pu, pm, pvv) c = Relu(b) d = Identity(x) "
    "e = Add(d, c) y = GlobalAveragePool(e)",
)
WITHOUT_NORM = BLOCK.format(
    opset=13,
    body="a = Conv<pads=[1,1,1,1]>(x, pw) b = Add(a, pt) c = Relu(b) e = Add(c, x) y = ReduceMean<axes=[2,3]>(e)",
)


def shuffled(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """The same model with its nodes in another order, other names, and the operands of its Adds exchanged."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = [*copy.graph.node]
    random.Random(seed).shuffle(nodes)
    for node in nodes:
        node.input[:] = [f"{name}_" if name else "" for name in node.input]
        node.output[:] = [f"{name}_" if name else "" for name in node.output]
        if node.op_type == "Add":
            node.input[:] = [*reversed(node.input)]
    for each in (*copy.graph.input, *copy.graph.output, *copy.graph.initializer):
        each.name += "_"
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def test_two_exports_of_one_block_have_one_normal_fingerprint():
    assert normal_fingerprint(parse(WITH_NORM)) == normal_fingerprint(parse(WITHOUT_NORM))


def test_a_block_without_its_activation_is_another():
    assert normal_fingerprint(parse(WITH_NORM)) != normal_fingerprint(parse(WITH_NORM.replace("Relu", "Tanh")))


@pytest.mark.parametrize("text", [WITH_NORM, *MORE.values()], ids=["block", *MORE])
def test_the_order_of_nodes_their_names_and_commutative_operands_do_not_show(text):
    model = parse(text)
    assert {normal_fingerprint(shuffled(model, seed)) for seed in range(4)} == {normal_fingerprint(model)}


def test_a_model_its_skeleton_a_row_and_a_file_have_one_normal_fingerprint(tmp_path):
    model = parse(WITH_NORM)
    onnx.save(model, tmp_path / "model.onnx")
    row = {"onnx": strip(model).SerializeToString()}
    assert len({normal_fingerprint(each) for each in (model, strip(model), row, tmp_path / "model.onnx")}) == 1


@pytest.mark.parametrize("parameters", ["none", "random"])
def test_a_row_made_to_run_has_the_normal_fingerprint_of_the_row(parameters):
    row = {"onnx": strip(parse(WITH_NORM)).SerializeToString()}
    assert normal_fingerprint(to_onnx(row, parameters)) == normal_fingerprint(row)


def test_a_normal_form_is_a_skeleton():
    form = normalize(parse(WITH_NORM))
    assert strip(form).SerializeToString(deterministic=True) == form.SerializeToString(deterministic=True)
    assert not any(tensor.raw_data for tensor in form.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)


def test_a_bias_is_an_optional_parameter():
    linear = (
        '<ir_version: 8, opset_import: ["" : 18]> g (float[2,4] x, float[4,3] pw, float[3] pb) => (float[] y) {{ {} }}'
    )
    with_bias, without = (parse(linear.format(body)) for body in ("y = Gemm(x, pw, pb)", "y = MatMul(x, pw)"))
    assert normal_fingerprint(with_bias) == normal_fingerprint(without)


def test_shape_arithmetic_on_a_symbolic_axis_does_not_show():
    reshape = '<ir_version: 8, opset_import: ["" : 18]> g (float[{},4,6] x) => (float[] y) {{ {} }}'
    computed = reshape.format(
        "N",
        "s = Shape(x) i = Constant<value = int64[1] {0}>() n = Gather(s, i) t = Constant<value = int64[2] {2,12}>() "
        "r = Concat<axis=0>(n, t) a = Reshape(x, r) y = Relu(a)",
    )
    constant = reshape.format("3", "t = Constant<value = int64[3] {3,2,12}>() a = Reshape(x, t) y = Relu(a)")
    assert normal_fingerprint(parse(computed)) == normal_fingerprint(parse(constant))


def test_a_table_of_positions_is_one_whether_or_not_the_length_is_known():
    table = '<ir_version: 8, opset_import: ["" : 18]> g (float[1,{},4] x, float[1,9,4] pt) => (float[] y) {{ {} }}'
    cut = table.format(
        "N",
        "z = Constant<value = int64[1] {0}>() o = Constant<value = int64[1] {1}>() "
        "t = Constant<value = int64[1] {2}>() s = Shape(x) n = Slice(s, o, t) "
        "p = Slice(pt, z, n, o) a = Add(x, p) y = Relu(a)",
    )
    assert normal_fingerprint(parse(cut)) == normal_fingerprint(parse(table.format(9, "a = Add(x, pt) y = Relu(a)")))


@pytest.mark.parametrize("part", range(2))
def test_onnx_own_node_models_give_the_outputs_that_they_gave(part):
    """Every 14th: control flow, quantisation, strings, every operator of every domain."""
    compared = 0
    with np.errstate(all="ignore"):
        cases = sorted(collect_testcases(None), key=lambda case: case.name)
    for case in cases[part * 7 :: 28]:
        model = case.model
        network = normal_network(model)
        assert normalize(normalize(model)) == normalize(model), case.name
        if any(node.opset != 24 and not node.operator.domain for node in network.nodes()):
            continue  # what has no counterpart in the normal form's opset is left as it was
        if not _is_plain(model):
            continue
        feeds = [np.asarray(value) for value in case.data_sets[0][0]]
        try:
            before = run(model, feeds)
        except Exception:
            continue  # ONNX Runtime does not have it
        after = run_network(network, feeds)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3, err_msg=case.name)
        compared += 1
    assert compared > 20


def _is_plain(model: onnx.ModelProto) -> bool:
    """Whether nothing in it is dropped by every skeleton, random, or of a type that only newer operators have."""
    dropped = {"StringNormalizer", "TfIdfVectorizer", "RegexFullMatch", "StringSplit", "Dropout", "Mod", "BitShift"}
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    numeric = all(each.type.tensor_type.elem_type in (1, 7, 9) for each in (*model.graph.input, *model.graph.output))
    return (
        numeric
        and opset <= 24
        and not any(node.op_type in dropped or node.domain == "ai.onnx.ml" for node in model.graph.node)
    )


def test_an_unknown_opset_and_a_custom_domain_are_left_as_they_are():
    model = parse(WITH_NORM)
    model.opset_import[0].version = 9999
    model.opset_import.append(onnx.helper.make_opsetid("my.own", 3))
    model.graph.node[-1].domain = "my.own"
    assert normal_graph(model).operator_counts()["my.own::GlobalAveragePool"] == 1


def test_the_visits_grow_with_the_model():
    """A chain of any length collapses in the same few sweeps."""

    def chain(length: int) -> onnx.ModelProto:
        nodes = [onnx.helper.make_node("Identity", [f"v{i}"], [f"v{i + 1}"]) for i in range(length)]
        nodes.append(onnx.helper.make_node("Relu", [f"v{length}"], ["y"]))
        ends = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in ("v0", "y")]
        graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])

    assert [len(normalize(chain(length)).graph.node) for length in (10, 3000)] == [1, 1]


def test_a_model_that_takes_too_much_work_is_left_as_it_is_in_one_opset(monkeypatch):
    model = parse(MORE["opset 9"])
    monkeypatch.setattr(normal, "budget", lambda _network: Work(10))
    form = normalize(model)
    assert [node.op_type for node in form.graph.node] == [node.op_type for node in model.graph.node]
    assert form.opset_import[0].version == 24
    feeds = example_feeds(model)
    assert_same(run(model, feeds), run_network(normal_network(model), feeds))


def test_graph_outputs_without_number_take_no_more_work_than_their_number_allows():
    """Each of them has to be looked for among all."""
    names = [f"y{at}" for at in range(20_000)]
    nodes = [onnx.helper.make_node("Identity", ["x"], [name]) for name in names]
    ends = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in ["x", *names]]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:])
    network = raised_network(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]))
    with pytest.raises(WorkLimitError):
        rewrite(network, RULES)


def test_what_is_no_skeleton_is_said():
    with pytest.raises(UsageError, match="skeletons"):
        normal_fingerprint({"fingerprint": "x"})
    with pytest.raises(YoungerError, match="no ONNX model"):
        normal_fingerprint({"onnx": b"\xff\xff"})


def test_a_whole_block_gives_the_outputs_that_it_gave():
    model = parse(WITH_NORM)
    feeds = example_feeds(model)
    assert_same(run(model, feeds), run_network(normal_network(model), feeds))
