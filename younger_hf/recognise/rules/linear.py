"""Linear layers: MatMul and Add whatever they were, and everything that can be folded into the weights before it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from younger_hf.extract.flat_model import ValueKind
from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import (
    broadcast_shape,
    integers,
    is_parameter,
    is_scalar,
    maker,
    num_elements,
    per_channel,
    used_once,
    with_parameter,
)
from younger_hf.recognise.network import Array, Formula, Make, Node, Shape, Value, constant, parameter
from younger_hf.recognise.rules.layout import reshape_to


def gemm(node: Node) -> Make | None:
    """A Gemm is a MatMul, and an Add where it has a bias."""
    a, b, bias = node.inputs[0], node.input(1), node.input(2)
    attributes = node.attributes
    if a is None or b is None or attributes["alpha"] != 1.0 or (bias is not None and attributes["beta"] != 1.0):
        return None
    product = Make(
        "MatMul", (_turned(a, attributes["transA"]), _turned(b, attributes["transB"])), shape=node.output.shape
    )
    return product if bias is None else Make("Add", (product, bias))


def _turned(value: Value, turn: int) -> Value | Make:
    if not turn:
        return value
    shape = value.shape
    turned = None if shape is None or len(shape) != 2 else (shape[1], shape[0])
    if is_parameter(value) and turned is not None:
        return parameter(turned, value.dtype, lambda get: get(value).T)
    return Make("Transpose", (value,), {"perm": [1, 0]}, shape=turned)


def divide(node: Node) -> Make | None:
    """To divide by a parameter is to multiply by one."""
    data, divisor = node.inputs[0], node.input(1)
    if data is None or divisor is None or is_parameter(data) or not is_parameter(divisor):
        return None
    return Make("Mul", (data, parameter(divisor.shape or (), divisor.dtype, lambda get: 1 / get(divisor))))


def subtract(node: Node) -> Make | None:
    """To subtract a parameter is to add one."""
    data, other = node.inputs[0], node.input(1)
    if data is None or other is None or is_parameter(data) or not is_parameter(other):
        return None
    return Make("Add", (data, parameter(other.shape or (), other.dtype, lambda get: -get(other))))


def scaled_twice(node: Node) -> Make | None:
    """A scalar and another parameter that multiply (that are added) one after the other are one."""
    pair = with_parameter(node)
    inner = None if pair is None else maker(pair[0], node.op_type)
    inner_pair = with_parameter(inner)
    if pair is None or inner is None or inner_pair is None or not used_once(pair[0]):
        return None
    outer, first = pair[1], inner_pair[1]
    if not (is_scalar(outer) or is_scalar(first)):
        return None
    function = np.multiply if node.op_type == "Mul" else np.add
    shape = broadcast_shape(outer.shape, first.shape) or ()
    return Make(
        node.op_type, (inner_pair[0], parameter(shape, outer.dtype, lambda get: function(get(outer), get(first))))
    )


def linear_of_rows(node: Node) -> Make | None:
    """A linear layer of rows that a Reshape laid out is one of the tensor itself, laid out afterwards."""
    rows, weight = node.inputs[0], node.input(1)
    inner = maker(rows, "Reshape")
    data = None if inner is None else inner.inputs[0]
    if rows is None or data is None or not is_parameter(weight) or weight is None or weight.rank != 2:
        return None
    if not data.shape or len(data.shape) < 2 or rows.shape is None or node.output.shape is None or not used_once(rows):
        return None
    if not isinstance(data.shape[-1], int) or rows.shape[-1] != data.shape[-1]:
        return None
    product = Make("MatMul", (data, weight), shape=(*data.shape[:-1], weight.shape[1]))  # type: ignore[index]
    return _laid_out(product, node.output.shape)


def _laid_out(made: Make, shape: Shape) -> Make | None:
    """A Reshape of what is made."""
    inner = Value(ValueKind.NODE, made.shape)
    laid = reshape_to(inner, shape)
    return None if laid is None else Make("Reshape", (made, laid.inputs[1]))


def bias_of_rows(node: Node) -> Make | None:
    """A parameter along the last axis is added before a Reshape that keeps this axis."""
    pair = with_parameter(node)
    inner = None if pair is None else maker(pair[0], "Reshape")
    if pair is None or inner is None or inner.inputs[0] is None or not used_once(pair[0]):
        return None
    data, bias = inner.inputs[0], pair[1]
    if not data.shape or not pair[0].shape or bias.rank != 1 or data.shape[-1] != pair[0].shape[-1]:
        return None
    if bias.shape != (data.shape[-1],):
        return None
    return Make("Reshape", (Make("Add", (data, bias), shape=data.shape), *inner.inputs[1:]))


_CONVOLUTIONS: Final = ("Conv", "ConvTranspose")


def _affine(node: Node, scale: Formula, shift: Formula, channels: int) -> Make | None:
    """A convolution followed by y -> scale * y + shift, one value a channel, as one."""
    weight, bias = node.input(1), node.input(2)
    if not is_parameter(weight) or weight is None or (bias is not None and not is_parameter(bias)):
        return None
    axis = 0 if node.op_type == "Conv" else 1
    group = node.attributes.get("group", 1)
    shape = weight.static_shape
    if shape is None or shape[axis] * (group if axis else 1) != channels:
        return None

    def new_weight(get: Any) -> Array:
        old, by = get(weight), scale(get)
        if not axis:
            return np.asarray((old * by.reshape(-1, *[1] * (old.ndim - 1))).astype(old.dtype))
        # A ConvTranspose has its output channels group by group.
        grouped = old.reshape(group, old.shape[0] // group, *old.shape[1:])
        by_group = by.reshape(group, 1, old.shape[1], *[1] * (old.ndim - 2))
        return np.asarray((grouped * by_group).reshape(old.shape).astype(old.dtype))

    def new_bias(get: Any) -> Array:
        before = 0 if bias is None else get(bias) * scale(get)
        return np.asarray((before + shift(get)).astype(get(weight).dtype))

    dtype = weight.dtype
    inputs = (node.inputs[0], parameter(shape, dtype, new_weight), parameter((channels,), dtype, new_bias))
    return Make(node.op_type, inputs, node.attributes)


def batch_normalization(node: Node) -> Make | None:
    """A BatchNormalization after a convolution is folded into it."""
    made = maker(node.inputs[0], *_CONVOLUTIONS)
    if made is None or not used_once(made.output) or any(node.outputs[1:]) or node.attributes.get("training_mode"):
        return None
    factors = _normalization(node)
    return None if factors is None else _affine(made, *factors)


def batch_normalization_of_linear(node: Node) -> Make | None:
    """A BatchNormalization after a linear layer is folded into its weight and its bias."""
    value = node.inputs[0]
    factors = _normalization(node)
    if value is None or factors is None or not used_once(value) or node.attributes.get("training_mode"):
        return None
    scale, shift, channels = factors
    bias: Value | None = None
    added = with_parameter(maker(value, "Add"))
    product = maker(value, "MatMul")
    if added is not None:
        value, bias = added
        product = maker(value, "MatMul") if used_once(value) else None
    weight = None if product is None else product.input(1)
    if product is None or weight is None or not is_parameter(weight) or weight.rank != 2 or value.rank != 2:
        return None
    if weight.shape is None or weight.shape[1] != channels or (bias is not None and bias.shape != (channels,)):
        return None
    new_weight = parameter(weight.shape, weight.dtype, lambda get: (get(weight) * scale(get)).astype(get(weight).dtype))
    new_bias = parameter(
        (channels,),
        weight.dtype,
        lambda get: ((0 if bias is None else get(bias) * scale(get)) + shift(get)).astype(get(weight).dtype),
    )
    return Make("Add", (Make("MatMul", (product.inputs[0], new_weight), shape=value.shape), new_bias))


def _normalization(node: Node) -> tuple[Formula, Formula, int] | None:
    """What a BatchNormalization multiplies by and adds, and the number of channels."""
    if len(node.inputs) != 5 or not all(is_parameter(value) for value in node.inputs[1:]):
        return None
    gamma, beta, mean, variance = (value for value in node.inputs[1:] if value is not None)
    epsilon = node.unseen.get("epsilon")
    channels = num_elements(gamma)
    if channels is None:
        return None

    def scale(get: Any) -> Array:
        small = node.attributes["epsilon"] if epsilon is None else get(epsilon)
        return np.asarray(get(gamma) / np.sqrt(get(variance) + small))

    return scale, lambda get: get(beta) - get(mean) * scale(get), channels


def affine(node: Node) -> Make | None:
    """A parameter of one value a channel, multiplied or added after a convolution, is folded into it."""
    pair = with_parameter(node)
    made = None if pair is None else maker(pair[0], *_CONVOLUTIONS)
    if pair is None or made is None or not used_once(pair[0]) or node.output.rank is None:
        return None
    value = pair[1]
    channels = per_channel(value, node.output.rank, 1)
    if channels is None:
        return None
    if node.op_type == "Mul":
        return _affine(made, lambda get: get(value).reshape(-1), lambda _get: np.zeros(channels), channels)
    return _affine(made, lambda _get: np.ones(channels), lambda get: get(value).reshape(-1), channels)


def padding(node: Node) -> Make | None:
    """Zeros that a Pad puts around what a Conv reads are the Conv's own pads."""
    made = maker(node.inputs[0], "Pad")
    if made is None or made.attributes.get("mode", "constant") != "constant" or made.input(2) is not None:
        return None
    pads, own = integers(made.input(1)), node.attributes.get("pads")
    if (
        pads is None
        or made.input(3) is not None
        or not isinstance(own, list)
        or node.attributes["auto_pad"] != "NOTSET"
    ):
        return None
    rank = len(pads) // 2
    if len(own) != 2 * (rank - 2) or min(pads) < 0 or any(pads[:2]) or any(pads[rank : rank + 2]):
        return None
    added = [a + b for a, b in zip(own, pads[2:rank] + pads[rank + 2 :], strict=True)]
    return Make("Conv", (made.inputs[0], *node.inputs[1:]), {**node.attributes, "pads": added})


