"""Activations that exporters spell out in arithmetic are one operator each."""

from __future__ import annotations

from typing import Final

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import is_scalar, maker, operand_made_by, with_parameter
from younger_hf.recognise.network import Make, Node, Value, parameter

_MOST_FACTORS: Final = 4
_SIXTH: Final = 0.16666667


def factors(node: Node) -> list[Value]:
    """What a product multiplies, through the products among its operands."""
    found = [value for value in node.inputs if value is not None]
    at = 0
    while at < len(found) and len(found) < _MOST_FACTORS:
        inner = maker(found[at], "Mul")
        if inner is None or len(inner.inputs) != 2:
            at += 1
            continue
        found[at : at + 1] = [value for value in inner.inputs if value is not None]
    return found


def _made_of(value: Value, data: Value, depth: int = 5) -> bool:
    """Whether a value is computed from one other and scalars by Mul, Add and Pow alone."""
    if value is data or is_scalar(value):
        return True
    made = maker(value, "Mul", "Add", "Pow")
    return made is not None and depth > 0 and all(_made_of(each, data, depth - 1) for each in made.inputs if each)


def gelu(node: Node) -> Make | None:
    """X * (1 + erf(x * c)) * c is Gelu, and so is the same with tanh of a polynomial, approximately."""
    parts = factors(node)
    scalars = [value for value in parts if is_scalar(value)]
    rest = [value for value in parts if not is_scalar(value)]
    if len(scalars) != 1 or len(rest) != 2:
        return None
    for data, gate in (rest, rest[::-1]):
        one_plus = with_parameter(maker(gate, "Add"))
        inner = None if one_plus is None or not is_scalar(one_plus[1]) else maker(one_plus[0], "Erf", "Tanh")
        argument = None if inner is None else inner.inputs[0]
        if inner is None or argument is None:
            continue
        if inner.op_type == "Erf":
            scaled = with_parameter(maker(argument, "Mul"))
            if scaled is not None and scaled[0] is data and is_scalar(scaled[1]):
                return Make("Gelu", (data,))
        elif argument is not data and _made_of(argument, data):
            return Make("Gelu", (data,), {"approximate": "tanh"})
    return None


def swish(node: Node) -> Make | None:
    """X * sigmoid(x) is Swish, which is SiLU."""
    for sigmoid, data in operand_made_by(node, "Sigmoid"):
        if sigmoid.inputs[0] is data:
            return Make("Swish", (data,))
    return None


def mish(node: Node) -> Make | None:
    """X * tanh(softplus(x)) is Mish."""
    for tanh, data in operand_made_by(node, "Tanh"):
        softplus = maker(tanh.inputs[0], "Softplus")
        if softplus is not None and softplus.inputs[0] is data:
            return Make("Mish", (data,))
    return None


def hard_sigmoid(node: Node) -> Make | None:
    """clip(x + c) * c is HardSigmoid."""
    scaled = with_parameter(node)
    found = None if scaled is None or not is_scalar(scaled[1]) else _clipped_sum(scaled[0])
    if scaled is None or found is None:
        return None
    data, shift = found
    slope = scaled[1]
    beta = parameter((), slope.dtype, lambda get: get(shift).reshape(()) * get(slope).reshape(()))
    return Make("HardSigmoid", (data,), {"alpha": _SIXTH}, unseen={"alpha": slope, "beta": beta})


def hard_sigmoid_clipped_last(node: Node) -> Make | None:
    """clip(x * c + c) is HardSigmoid."""
    added = with_parameter(maker(node.inputs[0], "Add"))
    scaled = None if added is None or not is_scalar(added[1]) else with_parameter(maker(added[0], "Mul"))
    if added is None or scaled is None or not is_scalar(scaled[1]) or len(node.inputs) != 3 or not node.inputs[1]:
        return None
    return Make("HardSigmoid", (scaled[0],), unseen={"alpha": scaled[1], "beta": added[1]})


def hard_swish(node: Node) -> Make | None:
    """X * HardSigmoid(x), and x * clip(x + c) * c, are HardSwish."""
    for gate, data in operand_made_by(node, "HardSigmoid"):
        # HardSwish has no other slope and shift than these.
        alpha, beta = gate.attributes["alpha"], gate.attributes["beta"]
        if gate.inputs[0] is data and abs(alpha - _SIXTH) < 1e-6 and beta == 0.5:
            return Make("HardSwish", (data,))
    parts = factors(node)
    scalars = [value for value in parts if is_scalar(value)]
    rest = [value for value in parts if not is_scalar(value)]
    if len(scalars) != 1 or len(rest) != 2:
        return None
    for data, gate_value in (rest, rest[::-1]):
        found = _clipped_sum(gate_value)
        if found is not None and found[0] is data:
            return Make("HardSwish", (data,))
    return None


def _clipped_sum(value: Value) -> tuple[Value, Value] | None:
    """Of clip(x + c): x and c."""
    clip = maker(value, "Clip")
    if clip is None or len(clip.inputs) != 3 or clip.inputs[1] is None:
        return None
    pair = with_parameter(maker(clip.inputs[0], "Add"))
    return pair if pair is not None and is_scalar(pair[1]) else None


def log_softmax(node: Node) -> Make | None:
    """The Log of a Softmax is LogSoftmax."""
    inner = maker(node.inputs[0], "Softmax")
    return None if inner is None else Make("LogSoftmax", tuple(inner.inputs), {"axis": inner.attributes["axis"]})


RULES: Final = (
    Rule("gelu", ("Mul",), gelu),
    Rule("swish", ("Mul",), swish),
    Rule("mish", ("Mul",), mish),
    Rule("hard-swish", ("Mul",), hard_swish),
    Rule("hard-sigmoid", ("Mul",), hard_sigmoid),
    Rule("hard-sigmoid-clipped-last", ("Clip",), hard_sigmoid_clipped_last),
    Rule("log-softmax", ("Log",), log_softmax),
)
