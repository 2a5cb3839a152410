"""One opset: every node of ONNX's default domain, whatever version its model imports, at the normal form's.

Most operators only gained element types, or attributes whose defaults mean what was meant before. Where attributes
became inputs, or an operator was renamed, a function here says how. A node that cannot be raised stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import onnx

from younger_hf.extract.operator_rules import MEANING_CHANGED
from younger_hf.extract.operators import SINCE_VERSION, operator_schema
from younger_hf.recognise.matching import is_parameter
from younger_hf.recognise.network import OPSET, Network, Node, Value, constant, operator_of, parameter


class Raised(NamedTuple):
    """A node at the normal form's opset."""

    op_type: str
    attributes: dict[str, Any]
    inputs: list[Value | None]


def raise_opset(network: Network) -> None:
    """Raise every node to the normal form's opset, in place."""
    for node in network.nodes():
        if node.operator.domain or node.opset == OPSET:
            continue
        raised = _raised(node)
        if raised is None:
            continue
        if not node.bodies:
            node.operator = operator_of(raised.op_type, raised.attributes)
        node.opset = OPSET
        _rewire(node, raised.inputs)


def _rewire(node: Node, inputs: list[Value | None]) -> None:
    for value in node.inputs:
        if value is not None:
            value.users.pop(node, None)
    while inputs and inputs[-1] is None:
        inputs.pop()
    node.inputs = inputs
    for value in inputs:
        if value is not None:
            value.users[node] = value.users.get(node, 0) + 1


def _raised(node: Node) -> Raised | None:
    op_type = node.operator.op_type
    old = operator_schema("", op_type, node.opset)
    if old is None:
        return None
    attributes = {name: value for name, value in node.attributes.items() if name != SINCE_VERSION}
    plain = Raised(op_type, attributes, [*node.inputs])
    special = _SPECIAL.get(op_type)
    raised = plain if special is None else special(node, plain, old.since_version)
    if raised is None:
        return None
    new = operator_schema("", raised.op_type, OPSET)
    if (
        new is None
        or onnx.defs.get_schema(raised.op_type, OPSET).deprecated
        or not set(raised.attributes) <= set(new.types)
    ):
        return None
    if special is None and old.since_version < MEANING_CHANGED.get(op_type, 0):
        return None
    return raised


Special = Callable[[Node, Raised, int], Raised | None]


def _axes_to_input(_node: Node, plain: Raised, _since: int) -> Raised | None:
    axes = plain.attributes.pop("axes", None)
    if axes is None:
        return plain
    return plain._replace(inputs=[*plain.inputs[:1], constant(axes)]) if isinstance(axes, list) else None


def _split(node: Node, plain: Raised, since: int) -> Raised | None:
    sizes = plain.attributes.pop("split", None)
    inputs = plain.inputs
    if isinstance(sizes, list):
        inputs = [inputs[0], constant(sizes)]
    if len(inputs) == 1 and since < 18:
        plain.attributes["num_outputs"] = len(node.outputs)
    return plain._replace(inputs=inputs)