def explicit_pads(node: Node) -> Make | None:
    """Padding by rule is padding by number, where the size of what is padded is known."""
    mode, data = node.attributes.get("auto_pad", "NOTSET"), node.inputs[0]
    kernel = node.attributes.get("kernel_shape")
    if mode == "NOTSET" or not isinstance(kernel, list) or data is None or data.rank is None:
        return None
    attributes = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
    pads = [0] * 2 * len(kernel)
    if mode != "VALID":
        for axis, size in enumerate(data.shape[2:] if data.shape else ()):
            if not isinstance(size, int):
                return None
            stride = node.attributes.get("strides", [1] * len(kernel))[axis]
            reach = (kernel[axis] - 1) * node.attributes.get("dilations", [1] * len(kernel))[axis] + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            small, large = total // 2, total - total // 2
            pads[axis], pads[axis + len(kernel)] = (small, large) if mode == "SAME_UPPER" else (large, small)
    return Make(node.op_type, tuple(node.inputs), {**attributes, "pads": pads}, num_outputs=1)


def without_epsilon(node: Node) -> Make | None:
    """An epsilon is no architecture: the normal form shows the default."""
    epsilon = node.attributes.get("epsilon")
    if "epsilon" in node.unseen or epsilon is None or any(node.outputs[1:]):
        return None
    attributes = {name: value for name, value in node.attributes.items() if name not in ("epsilon", "momentum")}
    value = constant(np.array(epsilon, np.float32))
    return Make(node.op_type, tuple(node.inputs), attributes, unseen={"epsilon": value})


RULES: Final = (
    Rule(
        "epsilon",
        ("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization"),
        without_epsilon,
    ),
    Rule("explicit-pads", ("Conv", "MaxPool", "AveragePool"), explicit_pads),
    Rule("gemm", ("Gemm",), gemm),
    Rule("divide", ("Div",), divide),
    Rule("subtract", ("Sub",), subtract),
    Rule("scaled-twice", ("Mul", "Add"), scaled_twice),
    Rule("batch-normalization", ("BatchNormalization",), batch_normalization),
    Rule("batch-normalization-of-linear", ("BatchNormalization",), batch_normalization_of_linear),
    Rule("affine", ("Mul", "Add"), affine),
    Rule("padding", ("Conv",), padding),
    Rule("linear-of-rows", ("MatMul",), linear_of_rows),
    Rule("bias-of-rows", ("Add",), bias_of_rows),
)
