"""The text form: what a line says, that nothing is lost, and where a wrong text is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import parser
from support.releases import every_row
from support.strategies import operator_graphs

from younger_hf import Operator, OperatorGraph, extract, fingerprint, from_text, to_graph, to_text
from younger_hf.errors import UsageError
from younger_hf.extract import strip
from younger_hf.graph import InvalidGraphError
from younger_hf.interop.text_form import TextError
from younger_hf.vocabulary import Vocabulary

BRANCHES = """<ir_version: 10, opset_import: ["": 20]>
g (bool c, float[N, 5] x) => (float[N, 5] y, int64[N, 2] z) {
    k = Constant<value = int64[1] {2}>()
    r = Relu(x)
    y = If (c) <
        then_branch = t () => (float[N, 5] a) { s = Sigmoid(r) a = Tanh(s) },
        else_branch = e () => (float[N, 5] b) { b = LeakyRelu<alpha = 0.25>(r) }
    >
    v, z = TopK<axis = 1>(r, k)
}"""


def lines(text: str) -> list[str]:
    return [line.strip().partition(" = ")[2] for line in text.splitlines()[1:]]


def test_a_line_says_what_is_in_every_slot():
    model = parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20]>
        g (float[1, 3, 8, 8] x, float m) => (float[1, 4, 8, 8] y)
        <float[4, 3, 1, 1] w = {WEIGHTS}, int64[2] axes = {2, 3}> {
            c = Conv(x, w)
            s = Clip(c, , m)
            r = ReduceMean(s, axes)
            y = Add(c, r)
        }""".replace("WEIGHTS", ", ".join("0" * 12))
    )
    assert lines(to_text(model)) == [
        "Conv[kernel_shape=1,1](in0, *)",
        "Clip(v0, -, in1)",
        "ReduceMean(v1, int64[2]{2,3})",
        "Add(v0, v2)",
    ]


def test_of_a_graph_what_no_operator_feeds_is_not_known():
    graph = extract(
        parser.parse_model("""<ir_version: 10, opset_import: ["": 20]>
        g (float[3] x, float[3] y) => (float[3] z) { a = Relu(x) z = Where(y, y, a) }""")
    )
    assert lines(to_text(graph)) == ["Relu()", "Where(_, _, v0)"]


def test_shapes_stand_where_they_are_known():
    model = parser.parse_model("""<ir_version: 10, opset_import: ["": 20]>
        g (float[4] x) => (int64[1, N] y) <float[4] w = {0, 0, 0, 0}> { a = Mul(x, w) y = NonZero(a) }""")
    assert lines(to_text(model, shapes=True)) == ["Mul(in0, *float[4]) : float[4]", "NonZero(v0)"]


def test_a_body_stands_indented_above_its_owner_and_what_it_returns_is_in_the_owner_s_slots():
    text = to_text(parser.parse_model(BRANCHES))
    assert (
        text
        == """graph opset=20
v0 = Relu(in0)
  v1 = LeakyRelu[alpha=0.25](v0)
  v2 = Sigmoid(v0)
  v3 = Tanh(v2)
v4 = If(in1, v1, v3)
v5 = TopK[axis=1](v0, int64[1]{2})
"""
    )
    graph = from_text(text)
    assert graph.scope.tolist() == [-1, 4, 4, 4, -1, -1]
    assert fingerprint(graph) == fingerprint(extract(parser.parse_model(BRANCHES)))


def test_an_output_slot_behind_the_first_has_its_number():
    graph = from_text("graph opset=20\nv0 = TopK(in0, *)\nv1 = Neg(v0.1)\n")
    assert graph.edge_slot.tolist() == [[1], [0]]


def test_defaults_are_those_of_the_opset_in_the_header():
    old, new = (from_text(f"graph opset={opset}\nv0 = Softmax(in0)\n").operator[0] for opset in (11, 20))
    assert '"axis":1' in old.attributes
    assert '"axis":-1' in new.attributes


def test_what_filling_in_would_change_is_written_in_full():
    bare = OperatorGraph((Operator("", "Softmax"),), np.zeros((2, 0)), np.zeros((2, 0)), np.array([-1]))
    assert lines(to_text(bare)) == ["Softmax!()"]
    assert from_text(to_text(bare)).operator == bare.operator


def test_every_row_and_every_skeleton_comes_back(zoo: Path):
    younger = zoo / "younger"
    vocabulary = Vocabulary.load(younger)
    rows = every_row(younger, "graphs")
    assert rows
    for row in rows:
        assert fingerprint(from_text(to_text(row, source=younger))) == row["fingerprint"]
    for row in every_row(younger, "graphs-no-attributes"):
        text = to_text(row, source=younger)
        assert text.startswith("graph opset=")
        assert " without attributes\n" in text
        assert fingerprint(from_text(text), attributes=False) == row["type_fingerprint"]
        assert "[" not in text
    for row in every_row(younger, "skeletons"):
        assert fingerprint(from_text(to_text(row, shapes=True))) == row["fingerprint"]
    assert to_text(rows[0], attributes=False, source=younger) == to_text(
        to_graph(rows[0], vocabulary), attributes=False
    )


