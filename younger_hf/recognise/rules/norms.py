"""Normalisation and pooling that exporters spell out in arithmetic are one operator each."""

from __future__ import annotations

from typing import Final

import numpy as np

from younger_hf.extract.flat_model import ValueKind
from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.matching import (
    axes_of,
    is_parameter,
    is_scalar,
    maker,
    per_channel,
    used_once,
    with_parameter,
)
from younger_hf.recognise.network import Make, Node, Shape, Value, constant, parameter
from younger_hf.recognise.rules.layout import reshape_to, transpose_perm


def _square_of(value: Value | None) -> Value | None:
    """What a value is the square of, as Mul(x, x) or as Pow(x, scalar)."""
    made = maker(value, "Mul", "Pow")
    if made is None or len(made.inputs) != 2:
        return None
    base, other = made.inputs
    return base if (base is other if made.op_type == "Mul" else is_scalar(other)) else None


def _mean_square_root(value: Value | None) -> tuple[Value, int, Value] | None:
    """Of sqrt(mean(x²) + c): x, the first of the last axes that the mean goes over, counted from the end, and c."""
    root = maker(value, "Sqrt")
    added = with_parameter(None if root is None else maker(root.inputs[0], "Add"))
    if added is None or not is_scalar(added[1]):
        return None
    mean = maker(added[0], "ReduceMean")
    axis = None if mean is None else _last_axes(mean)
    data = None if mean is None else _square_of(mean.inputs[0])
    return None if axis is None or data is None else (data, axis, added[1])


def _last_axes(mean: Node) -> int | None:
    """The first axis, counted from the end, of a reduction over the last axes that keeps them."""
    data = mean.inputs[0]
    axes = None if data is None else axes_of(mean, 1, data.rank)
    if not axes or data is None or data.rank is None or not mean.attributes.get("keepdims", 1):
        return None
    return axes[0] - data.rank if axes == [*range(axes[0], data.rank)] else None


def _divided_by_root(node: Node) -> tuple[Value, int, Value] | None:
    """Of x / sqrt(mean(x²) + c), as a Div or as a Mul with the Reciprocal: x, the axis and c."""
    pairs = [(node.inputs[0], node.input(1))]
    if node.op_type == "Mul":
        pairs.append((node.input(1), node.inputs[0]))
    for data, divisor in pairs:
        if node.op_type == "Mul":
            inverse = maker(divisor, "Reciprocal", "Div")
            if inverse is None or (inverse.op_type == "Div" and not is_scalar(inverse.inputs[0])):
                continue
            divisor = inverse.inputs[-1]
        found = _mean_square_root(divisor)
        if found is not None and found[0] is data:
            return found
    return None


def _ones(shape: Shape, dtype: int) -> Value | None:
    dims = tuple(dim for dim in shape if isinstance(dim, int))
    if len(dims) < len(shape):
        return None
    return parameter(dims, dtype, lambda _get: np.ones(dims, np.float32))


def root_mean_square(node: Node) -> Make | None:
    """Division by sqrt(mean(x²) + c) is RMSNormalization (Zhang, Sennrich 2019); of x - mean(x), LayerNormalization."""
    found = _divided_by_root(node)
    if found is None:
        return None
    data, axis, epsilon = found
    scale = None if data.shape is None else _ones(data.shape[axis:], data.dtype)
    if scale is None:
        return None
    centred = maker(data, "Sub")
    mean = None if centred is None else maker(centred.input(1), "ReduceMean")
    if centred is not None and mean is not None and mean.inputs[0] is centred.inputs[0] and _last_axes(mean) == axis:
        return Make("LayerNormalization", (centred.inputs[0], scale), {"axis": axis}, unseen={"epsilon": epsilon})
    return Make("RMSNormalization", (data, scale), {"axis": axis}, unseen={"epsilon": epsilon})


