"""What a network costs, against what is worked out by hand."""

from __future__ import annotations

import onnx
import pytest

from builders.crawl.onnx_package import zoo_files
from younger_hf.costs import Costs, count_costs
from younger_hf.extract import read_structure


def costs(body: str, opset: int = 23) -> Costs | None:
    return count_costs(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n g {body}'))


LAYERS = {
    "(float[1,3,8,8] x, float[6,3,3,3] w) => (y) { y = Conv(x, w) }": (6 * 6 * 6 * 27, 6 * 6 * 6),
    "(float[1,4,8,8] x, float[4,1,3,3] w) => (y) { y = Conv<group = 4>(x, w) }": (4 * 36 * 9, 4 * 36),
    "(float[1,4,5,5] x, float[4,2,2,2] w) => (y) { y = ConvTranspose<strides = [2, 2]>(x, w) }": (100 * 8, 2 * 100),
    "(float[7,2] x, float[5,7] w, float[5] b) => (y) { y = Gemm<transA = 1, transB = 1>(x, w, b) }": (70, 10),
    "(float[2,1,3,4] x, float[6,4,5] w) => (y) { y = MatMul(x, w) }": (2 * 6 * 3 * 5 * 4, 2 * 6 * 3 * 5),
    '(float[2,3,4] x, float[4,5] w) => (y) { y = Einsum<equation = "bij,jk->bik">(x, w) }': (120, 30),
    '(float[2,3] x) => (y) { y = Einsum<equation = "ij->ji">(x) }': (0, 0),
    "(float[1,2,3,4] q, float[1,2,5,4] k, float[1,2,5,6] v) => (y) { y = Attention(q, k, v) }": (300, 2 * 3 * 11),
    "(float[1,3,8] q, float[1,5,8] k, float[1,5,12] v) => (y) "
    "{ y = Attention<q_num_heads = 2, kv_num_heads = 2>(q, k, v) }": (300, 2 * 3 * 11),
    "(float[5,1,3] x, float[2,16,3] w, float[2,16,4] r) => (y) "
    '{ y = LSTM<hidden_size = 4, direction = "bidirectional">(x, w, r) }': (5 * 2 * 16 * (3 + 4), 5 * 2 * 4),
    "(float[1,3] x) => (y) { y = Softmax(x) }": (0, 0),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_costs_what_its_shapes_say(layer: str) -> None:
    assert costs(layer) == Costs(*LAYERS[layer])


def test_open_sizes_are_those_of_example_inputs() -> None:
    open_image = costs("(float[N,3,H,W] x, float[8,3,1,1] w) => (y) { y = Conv(x, w) }")
    assert open_image == Costs(224 * 224 * 24, 224 * 224 * 8)
    assert costs("(float[N,T,16] x, float[16,4] w) => (y) { y = MatMul(x, w) }") == Costs(8 * 64, 8 * 4)


def test_sizes_that_the_model_computes_are_followed() -> None:
    flattened = """(float[N,3,H,W] x, float[150528,2] w) => (y)
        { s = Shape<start = 0, end = 1>(x) m = Constant<value_ints = [-1]>() t = Concat<axis = 0>(s, m)
          f = Reshape(x, t) y = MatMul(f, w) }"""
    assert costs(flattened) == Costs(2 * 150528, 2)


UNKNOWN = {
    "an unknown shape": "(float[2,2] x, float[4] s) => (y) { i = NonZero(x) f = Cast<to = 1>(i) t = Transpose(f) "
    "y = MatMul(f, t) }",
    "control flow": "(bool c, float[2,2] x) => (y) { y = If(c) <then_branch = a () => (float[2,2] o) "
    "{ o = MatMul(x, x) }, else_branch = b () => (float[2,2] p) { p = Identity(x) }> }",
    "an operator that nobody knows": "(float[2,2] x) => (y) { z = MatMul(x, x) y = Mystery(z) }",
    "more than a column holds": "(float[9000000000,9000000000] x) => (y) { y = MatMul(x, x) }",
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_there_is_no_number_rather_than_a_wrong_one(why: str) -> None:
    assert costs(UNKNOWN[why]) is None


def test_control_flow_that_multiplies_nothing_does_no_harm() -> None:
    body = """(bool c, float[2,2] x) => (y) { z = If(c) <then_branch = a () => (float[2,2] o) { o = Neg(x) },
        else_branch = b () => (float[2,2] p) { p = Identity(x) }> y = MatMul(x, x) }"""
    assert costs(body) == Costs(8, 4)


def test_vgg19_costs_what_its_paper_has() -> None:
    """Simonyan and Zisserman 2015, table 1, E: pairs of channels of 3 by 3 convolutions, at each side of the image."""
    stages = {224: [(3, 64), (64, 64)], 112: [(64, 128), (128, 128)]}
    stages |= {56: [(128, 256), *[(256, 256)] * 3], 28: [(256, 512), *[(512, 512)] * 3], 14: [(512, 512)] * 4}
    layers = [(side * side * n, 9 * m) for side, channels in stages.items() for m, n in channels]
    layers += [(4096, 512 * 7 * 7), (4096, 4096), (1000, 4096)]
    macs, activations = sum(out * each for out, each in layers), sum(out for out, _ in layers)
    assert count_costs(read_structure(zoo_files()["vgg19"])) == Costs(macs, activations)
