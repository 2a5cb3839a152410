"""Masks and angles: what the fingerprint shows of them, and what it does not."""

import onnx
import pytest
from execution import parse

from younger_hf import normal_fingerprint
from younger_hf.recognise import normalize
from younger_hf.recognise.normal import graph_of

from .proofs import model

HEADS = "float[2,4,5,8] q, float[2,4,8,5] k, float[2,4,5,8] v"
SCORES = "s = MatMul(q, k) d = Div(s, three)"
RESULT = "w = Softmax<axis = -1>(m) y = MatMul(w, v)"
KEPT = "z = Constant<value = float {0.0}>() far = Constant<value = float {-1000.0}>()"


def attending(inputs: str = "", mask: str = "m = Identity(d)", opset: int = 18) -> str:
    """The fingerprint of an attention, by what it does to its scores `d`."""
    text = model(f"{HEADS}{', ' * bool(inputs)}{inputs}", f"{SCORES} {KEPT} {mask} {RESULT}", opset=opset)
    return normal_fingerprint(parse(text))


CAUSAL = {
    "a matrix that was carried out": ("float[5,5] pm", "m = Add(d, pm)"),
    "one for the whole batch": ("float[1,1,5,5] pm", "m = Add(pm, d)"),
    "of what is padding, too": (
        "int64[2,5] i, bool[5,5] c",
        "b = Cast<to = 9>(i) u = Constant<value = int64[2] {1,2}>() e = Unsqueeze(b, u) a = And(e, c) "
        "t = Where(a, z, far) m = Add(d, t)",
    ),
    "counted as it runs": (
        "int64[2,5] i",
        "n = Shape<start = 1, end = 2>(i) g = Constant<value = int64 {0}>() h = Constant<value = int64 {1}>() "
        "o = Squeeze(n) r = Range(g, o, h) f = Constant<value = int64[1] {1}>() c = Unsqueeze(r, f) "
        "a = LessOrEqual(r, c) t = Where(a, z, far) m = Add(d, t)",
    ),
}
PADDED = {
    "by what a graph input says": (
        "int64[2,5] i",
        "b = Cast<to = 9>(i) u = Constant<value = int64[2] {1,2}>() e = Unsqueeze(b, u) t = Where(e, z, far) "
        "m = Add(d, t)",
    ),
    "widened to all that attend": (
        "int64[2,5] i",
        "b = Cast<to = 1>(i) u = Constant<value = int64[2] {1,2}>() e = Unsqueeze(b, u) "
        "x = Constant<value = int64[4] {2,1,5,5}>() w0 = Expand(e, x) t = Mul(w0, far) m = Add(d, t)",
    ),
}


@pytest.mark.parametrize("spelling", CAUSAL)
def test_a_causal_mask_is_one_however_it_comes_about(spelling):
    assert attending(*CAUSAL[spelling]) == attending("int64[2,5] i", CAUSAL["counted as it runs"][1])
    assert attending(*CAUSAL[spelling]) != attending()


@pytest.mark.parametrize("spelling", PADDED)
def test_that_padding_is_not_attended_is_no_other_network(spelling):
    assert attending(*PADDED[spelling]) == attending()


@pytest.mark.parametrize(
    ("inputs", "mask"),
    [
        ("float[2,1,5,5] x", "t = Relu(x) m = Add(d, t)"),  # computed from data
        ("float[9,4] pt, int64[5,5] i", "g = Gather(pt, i) t = Transpose<perm = [2,0,1]>(g) m = Add(d, t)"),  # by heads
    ],
)
def test_a_bias_that_is_learned_or_computed_from_data_is_no_mask(inputs, mask):
    assert attending(inputs, mask) not in {attending(), attending(*CAUSAL["counted as it runs"])}


def rotating(angles: str, inputs: str, *, size: int = 8) -> onnx.ModelProto:
    """Heads of eight elements, of which the first `size` are rotated."""
    half = size // 2
    rotated = f"""
        z = Constant<value = int64[1] {{0}}>() h = Constant<value = int64[1] {{{half}}}>()
        r = Constant<value = int64[1] {{{size}}}>() e = Constant<value = int64[1] {{99}}>()
        l = Constant<value = int64[1] {{-1}}>() {angles} o = Slice(x, z, r, l) rest = Slice(x, r, e, l)
        x1 = Slice(o, z, h, l) x2 = Slice(o, h, e, l) n = Neg(x2) t = Concat<axis = -1>(n, x1) a = Mul(o, cos)
        b = Mul(t, sin) s = Add(a, b) """
    body = "y = Concat<axis = -1>(s, rest)" if size < 8 else "y = Relu(s)"
    return parse(model(f"float[2,3,5,8] x, {inputs}", rotated + body))


COUNTED = ("float[1,1,5,8] pc, float[1,1,5,8] ps", "cos = Identity(pc) sin = Identity(ps)")
GIVEN = (
    "int64[2,5] i, float[1,1,4] pf",
    "j = Cast<to = 1>(i) k = Unsqueeze(j, l) f = Mul(k, pf) c = Concat<axis = -1>(f, f) k0 = Cos(c) k1 = Sin(c) "
    "u = Constant<value = int64[1] {1}>() cos = Unsqueeze(k0, u) sin = Unsqueeze(k1, u)",
)


def test_an_embedding_of_positions_that_are_given_is_that_of_positions_that_are_counted():
    counted, given = (rotating(angles, inputs) for inputs, angles in (COUNTED, GIVEN))
    assert graph_of(normalize(given)).operator_counts() == {"RotaryEmbedding": 1, "Relu": 1}
    assert normal_fingerprint(counted) == normal_fingerprint(given)


def test_to_rotate_a_part_of_each_head_is_another_network():
    part = rotating(COUNTED[1], COUNTED[0].replace("5,8]", "5,4]"), size=4)
    assert normal_fingerprint(part) != normal_fingerprint(rotating(COUNTED[1], COUNTED[0]))
    assert graph_of(normalize(part)).operator_counts() == {"RotaryEmbedding": 1, "Slice": 2, "Concat": 1}


def test_angles_that_are_computed_from_data_stay():
    inputs, angles = "float[2,1,5,4] d", "c = Concat<axis = -1>(d, d) cos = Cos(c) sin = Sin(c)"
    assert graph_of(normalize(rotating(angles, inputs))).operator_counts()["Cos"] == 1


def test_keys_that_several_heads_of_queries_share_are_spelt_out_and_another_network():
    repeated = "".join(
        f"{name}0 = Reshape({name}g, a) {name}1 = Expand({name}0, b) {name}r = Reshape({name}1, c) " for name in "kv"
    )
    shapes = (
        "a = Constant<value = int64[5] {2,2,1,5,8}>() b = Constant<value = int64[5] {2,2,2,5,8}>() "
        "c = Constant<value = int64[4] {2,4,5,8}>() "
    )
    inputs = "float[2,4,5,8] q, float[2,2,5,8] kg, float[2,2,5,8] vg"
    transposed = f"{shapes}{repeated}k = Transpose<perm = [0,1,3,2]>(kr) v = Identity(vr) "
    spelt_out = parse(model(inputs, f"{transposed}{SCORES} m = Identity(d) {RESULT}"))
    as_operator = parse(model(inputs, "y = Attention(q, kg, vg)", opset=24))
    assert normal_fingerprint(spelt_out) == normal_fingerprint(as_operator)
    all_apart = parse(model(inputs.replace("[2,2,5,8]", "[2,4,5,8]"), "y = Attention(q, kg, vg)", opset=24))
    assert normal_fingerprint(all_apart) != normal_fingerprint(as_operator)