def scale_of_norm(node: Node) -> Make | None:
    """What multiplies the result of a normalisation, along the axes that it scales, is its scale."""
    pair = with_parameter(node)
    norm = None if pair is None else maker(pair[0], "LayerNormalization", "RMSNormalization")
    if pair is None or norm is None or any(norm.outputs[1:]) or not used_once(pair[0]):
        return None
    scale, by, bias = norm.input(1), pair[1], norm.input(2)
    if scale is None or not is_parameter(scale) or _trimmed(by.shape) != _trimmed(scale.shape):
        return None
    shape = scale.shape or ()
    new_scale = parameter(shape, scale.dtype, lambda get: get(scale) * get(by).reshape(get(scale).shape))
    if bias is None:
        return Make(norm.op_type, (norm.inputs[0], new_scale), norm.attributes, unseen=norm.unseen)
    new_bias = parameter(shape, bias.dtype, lambda get: get(bias) * get(by).reshape(get(bias).shape))
    return Make(norm.op_type, (norm.inputs[0], new_scale, new_bias), norm.attributes, unseen=norm.unseen)


def bias_of_norm(node: Node) -> Make | None:
    """What is added to the result of a LayerNormalization, along the axes that it scales, is its bias."""
    pair = with_parameter(node)
    norm = None if pair is None else maker(pair[0], "LayerNormalization")
    if pair is None or norm is None or any(norm.outputs[1:]) or not used_once(pair[0]):
        return None
    scale, by, bias = norm.input(1), pair[1], norm.input(2)
    if scale is None or _trimmed(by.shape) != _trimmed(scale.shape):
        return None
    new_bias = parameter(
        scale.shape or (),
        by.dtype,
        lambda get: get(by).reshape(get(scale).shape) + (0 if bias is None else get(bias)),
    )
    return Make("LayerNormalization", (*norm.inputs[:2], new_bias), norm.attributes, unseen=norm.unseen)


def _trimmed(shape: Shape | None) -> Shape | None:
    """A shape without the ones that it begins with."""
    if shape is None:
        return None
    at = next((at for at, dim in enumerate(shape) if dim != 1), len(shape) - 1)
    return shape[max(at, 0) :]


def group_normalization(node: Node) -> Make | None:
    """An InstanceNormalization of groups of channels, laid out as channels, is GroupNormalization (Wu and He, 2018)."""
    inner = maker(node.inputs[0], "InstanceNormalization")
    laid_out = None if inner is None else maker(inner.inputs[0], "Reshape")
    data = None if laid_out is None else laid_out.inputs[0]
    if inner is None or laid_out is None or data is None or not data.shape or data.shape != node.output.shape:
        return None
    grouped, channels = laid_out.output.shape, data.shape[1]
    if grouped is None or len(grouped) != 3 or grouped[0] != data.shape[0]:
        return None
    groups, scale, bias = grouped[1], inner.input(1), inner.input(2)
    if not isinstance(groups, int) or not isinstance(channels, int) or channels % groups:
        return None
    if scale is None or bias is None or not is_parameter(scale) or not is_parameter(bias):
        return None
    times = channels // groups
    inputs = (
        data,
        parameter((channels,), scale.dtype, lambda get: np.repeat(get(scale), times)),
        parameter((channels,), bias.dtype, lambda get: np.repeat(get(bias), times)),
    )
    attributes = {"num_groups": groups, "epsilon": inner.attributes["epsilon"]}
    return Make("GroupNormalization", inputs, attributes, unseen=inner.unseen)


_CHANNEL_NORMS: Final = ("GroupNormalization", "InstanceNormalization", "BatchNormalization")


def affine_of_norm(node: Node) -> Make | None:
    """One value a channel that multiplies, or is added to, the result of a normalisation is its scale or its bias."""
    pair = with_parameter(node)
    norm = None if pair is None else maker(pair[0], *_CHANNEL_NORMS)
    if pair is None or norm is None or any(norm.outputs[1:]) or not used_once(pair[0]) or node.output.rank is None:
        return None
    by, scale, bias = pair[1], norm.input(1), norm.input(2)
    if scale is None or bias is None or not is_parameter(scale) or not is_parameter(bias):
        return None
    channels = per_channel(by, node.output.rank, 1)
    if channels is None or scale.shape != (channels,):
        return None
    if node.op_type == "Mul":
        scale = parameter((channels,), scale.dtype, lambda get, old=scale: get(old) * get(by).reshape(-1))  # type: ignore[misc]
        bias = parameter((channels,), bias.dtype, lambda get, old=bias: get(old) * get(by).reshape(-1))  # type: ignore[misc]
    else:
        bias = parameter((channels,), bias.dtype, lambda get, old=bias: get(old) + get(by).reshape(-1))  # type: ignore[misc]
    return Make(norm.op_type, (norm.inputs[0], scale, bias, *norm.inputs[3:]), norm.attributes, unseen=norm.unseen)


