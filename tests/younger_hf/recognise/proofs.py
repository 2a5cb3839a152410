"""For every rule a model on which it applies: proof that it leaves the outputs as they are."""

from __future__ import annotations

import re
from typing import Final

_SCALARS: Final = {
    "half": 0.5,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "six": 6.0,
    "zero": 0.0,
    "tiny": 0.00001,
    "root": 1.4142135,
    "c1": 0.044715,
    "c2": 0.7978846,
}
_IMAGE: Final = "float[2,4,6,6] x"
_HALVES: Final = (
    "z = Constant<value = int64[1] {0}>() h = Constant<value = int64[1] {4}>() e = Constant<value = int64[1] {99}>() "
    "l = Constant<value = int64[1] {-1}>() x1 = Slice(x, z, h, l) x2 = Slice(x, h, e, l) "
)
_ANGLES: Final = "c = Concat<axis = -1>(f, f) cos = Cos(c) sin = Sin(c) "
_TURNED: Final = "n = Neg(x2) t = Concat<axis = -1>(n, x1) a = Mul(x, cos) b = Mul(t, sin) y = Add(a, b)"


def model(inputs: str, body: str, output: str = "float[] y", opset: int = 18) -> str:
    used = {name: value for name, value in _SCALARS.items() if re.search(rf"\b{name}\b", body)}
    scalars = " ".join(f"{name} = Constant<value = float {{{value:.10f}}}>()" for name, value in used.items())
    return f'<ir_version: 8, opset_import: ["" : {opset}]> g ({inputs}) => ({output}) {{ {scalars} {body} }}'


