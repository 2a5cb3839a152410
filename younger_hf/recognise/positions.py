"""What depends on positions alone: the masks of attention, and the angles of rotary embeddings.

An exporter that knows how long a text is carries them out; another has them computed from how long it is, or from graph
inputs that number the tokens, or say which of them are padding. For the fingerprint they are left out, and of a mask
nothing but whether it depends on the position that attends, as a causal one does.
"""

from __future__ import annotations

from typing import Final

from onnx import TensorProto

from younger_hf.recognise.matching import REAL
from younger_hf.recognise.network import Network, Node, Value, operator_of
from younger_hf.recognise.rules.constants import FOLDED

_SIZES: Final = frozenset({"Shape", "Size"})
_LINEAR: Final = frozenset({"MatMul", "Gemm", "Einsum", "Softmax"})
_COMPUTED: Final = frozenset(FOLDED)
_COUNTS: Final = frozenset({TensorProto.BOOL, TensorProto.INT32, TensorProto.INT64})
_ELEMENTWISE: Final = frozenset(
    """
    Abs Add And Cast CastLike Ceil Clip Div Equal Exp Floor Greater GreaterOrEqual Identity Less LessOrEqual Log Max Min
    Mod Mul Neg Not Or Pow Reciprocal Relu Round Sign Sqrt Sub Sum Where Xor
    """.split()
)
_ANGLE_SLOTS: Final = (1, 2)
_MASK_SLOT: Final = 3


def without_positions(network: Network) -> None:
    """Take masks and angles that depend on positions alone from the operators that use them, in place.

    A mask that depends on the position that attends is said by `is_causal`: which positions it lets attend to which,
    only values tell, and these count as parameters.
    """
    angles: set[Value] = set()
    by_row: dict[Value, bool] = {}
    for value in network.main.inputs:
        if value.dtype in _COUNTS:
            angles.add(value)
            by_row[value] = _has_rows(value)
    for node in network.nodes():
        if node.op_type == "RotaryEmbedding":
            for slot in _ANGLE_SLOTS:
                if node.input(slot) in angles:
                    disconnect(node, slot)
        elif node.op_type == "Attention" and node.input(_MASK_SLOT) is not None:
            _unmask(node, by_row)
        elif not node.bodies and not any(node.outputs[1:]):
            _follow(node, angles, by_row)


def _unmask(node: Node, by_row: dict[Value, bool]) -> None:
    mask = node.inputs[_MASK_SLOT]
    causal = None if mask is None else _of_all(mask) if mask.is_tensor else by_row.get(mask)
    if causal is None:
        return
    disconnect(node, _MASK_SLOT)
    if causal:
        node.operator = operator_of("Attention", {**node.attributes, "is_causal": 1})


def _follow(node: Node, angles: set[Value], by_row: dict[Value, bool]) -> None:
    """Whether what a node makes depends on positions alone, and whether it is another for each that attends."""
    output = node.output
    if node.op_type in _SIZES:
        angles.add(output)
        by_row[output] = False
        return
    if node.op_type not in _COMPUTED:
        return
    fed = [value for value in node.inputs if value is not None]
    if all(value.is_tensor or value in angles for value in fed):
        angles.add(output)
    if node.op_type in _LINEAR:
        return
    rows = [_rows_of_tensor(value) if value.is_tensor else by_row.get(value) for value in fed]
    if None not in rows:
        by_row[output] = _has_rows(output) and _varies(node, [bool(each) for each in rows])


def _varies(node: Node, rows: list[bool]) -> bool:
    """Whether what a node makes varies along the last axis but one; where that is not known, it does."""
    if node.op_type in _ELEMENTWISE:
        return any(rows)
    if node.op_type == "ConstantOfShape":
        return False
    if node.op_type == "Expand":
        return rows[0]
    before, after = getattr(node.inputs[0], "shape", None), node.output.shape
    if node.op_type in ("Slice", "Reshape") and before is not None and after is not None and len(before) > 1:
        same = node.op_type == "Slice" or (before[-2:] == after[-2:] and None not in after[-2:])
        return rows[0] if same else True
    return True


def _has_rows(value: Value) -> bool:
    return value.shape is None or (len(value.shape) > 1 and value.shape[-2] != 1)


def _rows_of_tensor(value: Value) -> bool | None:
    """Whether a tensor varies by row; None where, of reals, it is no mask of positions, but another for each head."""
    shape = value.static_shape
    if shape is None or value.dtype not in REAL:
        return _has_rows(value)
    heads, rows, columns = (1, 1, 1, *shape)[-3:]
    return rows != 1 if heads == 1 and rows == columns else None


def _of_all(mask: Value) -> bool | None:
    """As `_rows_of_tensor`; None where it is another for each window of an image, too."""
    return _rows_of_tensor(mask) if all(dim == 1 for dim in (mask.shape or ())[:-2]) else None


def disconnect(node: Node, slot: int) -> None:
    """Let a node not use what another makes for it; what is no node's stays, since the fingerprint does not show it."""
    value = node.input(slot)
    if value is not None and value.producer is not None:
        node.inputs[slot] = None
        value.users[node] -= 1
        if not value.users[node]:
            del value.users[node]