def _slice(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since >= 10:
        return plain
    bounds = [plain.attributes.pop(name, None) for name in ("starts", "ends", "axes")]
    if not all(isinstance(bound, list) for bound in bounds):
        return None
    return plain._replace(inputs=[plain.inputs[0], *map(constant, bounds)])


def _pad(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since >= 11:
        return plain
    pads = plain.attributes.pop("pads", plain.attributes.pop("paddings", None))
    value = plain.attributes.pop("value", 0.0)
    if not isinstance(pads, list):
        return None
    fill = [constant(np.array(value, np.float32))] if value else []
    return plain._replace(inputs=[plain.inputs[0], constant(pads), *fill])


def _clip(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since >= 11:
        return plain
    bounds = [plain.attributes.pop("min", None), plain.attributes.pop("max", None)]
    limit = float(str(np.finfo(np.float32).max))
    values = [
        None if bound is None or not isinstance(bound, float) or abs(bound) >= limit else constant(np.float32(bound))
        for bound in bounds
    ]
    return plain._replace(inputs=[plain.inputs[0], *values])


def _attribute_to_input(name: str) -> Special:
    def raised(_node: Node, plain: Raised, _since: int) -> Raised | None:
        value = plain.attributes.pop(name, None)
        if value is None:
            return plain
        return plain._replace(inputs=[plain.inputs[0], constant(value if isinstance(value, list) else [value])])

    return raised


def _resize(_node: Node, plain: Raised, since: int) -> Raised | None:
    """Upsample, and Resize at first, knew no way but to scale from the corner and round down."""
    if plain.op_type == "Resize" and since >= 11:
        return None if plain.attributes.get("coordinate_transformation_mode") == "tf_half_pixel_for_nn" else plain
    scales = plain.attributes.pop("scales", None)
    inputs = [plain.inputs[0], None, constant(np.array(scales, np.float32)) if scales else plain.inputs[-1]]
    mode = "linear" if plain.attributes.get("mode") == "bilinear" else plain.attributes.get("mode", "nearest")
    attributes = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return Raised("Resize", attributes, inputs) if len(plain.inputs) == 2 or scales else None


def _dropout(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since < 7 and not plain.attributes.get("is_test"):
        return None
    return Raised("Dropout", {}, plain.inputs if since >= 12 else plain.inputs[:1])


def _batch_normalization(node: Node, plain: Raised, since: int) -> Raised | None:
    if since < 7 or any(node.outputs[1:]) or plain.attributes.pop("spatial", 1) != 1:
        return None
    return plain


def _softmax(node: Node, plain: Raised, since: int) -> Raised | None:
    """Before 13 it went over all axes from one on: the same where that is the last."""
    if since >= 13:
        return plain
    axis, rank = plain.attributes.get("axis", 1), None if node.inputs[0] is None else node.inputs[0].rank
    if axis != -1 and (rank is None or axis != rank - 1):
        return None
    plain.attributes["axis"] = -1
    return plain


def _group_normalization(node: Node, plain: Raised, since: int) -> Raised | None:
    """Before 21 a group had one scale and one bias, and not each channel its own."""
    if since >= 21:
        return plain
    data = node.inputs[0]
    channels = data.shape[1] if data is not None and data.rank is not None and data.rank > 1 else None  # type: ignore[index]
    inputs: list[Value | None] = [data]
    for value in plain.inputs[1:]:
        shape = value.static_shape if value is not None else None
        if (
            not isinstance(channels, int)
            or value is None
            or not is_parameter(value)
            or not shape
            or channels % shape[0]
        ):
            return None
        times = channels // shape[0]
        inputs.append(
            parameter((channels,), value.dtype, lambda get, v=value, n=times: np.repeat(get(v), n))  # type: ignore[misc]
        )
    return plain._replace(inputs=inputs)


def _broadcast(_node: Node, plain: Raised, since: int) -> Raised | None:
    """Before 7 broadcasting was asked for; without an axis it was as it is now."""
    if since < 7:
        plain.attributes.pop("broadcast", None)
    return plain


def _grid_sample(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since < 20:
        mode = plain.attributes.get("mode", "bilinear")
        plain.attributes["mode"] = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    return plain


def _roi_align(_node: Node, plain: Raised, since: int) -> Raised | None:
    if since < 16:
        plain.attributes["coordinate_transformation_mode"] = "output_half_pixel"
    return plain


def _scan(_node: Node, plain: Raised, since: int) -> Raised | None:
    return plain if since >= 9 else None


def _conv_transpose(_node: Node, plain: Raised, since: int) -> Raised | None:
    """Version 11 exchanged what the two kinds of same padding mean."""
    return None if since < 11 and str(plain.attributes.get("auto_pad", "")).startswith("SAME") else plain


_REDUCTIONS: Final = tuple(
    f"Reduce{kind}" for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
)
_SPECIAL: Final[dict[str, Special]] = {
    **dict.fromkeys((*_REDUCTIONS, "Squeeze", "Unsqueeze"), _axes_to_input),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Gemm"), _broadcast),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "GridSample": _grid_sample,
    "GroupNormalization": _group_normalization,
    "Pad": _pad,
    "Reshape": _attribute_to_input("shape"),
    "RoiAlign": _roi_align,
    "Scan": _scan,
    "Slice": _slice,
    "Split": _split,
    "TopK": _attribute_to_input("k"),
}