PROOFS: Final[dict[str, str]] = {
    "identity": model(_IMAGE, "a = Identity(x) y = Relu(a)"),
    "dropout": model(_IMAGE, "a, m = Dropout(x) y = Relu(a)"),
    "cast": model(_IMAGE, "a = Cast<to = 1>(x) y = Relu(a)"),
    "single-operand": model(_IMAGE, "a = Concat<axis = 1>(x) y = Relu(a)"),
    "sum-of-two": model(_IMAGE, "a = Relu(x) y = Sum(x, a)"),
    "same-shape": model(_IMAGE, "s = Constant<value = int64[4] {2,4,6,6}>() a = Reshape(x, s) y = Relu(a)"),
    "whole-split": model(_IMAGE, "a = Split<num_outputs = 1>(x) y = Relu(a)"),
    "axis-from-end": model(_IMAGE, "y = Softmax<axis = 1>(x)"),
    "clip-of-bounds": model(_IMAGE, "a = Max(x, zero) y = Min(a, half)"),
    "shape": model(_IMAGE, "s = Shape(x) a = Relu(x) y = Reshape(a, s)"),
    "one-dimension": model(
        "float[N,4,6] x",
        "s = Shape(x) i = Constant<value = int64[1] {1}>() d = Gather(s, i) n = Constant<value = int64[1] {-1}>() "
        "t = Concat<axis = 0>(n, d) y = Reshape(x, t)",
    ),
    "shape-arithmetic": model(
        _IMAGE,
        "a = Constant<value = int64[1] {12}>() b = Constant<value = int64[1] {2}>() c = Mul(a, b) "
        "n = Constant<value = int64[1] {-1}>() t = Concat<axis = 0>(c, n) y = Reshape(x, t)",
    ),
    "parameters-alone": model("float[2,4] x, float[3,4] pw", "w = Transpose<perm = [1, 0]>(pw) y = MatMul(x, w)"),
    "transpose-nothing": model(_IMAGE, "a = Transpose<perm = [0,1,2,3]>(x) y = Relu(a)"),
    "transpose-twice": model(
        "float[2,4,6,5] x", "a = Transpose<perm = [0,2,3,1]>(x) y = Transpose<perm = [0,2,1,3]>(a)"
    ),
    "transpose-of-ones": model("float[2,1,6,1] x", "y = Transpose<perm = [1,0,3,2]>(x)"),
    "units-later": model(
        "float[5,3,4] x",
        "s = Constant<value = int64[4] {1,5,3,4}>() a = Reshape(x, s) y = Transpose<perm = [2,0,3,1]>(a)",
    ),
    "one-reshape": model(_IMAGE, "a = Flatten<axis = 1>(x) b = Unsqueeze(a, i) y = Relu(b)").replace(
        "a = Flatten", "i = Constant<value = int64[1] {1}>() a = Flatten"
    ),
    "reshape-twice": model(
        _IMAGE,
        "s = Constant<value = int64[2] {8,36}>() a = Reshape(x, s) t = Constant<value = int64[3] {2,-1,6}>() "
        "y = Reshape(a, t)",
    ),
    "split": model(_IMAGE, "a, b = Split<axis = 1, num_outputs = 2>(x) y = Mul(a, b)"),
    "slice-of-one": model(
        _IMAGE,
        "s = Constant<value = int64[1] {2}>() e = Constant<value = int64[1] {3}>() "
        "d = Constant<value = int64[1] {-3}>() a = Slice(x, s, e, d) "
        "t = Constant<value = int64[3] {2,6,6}>() y = Reshape(a, t)",
    ),
    "gather-all": model(
        "float[1,4,1,1] x",
        "s = Constant<value = int64[1] {-1}>() a = Reshape(x, s) i = Constant<value = int64[1,4,1,1] {0,1,2,3}>() "
        "y = Gather<axis = 0>(a, i)",
    ),
    "slice-axes": model(
        _IMAGE,
        "s = Constant<value = int64[2] {0,1}>() e = Constant<value = int64[2] {2,3}>() y = Slice(x, s, e)",
    ),
    "reshape-later": model(_IMAGE, "a = Transpose<perm = [0,2,3,1]>(x) y = Relu(a)"),
    "single-window": model(_IMAGE, "a = MaxPool<kernel_shape = [1,1]>(x) y = Relu(a)"),
    "whole-pool": model(_IMAGE, "y = AveragePool<kernel_shape = [6,6]>(x)"),
    "global-pool": model(_IMAGE, "a = Constant<value = int64[2] {2,3}>() y = ReduceMean<keepdims = 0>(x, a)"),
    "reduce-before-transpose": model(
        _IMAGE,
        "a = Transpose<perm = [0,2,3,1]>(x) d = Constant<value = int64[2] {1,2}>() y = ReduceMean<keepdims = 1>(a, d)",
    ),
    "reduce-keeping": model(_IMAGE, "a = Constant<value = int64[2] {1,2}>() y = ReduceMax<keepdims = 0>(x, a)"),
    "root-mean-square": model(
        "float[2,3,8] x",
        "a = Constant<value = int64[1] {-1}>() q = Pow(x, two) m = ReduceMean(q, a) e = Add(m, tiny) r = Sqrt(e) "
        "y = Div(x, r)",
    ),
    "scale-of-norm": model("float[2,3,8] x, float[8] ps, float[8] pt", "a = LayerNormalization(x, ps) y = Mul(a, pt)"),
    "bias-of-norm": model("float[2,3,8] x, float[8] ps, float[8] pt", "a = LayerNormalization(x, ps) y = Add(a, pt)"),
    "group-normalization": model(
        "float[2,4,6,6] x, float[2] ps, float[2] pb",
        "s = Constant<value = int64[3] {2,2,-1}>() a = Reshape(x, s) "
        "b = InstanceNormalization<epsilon = 0.01>(a, ps, pb) "
        "t = Constant<value = int64[4] {2,4,6,6}>() y = Reshape(b, t)",
    ),
    "affine-of-norm": model(
        "float[2,4,6,6] x, float[4] ps, float[4] pb, float[4,1,1] pm, float[1,4,1,1] pa",
        "a = InstanceNormalization(x, ps, pb) b = Mul(a, pm) y = Add(b, pa)",
    ),
    "gelu": model(_IMAGE, "a = Mul(x, c3) b = Erf(a) c = Add(b, one) d = Mul(x, c) y = Mul(d, half)").replace(
        "a = Mul", "c3 = Constant<value = float {0.70710678}>() a = Mul"
    ),
    "swish": model(_IMAGE, "a = Sigmoid(x) y = Mul(a, x)"),
    "mish": model(_IMAGE, "a = Softplus(x) b = Tanh(a) y = Mul(x, b)"),
    "hard-swish": model(_IMAGE, "a = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x) y = Mul(x, a)"),
    "hard-sigmoid": model(
        _IMAGE, "s = Constant<value = float {0.16666667}>() a = Add(x, three) b = Clip(a, zero, six) y = Mul(b, s)"
    ),
    "hard-sigmoid-clipped-last": model(_IMAGE, "a = Mul(x, c1) b = Add(a, half) y = Clip(b, zero, one)"),
    "log-softmax": model(_IMAGE, "a = Softmax<axis = -1>(x) y = Log(a)"),
    "attention": model(
        "float[2,4,5,8] q, float[2,4,5,8] k, float[2,4,5,8] v, float[2,1,5,5] mask",
        "t = Transpose<perm = [0,1,3,2]>(k) ts = Mul(t, half) s = MatMul(q, ts) m = Add(s, mask) "
        "a = Softmax<axis = -1>(m) y = MatMul(a, v)",
    ),
    "attention-of-rows": model(
        "float[2,5,32] q, float[2,6,32] k, float[2,6,16] v, float[5,6] m",
        "y = Attention<q_num_heads = 4, kv_num_heads = 4>(q, k, v, m)",
        opset=24,
    ),
    "grouped-queries": model(
        "float[2,6,5,8] q, float[2,3,7,8] k, float[2,3,7,4] v", "y = Attention<scale = 0.5>(q, k, v)", opset=24
    ),
    "rotary-embedding": model("float[2,3,5,8] x, float[2,1,5,4] f", _ANGLES + _HALVES + _TURNED),
    "rotary-embedding-of-halves": model(
        "float[2,3,5,8] x, float[5,4] f",
        "cos = Cos(f) sin = Sin(f) " + _HALVES + "a = Mul(x1, cos) b = Mul(sin, x2) c = Sub(a, b) d = Mul(x2, cos) "
        "g = Mul(x1, sin) i = Add(g, d) y = Concat<axis = -1>(c, i)",
    ),
    "rotary-of-rows": model(
        "float[2,5,24] x, float[9,4] pc, float[9,4] ps, int64[2,5] i",
        "y = RotaryEmbedding<num_heads = 3>(x, pc, ps, i)",
        opset=24,
    ),
    "rotary-of-positions": model(
        "float[2,3,5,8] x, float[9,4] pc, float[9,4] ps, int64[2,5] i", "y = RotaryEmbedding(x, pc, ps, i)", opset=24
    ),
    "rotary-of-part": model(
        "float[2,3,5,8] x, float[2,5,2] c, float[2,5,2] s",
        "y = RotaryEmbedding<rotary_embedding_dim = 4, interleaved = 1>(x, c, s)",
        opset=24,
    ),
    "epsilon": model("float[2,3,8] x, float[8] ps", "y = LayerNormalization<epsilon = 0.1>(x, ps)"),
    "explicit-pads": model(
        "float[2,4,7,6] x, float[3,4,3,3] pw", 'y = Conv<auto_pad = "SAME_UPPER", strides = [2,2]>(x, pw)'
    ),
    "gemm": model("float[2,4] x, float[3,4] pw, float[3] pb", "y = Gemm<transB = 1>(x, pw, pb)"),
    "divide": model("float[2,4] x, float[4] pvd", "y = Div(x, pvd)"),
    "subtract": model("float[2,4] x, float[4] ps", "y = Sub(x, ps)"),
    "concat-twice": model(_IMAGE, "r = Relu(x) a = Concat<axis = -3>(x, r) y = Concat<axis = -3>(r, a, x)"),
    "some-dimensions": model(
        "float[N,4,6] x",
        "s = Shape(x) i = Constant<value = int64[1] {1}>() e = Constant<value = int64[1] {2}>() "
        "z = Constant<value = int64[1] {0}>() d = Slice(s, i, e, z) n = Constant<value = int64[1] {-1}>() "
        "t = Concat<axis = 0>(n, d) y = Reshape(x, t)",
    ),
    "transpose-of-stacked": model(
        "float[2,3,4,5] x",
        "s = Constant<value = int64[3] {6,4,5}>() a = Reshape(x, s) b = Transpose<perm = [0,2,1]>(a) "
        "t = Constant<value = int64[4] {2,3,5,4}>() y = Reshape(b, t)",
    ),
    "scaled-twice": model("float[2,4] x, float[4] ps", "a = Mul(x, ps) y = Mul(six, a)"),
    "sum-in-wider-type": model(
        "int32[2,4] x",
        "w = Cast<to = 7>(x) d = Constant<value = int64 {1}>() s = CumSum(w, d) n = Cast<to = 6>(s) "
        "y = Cast<to = 1>(n)",
    ),
    "batch-normalization": model(
        "float[2,4,6,6] x, float[4,3,3,3] pw, float[6] pb, float[6] ps, float[6] pm, float[6] pu, float[6] pvv",
        "a = ConvTranspose<group = 2>(x, pw, pb) y = BatchNormalization<epsilon = 0.01>(a, ps, pu, pm, pvv)",
    ),
    "batch-normalization-of-linear": model(
        "float[2,4] x, float[4,6] pw, float[6] pb, float[6] ps, float[6] pm, float[6] pu, float[6] pvv",
        "a = MatMul(x, pw) b = Add(a, pb) y = BatchNormalization(b, ps, pu, pm, pvv)",
    ),
    "affine": model(
        "float[2,4,6,6] x, float[6,2,3,3] pw, float[6] pb, float[6,1,1] ps, float[1,6,1,1] pa",
        "a = Conv<group = 2>(x, pw, pb) b = Mul(a, ps) y = Add(pa, b)",
    ),
    "padding": model(
        "float[2,4,6,6] x, float[3,4,3,3] pw",
        "p = Constant<value = int64[8] {0,0,0,1,0,0,1,2}>() a = Pad(x, p) y = Conv<pads = [1,1,1,1]>(a, pw)",
    ),
    "linear-of-rows": model(
        "float[2,3,4] x, float[4,5] pw",
        "s = Constant<value = int64[2] {6,4}>() a = Reshape(x, s) y = MatMul(a, pw)",
    ),
    "bias-of-rows": model(
        "float[2,3,4] x, float[4] pb", "s = Constant<value = int64[2] {6,4}>() a = Reshape(x, s) y = Add(a, pb)"
    ),
}
"""By the name of the rule."""

