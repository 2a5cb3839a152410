"""The values that stand in for parameters: with which operators they must work, and that every type has some."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, ValueInfoProto, helper
from support.runtime import filled, is_finite, parse, run, weightless

from younger_hf.extract import extract, strip
from younger_hf.identity import fingerprint
from younger_hf.interop.onnx import example_inputs, to_onnx

SIGNATURE = "(float[4,4] x) => (float[N,M] y)"


@pytest.mark.parametrize(
    ("what", "nodes"),
    [
        ("a variance", "{ e = Add(p, s) d = Sqrt(e) y = Div(x, d) }"),
        (
            "a variance in another shape",
            "{ c = Unsqueeze <axes = [0]>(p) i = Reciprocal(c) y = Mul(x, i) }",
        ),
        ("an exponent", "{ y = Pow(x, s) }"),
        ("a fractional power of a parameter", "{ a = Abs(x) y = Pow(p, a) }"),
        ("a logarithm", "{ q = Mul(p, s) l = Log(q) y = Add(x, l) }"),
        (
            "an odds ratio",
            "{ c = Clip(x, s, t) a = Sub(u, c) d = Div(c, a) y = Log(d) }",
        ),
        ("batch normalisation", "{ y = BatchNormalization(x, p, p, p, p) }"),
        ("a quantisation scale", "{ q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"),
        ("an integer divisor", "{ i = Cast <to = 7>(x) d = Div(i, k) m = Mod(d, k) y = Cast <to = 1>(m) }"),
        (
            "an integer divisor that is computed",
            "{ i = Cast <to = 7>(x) m = Add(k, k) d = Div(i, m) y = Cast <to = 1>(d) }",
        ),
        ("an embedding table", "{ y = Gather(w, k) }"),
        ("a mask of a softmax", "{ y = Where(b, x, s) }"),
    ],
)
def test_outputs_are_finite_with(what: str, nodes: str) -> None:
    stripped = weightless(
        f"g {SIGNATURE} {nodes}",
        ("p", "FLOAT", [4]),
        ("s", "FLOAT", []),
        ("t", "FLOAT", []),
        ("u", "FLOAT", []),
        ("z", "UINT8", []),
        ("k", "INT64", []),
        ("b", "BOOL", [4, 4]),
        ("w", "FLOAT", [1, 4]),
        opset=12,
    )
    for seed in range(3):
        assert is_finite(run(to_onnx(stripped, "random", seed), example_inputs(stripped, seed)))


def test_a_deep_network_in_half_precision_neither_overflows_nor_dies_out() -> None:
    layers = 40
    body = " ".join(
        f"m{i} = MatMul(r{i}, w{i}) a{i} = Add(m{i}, b{i}) l{i} = Relu(a{i}) r{i + 1} = Add(r{i}, l{i})"
        for i in range(layers)
    )
    parameters = [(f"w{i}", "FLOAT16", [64, 64]) for i in range(layers)] + [
        (f"b{i}", "FLOAT16", [64]) for i in range(layers)
    ]
    stripped = weightless(f"g (float16[1,64] r0) => (float16[1,64] r{layers}) {{ {body} }}", *parameters)
    (output,) = run(to_onnx(stripped, "random"), example_inputs(stripped))
    assert is_finite(output)
    assert 0.01 < np.abs(output.astype(np.float32)).mean() < 1000


def test_a_loop_makes_all_its_trips() -> None:
    graph = """
    g (int64[1] x) => (int64[N] y) {
        trips = Constant <value_int = 3>()
        go = Constant <value = bool {1}>()
        y = Loop (trips, go) <body = step (int64 i, bool keep) => (bool on, int64 s) {
            on = Constant <value = bool {1}>()
            s = Identity(i)
        }>
    }
    """
    stripped = strip(parse(graph))
    (steps,) = run(to_onnx(stripped, "random"), example_inputs(stripped))
    assert steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("op_type", ["Loop", "Scan", "Mul", "Pow", "Gather", "QLinearConcat", "Clip", "If"])
def test_an_operator_without_its_inputs_is_no_reason_to_fail(op_type: str) -> None:
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "b", [], [ValueInfoProto(name="b")])
    attributes = {"body": body} if op_type in ("Loop", "Scan", "If") else {}
    nodes = [helper.make_node(op_type, [], ["y"], **attributes), helper.make_node("Sqrt", ["y"], ["z"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])]
    stripped = strip(helper.make_model(helper.make_graph(nodes, "g", inputs, [ValueInfoProto(name="z")])))
    assert fingerprint(extract(to_onnx(stripped, "random"))) == fingerprint(extract(stripped))


ELEMENT_TYPES = [name for name in TensorProto.DataType.keys() if name != "UNDEFINED"]  # noqa: SIM118


@pytest.mark.parametrize("name", ELEMENT_TYPES)
@pytest.mark.parametrize("dims", [[3, 5], [7], [], [0, 3]])
def test_every_element_type_can_be_filled(name: str, dims: list[int], tmp_path: Path) -> None:
    data_type = TensorProto.DataType.Value(name)
    tensor = TensorProto(name="w", data_type=data_type, dims=dims)
    graph = helper.make_graph([helper.make_node("Shape", ["w"], ["y"])], "g", [], [], [tensor])
    graph.output.append(helper.make_tensor_value_info("y", TensorProto.INT64, [len(dims)]))
    m = helper.make_model(graph)
    model = to_onnx(m, "random")
    assert example_inputs(m, parameters=True)["w"].shape == tuple(dims)
    values = filled(model)["w"]
    assert list(values.shape) == dims
    assert values.dtype == helper.tensor_dtype_to_np_dtype(data_type)
    if name != "STRING" and "INT" not in name:
        assert np.isfinite(values.astype(np.complex64)).all()
    expected = {"STRING": 2 * math.prod(dims)}.get(name, len(model.graph.initializer[0].raw_data))
    to_onnx(m, "splat", path=tmp_path / "zeros")
    if len(dims) == 2 and math.prod(dims) and name != "STRING":
        assert (tmp_path / "zeros").stat().st_size == expected