_GLOBAL: Final = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool", "AveragePool": "GlobalAveragePool"}
_IMAGE_RANK: Final = 4


def global_pool(node: Node) -> Make | None:
    """A ReduceMean or ReduceMax over all but batch and channels is a GlobalAveragePool or GlobalMaxPool."""
    data = node.inputs[0]
    axes = None if data is None else axes_of(node, 1, data.rank)
    if data is None or data.shape is None or len(data.shape) < _IMAGE_RANK or axes != [*range(2, len(data.shape))]:
        return None
    kept = (*data.shape[:2], *[1] * len(axes))
    pooled = Make(_GLOBAL[node.op_type], (data,), shape=kept)
    if node.attributes.get("keepdims", 1):
        return pooled
    return Make("Reshape", (pooled, constant([0, -1] if not isinstance(kept[1], int) else [0, kept[1]])))


def whole_pool(node: Node) -> Make | None:
    """An AveragePool with one window over all of the image is a GlobalAveragePool."""
    data, kernel = node.inputs[0], node.attributes.get("kernel_shape")
    if data is None or data.shape is None or list(data.shape[2:]) != kernel or any(node.attributes.get("pads", [1])):
        return None
    return Make("GlobalAveragePool", (data,))


def single_window(node: Node) -> Value | None:
    """A pool over windows of one element is what goes into it."""
    kernel, strides, pads = (node.attributes.get(name, [0]) for name in ("kernel_shape", "strides", "pads"))
    alone = not any(node.outputs[1:])
    return node.inputs[0] if alone and {*kernel} == {1} and {*strides} == {1} and not any(pads) else None


def reduce_keeping(node: Node) -> Make | None:
    """A reduction keeps its axes; where it did not, a Reshape takes them away."""
    data = node.inputs[0]
    axes = None if data is None else axes_of(node, 1, data.rank)
    if data is None or data.shape is None or axes is None or node.attributes.get("keepdims", 1):
        return None
    kept = tuple(1 if at in axes else dim for at, dim in enumerate(data.shape))
    reduced = Make(node.op_type, tuple(node.inputs), {**node.attributes, "keepdims": 1}, shape=kept)
    holder = Value(ValueKind.NODE, kept)
    laid = None if node.output.shape is None else reshape_to(holder, node.output.shape)
    return None if laid is None else Make("Reshape", (reduced, laid.inputs[1]))


def reduce_before_transpose(node: Node) -> Make | None:
    """A reduction of what a Transpose gives is done before it."""
    inner = maker(node.inputs[0], "Transpose")
    perm = None if inner is None else transpose_perm(inner)
    if inner is None or perm is None or not node.attributes.get("keepdims", 1) or not used_once(inner.output):
        return None
    axes = axes_of(node, 1, len(perm))
    if axes is None or inner.inputs[0] is None or node.output.shape is None:
        return None
    shape: list[int | str | None] = [None] * len(perm)
    for at, axis in enumerate(perm):
        shape[axis] = node.output.shape[at]
    reduced = Make(
        node.op_type,
        (inner.inputs[0], constant(sorted(perm[axis] for axis in axes))),
        node.attributes,
        shape=tuple(shape),
    )
    return Make("Transpose", (reduced,), {"perm": perm})


_REDUCTIONS: Final = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceL2")

RULES: Final = (
    Rule("single-window", ("MaxPool", "AveragePool"), single_window),
    Rule("whole-pool", ("AveragePool",), whole_pool),
    Rule("global-pool", ("ReduceMean", "ReduceMax"), global_pool),
    Rule("reduce-before-transpose", _REDUCTIONS, reduce_before_transpose),
    Rule("reduce-keeping", _REDUCTIONS, reduce_keeping),
    Rule("root-mean-square", ("Div", "Mul"), root_mean_square),
    Rule("scale-of-norm", ("Mul",), scale_of_norm),
    Rule("bias-of-norm", ("Add",), bias_of_norm),
    Rule("group-normalization", ("Reshape",), group_normalization),
    Rule("affine-of-norm", ("Mul", "Add"), affine_of_norm),
)