MORE: Final[dict[str, str]] = {
    "tanh gelu": model(
        _IMAGE,
        "a = Pow(x, three) b = Mul(a, c1) c = Add(x, b) d = Mul(c, c2) e = Tanh(d) f = Add(e, one) g = Mul(x, half) "
        "y = Mul(g, f)",
    ),
    "gelu by division": model(_IMAGE, "a = Div(x, root) b = Erf(a) c = Add(b, one) d = Mul(x, half) y = Mul(d, c)"),
    "decomposed LayerNormalization": model(
        "float[2,3,8] x, float[8] ps, float[8] pb",
        "a = ReduceMean<axes = [-1]>(x) d = Sub(x, a) q = Mul(d, d) m = ReduceMean<axes = [-1]>(q) e = Add(m, tiny) "
        "r = Sqrt(e) n = Div(d, r) s = Mul(n, ps) y = Add(s, pb)",
        opset=13,
    ),
    "attention of scaled scores": model(
        "float[2,4,5,8] q, float[2,5,4,8] k, float[2,4,5,8] v",
        "t = Transpose<perm = [0,2,3,1]>(k) s = MatMul(q, t) d = Div(s, three) "
        "a = Softmax<axis = 3>(d) y = MatMul(a, v)",
    ),
    "attention without a scale": model(
        "float[2,4,5,8] q, float[2,4,8,5] k, float[2,4,5,8] v",
        "s = MatMul(q, k) a = Softmax<axis = 3>(s) y = MatMul(a, v)",
    ),
    "attention of queries scaled before they are heads": model(
        "float[2,5,32] q, float[2,4,8,5] k, float[2,4,5,8] v",
        "m = Mul(q, three) d = Constant<value = int64[4] {0,0,4,8}>() r = Reshape(m, d) "
        "t = Transpose<perm = [0,2,1,3]>(r) s = MatMul(t, k) a = Softmax<axis = 3>(s) y = MatMul(a, v)",
    ),
    "rotation of neighbours": model(
        "float[2,3,5,8] x, float[5,4] f",
        "d = Constant<value = int64[1] {-1}>() g = Unsqueeze(f, d) c = Concat<axis = -1>(g, g) "
        "w = Constant<value = int64[2] {5,8}>() p = Reshape(c, w) cos = Cos(p) sin = Sin(p) "
        "z = Constant<value = int64[1] {0}>() i = Constant<value = int64[1] {1}>() "
        "e = Constant<value = int64[1] {99}>() j = Constant<value = int64[1] {2}>() "
        "x1 = Slice(x, z, e, d, j) x2 = Slice(x, i, e, d, j) n = Neg(x2) n1 = Unsqueeze(n, d) n2 = Unsqueeze(x1, d) "
        "o = Concat<axis = -1>(n1, n2) v = Constant<value = int64[4] {2,3,5,8}>() t = Reshape(o, v) a = Mul(x, cos) "
        "b = Mul(t, sin) y = Add(b, a)",
    ),
    "rotation of heads that come after positions": model(
        "float[2,5,3,8] x, float[1,5,1,4] f", _ANGLES + _HALVES + _TURNED
    ),
    "rotation of a batch of unknown size": model("float[N,3,S,8] x, float[1,1,S,4] f", _ANGLES + _HALVES + _TURNED),
    "stacked matrices laid out otherwise": model(
        "float[2,3,2,4,5] x",
        "s = Constant<value = int64[3] {12,4,5}>() a = Reshape(x, s) b = Transpose<perm = [0,2,1]>(a) "
        "t = Constant<value = int64[4] {2,6,5,4}>() y = Reshape(b, t)",
    ),
    "all dimensions but one kept": model(
        "float[N,M,8] x", "s = Constant<value = int64[3] {-1,0,8}>() y = Reshape(x, s)"
    ),
    "hard swish by clip": model(_IMAGE, "a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six)"),
    "merged branches": model(_IMAGE, "a = Relu(x) b = Relu(x) y = Mul(a, b)"),
    "opset 9": model(
        "float[2,4,6,6] x",
        "a = Clip<min = 0.0, max = 0.5>(x) b = Pad<pads = [0,0,1,1,0,0,1,1]>(a) "
        "c = Slice<starts = [0], ends = [1], axes = [0]>(b) d = Squeeze<axes = [0]>(c) e = Unsqueeze<axes = [0]>(d) "
        "f = ReduceSum<axes = [1]>(e) g, h = Split<axis = 2>(f) "
        "y = Concat<axis = 3>(g, h)",
        opset=9,
    ),
}
"""What several rules do together."""
