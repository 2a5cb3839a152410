"""What the walk over a model does at each field: the allow-list, by tags, and a check of every value that is kept.

Out: `MODEL`, the rules of a ModelProto. By the tag of a field they give the rules of the message in it, or a check
of any other value. What has no entry is dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import onnx

from younger_hf.extract.allow_list import KEPT, WITH_METADATA
from younger_hf.extract.wire import BYTES, FIXED32, FIXED64, VARINT, ByteSource, WireError, read_varint

MAX_TEXT: Final = 1 << 20  # bytes of a name; a string attribute that is longer is read as an empty one
MAX_LIST: Final = 1 << 28  # bytes of a packed list of numbers
MAX_RANK: Final = 64  # NumPy knows no more either
MAX_ELEMENTS: Final = (1 << 63) - 1  # what an int64 counts, axes of length 0 apart

# Protobuf merges a second one into the first: two small tensors would become a larger one, two models a third.
_ONCE: Final = {"graph", "t", "g", "sparse_tensor", "values", "indices"}
_OVERLONG: Final = re.compile(rb"[\x80-\xff]{10}")

Check: TypeAlias = Callable[[ByteSource, int, int], bool]
"""Takes the range of a value; says whether it is kept (or emptied), or raises a `WireError`."""


@dataclass(frozen=True, eq=False)
class Rules:
    """What becomes of the fields of one message type.

    Attributes:
        name: the message type, as onnx.proto calls it.
        by_tag: the rules of the message in the field, or the check of any other value.
        once: the tags that may occur once.
    """

    name: str
    by_tag: dict[int, Rules | Check] = field(default_factory=dict)
    once: set[int] = field(default_factory=set)


def _rules_of(message: Any, known: dict[str, Rules], allowed: Mapping[str, str] = KEPT) -> Rules:
    """The rules of the message type of a descriptor, and of all that occur in it; numbers and types are onnx's own."""
    name: str = message.full_name.partition(".")[2]
    if name in known:
        return known[name]
    rules = known[name] = Rules(name)
    for kept in allowed[name].split():
        described = message.fields_by_name[kept]
        by_wire_type: dict[int, Rules | Check]
        if described.type == described.TYPE_MESSAGE:
            by_wire_type = {BYTES: _rules_of(described.message_type, known, allowed)}
            if kept in _ONCE:
                rules.once.add(described.number << 3 | BYTES)
        elif described.type == described.TYPE_STRING:
            by_wire_type = {BYTES: _is_text}
        elif described.type == described.TYPE_BYTES:
            by_wire_type = {BYTES: _is_short}
        elif described.type == described.TYPE_FLOAT:
            by_wire_type = {FIXED32: _is_scalar, BYTES: _is_packed_fixed32}
        elif described.type == described.TYPE_DOUBLE:
            by_wire_type = {FIXED64: _is_scalar, BYTES: _is_packed_fixed64}
        elif kept == "dims":
            by_wire_type = {VARINT: _is_shape, BYTES: _is_packed_shape}
        else:
            by_wire_type = {VARINT: _is_scalar, BYTES: _is_packed_varint}
        rules.by_tag.update({described.number << 3 | wire_type: rule for wire_type, rule in by_wire_type.items()})
    return rules


def read_dims(source: ByteSource, start: int, end: int, packed: bool) -> list[int]:
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
    if math.prod(filter(None, dims)) > MAX_ELEMENTS:
        raise WireError(f"a tensor of shape {dims}", start)
    return dims


def _is_shape(source: ByteSource, start: int, end: int) -> bool:
    read_dims(source, start, end, packed=False)
    return True


def _is_packed_shape(source: ByteSource, start: int, end: int) -> bool:
    read_dims(source, start, end, packed=True)
    return True


def _is_text(source: ByteSource, start: int, end: int) -> bool:
    if end - start > MAX_TEXT:
        raise WireError(f"a name of {end - start} bytes", start)
    text = source[start:end]
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise WireError("text that is not UTF-8", start + error.start) from None
    return True


def _is_short(_source: ByteSource, start: int, end: int) -> bool:
    return end - start <= MAX_TEXT


def _is_scalar(_source: ByteSource, _start: int, _end: int) -> bool:
    return True


def _is_packed_varint(source: ByteSource, start: int, end: int) -> bool:
    _check_packed(start, end, 1)
    packed = source[start:end]
    if packed and packed[-1] >= 0x80:
        raise WireError("a list that ends within a number", end)
    if overlong := _OVERLONG.search(packed):
        raise WireError("a number of more than 10 bytes", start + overlong.start())
    return True


def _is_packed_fixed32(_source: ByteSource, start: int, end: int) -> bool:
    _check_packed(start, end, 4)
    return True


def _is_packed_fixed64(_source: ByteSource, start: int, end: int) -> bool:
    _check_packed(start, end, 8)
    return True


def _check_packed(start: int, end: int, size: int) -> None:
    if end - start > MAX_LIST:
        raise WireError(f"a list of {end - start} bytes", start)
    if (end - start) % size:
        raise WireError("a list that ends within a number", end)


RULES: Final[dict[str, Rules]] = {}
MODEL: Final = _rules_of(onnx.ModelProto.DESCRIPTOR, RULES)
MODEL_WITH_METADATA: Final = _rules_of(
    onnx.ModelProto.DESCRIPTOR, {name: RULES[name] for name in ("TensorProto", "SparseTensorProto")}, WITH_METADATA
)