NODES = st.sampled_from(
    [
        Operator("", "Relu"),
        Operator("", "Relu", '{"x":"a b"}'),
        Operator("my.own", "Thing", '{"attributes":["INT","FLOATS"]}'),
        Operator("", "Conv", '{"auto_pad":"NOTSET","group":2,"kernel_shape":[3]}'),
        Operator("", "If", '{"else_branch":"graph","then_branch":"graph"}'),
        Operator("", "Odd", '{"a":[],"b":[1],"c":[0.5,1.0],"d":{"k":[null]},"e":"true","f":1e-05,"g":["x","y"]}'),
    ]
)


@st.composite
def graphs(draw: st.DrawFn) -> OperatorGraph:
    """Any acyclic graph without bodies: operators of all spellings, wired at any slots."""
    operators = draw(st.lists(NODES, min_size=1, max_size=12))
    edges = {}
    scope = [-1] * len(operators)
    for node in range(len(operators)):
        for slot in draw(st.sets(st.integers(0, 5), max_size=3)) if node else ():
            edges[node, slot] = (draw(st.integers(0, node - 1)), draw(st.integers(0, 2)))
    table = [(p, c, o, s) for (c, s), (p, o) in edges.items()]
    array = np.array(table, dtype=np.int64).reshape(-1, 4).T
    return OperatorGraph(tuple(operators), array[:2], array[2:], np.array(scope))


@given(graphs())
def test_any_graph_comes_back_exactly(graph: OperatorGraph):
    again = from_text(to_text(graph))
    assert again.operator == graph.operator
    assert fingerprint(again) == fingerprint(graph)


@given(operator_graphs())
def test_a_graph_with_bodies_comes_back_or_is_refused(graph: OperatorGraph):
    try:
        text = to_text(graph)
    except InvalidGraphError:
        assert graph.scope.max() >= 0
        return
    assert fingerprint(from_text(text)) == fingerprint(graph)


def test_bodies_within_bodies_come_back():
    inner = "then_branch = t () => (float[3] p) { p = If (c) <then_branch = u () => (float[3] q) { q = Neg(r) }, \
else_branch = w () => (float[3] o) { o = Abs(r) }> }"
    model = parser.parse_model(f"""<ir_version: 10, opset_import: ["": 20]>
        g (bool c, float[3] x) => (float[3] y) {{
            r = Relu(x)
            y = If (c) <{inner}, else_branch = e () => (float[3] b) {{ b = Exp(r) }}>
        }}""")
    text = to_text(model)
    assert "    v" in text
    assert fingerprint(from_text(text)) == fingerprint(extract(model))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: a text begins with"),
        ("graph\n", "line 1, column 1: a text begins with"),
        ("graph opset=20\nv0 - Relu()\n", "line 2, column 1: a line is"),
        ("graph opset=20\nv0 = Relu\n", "line 2, column 10: the slots"),
        ("graph opset=20\nv0 = Relu(v1)\n", "line 2, column 11: v1 is not defined above"),
        ("graph opset=20\nv0 = Add(*, v0)\n", "line 2, column 13: v0 is not defined above"),
        ("graph opset=20\nv0 = Relu(x)\n", "line 2, column 11: no slot is written as 'x'"),
        ("graph opset=20\nv0 = Relu(in0)\n\nv0 = Neg(v0)\n", "line 4, column 1: there is a v0 already"),
        ("graph opset=20\nv0 = Conv[group](in0)\n", "line 2, column 11: an attribute is"),
        ("graph opset=20\nv0 = Conv[group=](in0)\n", "line 2, column 17: a value is"),
        ("graph opset=20\nv0 = Conv[a=1 a=2](in0)\n", "line 2, column 15: an attribute is"),
        ("graph opset=20\nv0 = Conv[a=1  b=2](in0)\n", "line 2, column 15: an attribute is"),
        ("graph opset=20\nv0 = Conv[a=1]x(in0)\n", "line 2, column 15: 'x' is not expected"),
        ("graph opset=20\n  v0 = Relu(in0)\n", "line 2, column 1: the text ends inside a body"),
        ("graph opset=20\n v0 = Relu(in0)\n", "line 2, column 1: bodies are indented"),
        ("graph opset=20\n    v0 = Relu(in0)\nv1 = If(*)\n", "line 3, column 1: a body ends without its owner"),
        ("graph opset=20 without attributes\nv0 = Conv[group=2](in0)\n", "line 2, column 6: the header says"),
        ("graph opset=20\nv0 = Relu(v99999999999)\n", "no slot is written as"),
    ],
)
def test_a_wrong_text_is_refused_by_line_and_column(text: str, message: str):
    with pytest.raises(TextError) as raised:
        from_text(text)
    assert str(raised.value).startswith(message) or message in str(raised.value)


def test_comments_and_empty_lines_mean_nothing():
    text = "graph opset=20\n# an architecture\n\nv5 = Relu(in0)\nv3 = Neg(v5)\n"
    assert [operator.op_type for operator in from_text(text).operator] == ["Relu", "Neg"]


@pytest.mark.parametrize("what", [3, {"boundary": [1]}, None])
def test_what_is_no_architecture_is_refused(what: object):
    with pytest.raises(UsageError):
        to_text(what)  # type: ignore[arg-type]


def test_a_file_is_shown_without_its_weights(tmp_path: Path):
    model = parser.parse_model(BRANCHES)
    onnx.save(model, tmp_path / "model.onnx")
    assert to_text(tmp_path / "model.onnx") == to_text(strip(model))
