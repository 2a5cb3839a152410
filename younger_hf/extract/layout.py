"""Which fields of an ONNX model are structure: the allow-list of the weightless reader, message by message.

Out: `MODEL`, the layout of a ModelProto. By the tag of a field it gives the layout of the message in it, or a check
of any other value. What has no entry is dropped: doc strings, metadata, producer, value_info, training_info,
quantization_annotation, external_data, and every field that onnx does not define.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import onnx

from younger_hf.extract.wire import BYTES, FIXED32, FIXED64, VARINT, Source, WireError, read_varint

MAX_TEXT: Final = 1 << 20  # bytes of a name; a string attribute that is longer is read as an empty one
MAX_LIST: Final = 1 << 28  # bytes of a packed list of numbers
MAX_RANK: Final = 64  # NumPy knows no more either

_KEPT: Final = {
    "ModelProto": "ir_version opset_import graph functions",
    "OperatorSetIdProto": "domain version",
    "GraphProto": "node name initializer sparse_initializer input output",
    "FunctionProto": "name input output attribute attribute_proto node opset_import domain overload",
    "NodeProto": "input output name op_type domain overload attribute",
    "AttributeProto": "name ref_attr_name type f i s t g sparse_tensor tp"
    " floats ints strings tensors graphs sparse_tensors type_protos",
    "TensorProto": "dims data_type name raw_data float_data int32_data int64_data uint64_data double_data string_data",
    "SparseTensorProto": "values indices dims",
    "ValueInfoProto": "name type",
    "TypeProto": "tensor_type sequence_type map_type optional_type sparse_tensor_type opaque_type denotation",
    "TypeProto.Tensor": "elem_type shape",
    "TypeProto.Sequence": "elem_type",
    "TypeProto.Map": "key_type value_type",
    "TypeProto.Optional": "elem_type",
    "TypeProto.SparseTensor": "elem_type shape",
    "TypeProto.Opaque": "domain name",
    "TensorShapeProto": "dim",
    "TensorShapeProto.Dimension": "dim_value dim_param denotation",
}
# Protobuf merges a second one into the first: two small tensors would become a larger one, two models a third.
_ONCE: Final = {"graph", "t", "g", "sparse_tensor", "values", "indices"}
_OVERLONG: Final = re.compile(rb"[\x80-\xff]{10}")

Check: TypeAlias = Callable[[Source, int, int], bool]
"""Takes the range of a value; says whether it is kept (or emptied), or raises a `WireError`."""


@dataclass(frozen=True, eq=False)
class Layout:
    """What becomes of the fields of one message type.

    Attributes:
        name: the message type, as onnx.proto calls it.
        rules: by tag, the layout of the message in the field, or the check of any other value.
        once: the tags that may occur once.
    """

    name: str
    rules: dict[int, Layout | Check] = field(default_factory=dict)
    once: set[int] = field(default_factory=set)


def _layout_of(message: Any, known: dict[str, Layout]) -> Layout:
    """The layout of the message type of a descriptor, and of all that occur in it; numbers and types are onnx's own."""
    name: str = message.full_name.partition(".")[2]
    if name in known:
        return known[name]
    layout = known[name] = Layout(name)
    for kept in _KEPT[name].split():
        described = message.fields_by_name[kept]
        rules: dict[int, Layout | Check]
        if described.type == described.TYPE_MESSAGE:
            rules = {BYTES: _layout_of(described.message_type, known)}
            if kept in _ONCE:
                layout.once.add(described.number << 3 | BYTES)
        elif described.type == described.TYPE_STRING:
            rules = {BYTES: _is_text}
        elif described.type == described.TYPE_BYTES:
            rules = {BYTES: _is_short}
        elif described.type == described.TYPE_FLOAT:
            rules = {FIXED32: _is_scalar, BYTES: _is_packed_fixed32}
        elif described.type == described.TYPE_DOUBLE:
            rules = {FIXED64: _is_scalar, BYTES: _is_packed_fixed64}
        elif kept == "dims":
            rules = {VARINT: _is_shape, BYTES: _is_packed_shape}
        else:
            rules = {VARINT: _is_scalar, BYTES: _is_packed_varint}
        layout.rules.update({described.number << 3 | wire_type: rule for wire_type, rule in rules.items()})
    return layout


def read_dims(source: Source, start: int, end: int, packed: bool) -> list[int]:
    """Read the dimensions of a tensor: packed, or a run of fields whose first tag stands before `start`.

    Raises:
        WireError: a shape that no array can have.
    """
    dims: list[int] = []
    pos = start
    while pos < end:
        at = pos + 1 if dims and not packed else pos
        dim, pos = read_varint(source, at, end)
        if dim >> 63:
            raise WireError(f"a dimension of {dim - (1 << 64)}", at)
        dims.append(dim)
        if len(dims) > MAX_RANK:
            raise WireError(f"a tensor of more than {MAX_RANK} dimensions", at)
    if math.prod(filter(None, dims)) >> 63:  # more elements than an int64 counts
        raise WireError(f"a tensor of shape {dims}", start)
    return dims


def _is_shape(source: Source, start: int, end: int) -> bool:
    read_dims(source, start, end, packed=False)
    return True


def _is_packed_shape(source: Source, start: int, end: int) -> bool:
    read_dims(source, start, end, packed=True)
    return True


def _is_text(source: Source, start: int, end: int) -> bool:
    if end - start > MAX_TEXT:
        raise WireError(f"a name of {end - start} bytes", start)
    text = source[start:end]
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise WireError("text that is not UTF-8", start + error.start) from None
    return True


def _is_short(_source: Source, start: int, end: int) -> bool:
    return end - start <= MAX_TEXT


def _is_scalar(_source: Source, _start: int, _end: int) -> bool:
    return True


def _is_packed_varint(source: Source, start: int, end: int) -> bool:
    _check_packed(start, end, 1)
    packed = source[start:end]
    if packed and packed[-1] >= 0x80:
        raise WireError("a list that ends within a number", end)
    if overlong := _OVERLONG.search(packed):
        raise WireError("a number of more than 10 bytes", start + overlong.start())
    return True


def _is_packed_fixed32(_source: Source, start: int, end: int) -> bool:
    _check_packed(start, end, 4)
    return True


def _is_packed_fixed64(_source: Source, start: int, end: int) -> bool:
    _check_packed(start, end, 8)
    return True


def _check_packed(start: int, end: int, size: int) -> None:
    if end - start > MAX_LIST:
        raise WireError(f"a list of {end - start} bytes", start)
    if (end - start) % size:
        raise WireError("a list that ends within a number", end)


LAYOUTS: Final[dict[str, Layout]] = {}
MODEL: Final = _layout_of(onnx.ModelProto.DESCRIPTOR, LAYOUTS)
