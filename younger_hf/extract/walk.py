"""The walk over a model, field by field: payloads are skipped, and what is kept is checked.

In: the bytes of a model, of any size. Out: the bytes of its structure, small to parse; or the reason why they are no
model, and the byte at which they stop making sense. Of a large tensor only the header is touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import onnx

from younger_hf.extract.rules import RULES, Rules, read_dims
from younger_hf.extract.wire import BYTES, VARINT, ByteSource, WireError, encode_varint, fields

MAX_KEPT_ELEMENTS: Final = 64  # a tensor with more loses its values
MAX_VALUES: Final = 704  # bytes that 64 elements take at most: varints of ten bytes, each with its tag
MAX_DEPTH: Final = 100  # messages within messages: protobuf parses no more; a body takes three
MAX_STRUCTURE: Final = 1 << 29  # bytes that are kept of one model
MAX_MESSAGES: Final = 1 << 25  # messages in one model: 5 million nodes with their attributes

_SPEND_EVERY: Final = 1 << 12  # fields
_RELEASE_EVERY: Final = 1 << 23  # bytes; a page that is touched can bring two mapped MiB with it

_TENSOR: Final = RULES["TensorProto"]
_SPARSE_TENSOR: Final = RULES["SparseTensorProto"]
_TENSOR_FIELDS: Final = onnx.TensorProto.DESCRIPTOR.fields_by_name
_DIMS: Final = _TENSOR_FIELDS["dims"].number
_DATA_LOCATION: Final = _TENSOR_FIELDS["data_location"].number << 3 | VARINT
_VALUES: Final = {described.number for name, described in _TENSOR_FIELDS.items() if name.endswith("_data")}


class Walk:
    """One walk over a model. It counts what it keeps, so that no input makes it allocate without bound.

    Args:
        source: the bytes of an ONNX file.
        release: called every 8 MiB of `source`: what stands before is not read again and need not stay in memory.
        unread: a message of no more bytes is kept as it is.
        unread_tensor: likewise, a tensor.
        spend: told of every so many fields that are read; what it raises ends the walk.
    """

    def __init__(
        self,
        source: ByteSource,
        release: Callable[[], None] = lambda: None,
        unread: int = -1,
        unread_tensor: int = -1,
        spend: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._release = release
        self._unread = unread
        self._unread_tensor = unread_tensor
        self._spend = spend
        self._fields = 0
        self._messages = 0
        self._kept = 0
        self._released = 0

    def message(self, rules: Rules, start: int, end: int, depth: int = 0) -> bytearray | None:
        """Reduce the message in `source[start:end]` to its structure; None if it is nothing else.

        Raises:
            WireError: it is broken, or breaks a rule.
        """
        self._count(start, depth)
        source, by_tag, once = self._source, rules.by_tag, rules.once
        reduced = bytearray()
        copied = start  # what stands before this byte is in `reduced`
        seen = set()
        for tag, at, value, after in fields(source, start, end):
            self._fields += 1
            if self._fields == _SPEND_EVERY:
                self._fields = 0
                self._spend(_SPEND_EVERY)
            rule = by_tag.get(tag)
            replacement: bytes | None = None
            if isinstance(rule, Rules):
                if tag in once:
                    if tag in seen:
                        raise WireError(f"a second {rule.name} where there can be one", at)
                    seen.add(tag)
                if after - value <= (self._unread_tensor if rule is _TENSOR else self._unread):
                    continue
                if rule is _TENSOR:
                    body: bytearray | None = self._tensor(value, after, depth + 1, rules is not _SPARSE_TENSOR)
                else:
                    body = self.message(rule, value, after, depth + 1)
                if body is not None:
                    replacement = encode_varint(tag) + encode_varint(len(body)) + body
            elif rule is None:
                replacement = b""
            elif not rule(source, value, after):
                replacement = encode_varint(tag) + encode_varint(0)
            if replacement is not None:
                reduced += self._copy(copied, at)
                reduced += replacement
                copied = after
        if copied == start:
            return None
        reduced += self._copy(copied, end)
        return reduced

    def _tensor(self, start: int, end: int, depth: int, inline: bool) -> bytearray:
        """Reduce a TensorProto to dims, type, name and, if it is `inline` and small, its values."""
        self._count(start, depth)
        source = self._source
        reduced = bytearray()
        values = bytearray()
        dims: list[int] = []
        for tag, at, value, after in fields(source, start, end):
            rule = _TENSOR.by_tag.get(tag)
            number = tag >> 3
            if tag == _DATA_LOCATION:
                inline = inline and source[value:after] == b"\0"
            elif rule is None or isinstance(rule, Rules):
                continue
            elif number in _VALUES:
                inline = inline and len(values) + after - at <= MAX_VALUES
                if inline and rule(source, value, after):
                    values += source[at:after]
            else:
                if number == _DIMS:
                    if dims:
                        raise WireError("a second shape of one tensor", at)
                    dims = read_dims(source, value, after, packed=tag & 7 == BYTES)
                else:
                    rule(source, value, after)
                reduced += self._copy(at, after)
        if inline and math.prod(dims) <= MAX_KEPT_ELEMENTS:
            reduced += values
        return reduced

    def _copy(self, start: int, end: int) -> bytes:
        self._kept += end - start
        if self._kept > MAX_STRUCTURE:
            raise WireError(f"more than {MAX_STRUCTURE} bytes besides the tensors", start)
        return self._source[start:end]

    def _count(self, start: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise WireError("messages nested deeper than protobuf parses", start)
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise WireError(f"more than {MAX_MESSAGES} messages", start)
        if start - self._released > _RELEASE_EVERY:
            self._release()
            self._released = start
