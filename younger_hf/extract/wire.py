"""The protobuf wire format: where each field of a message begins and ends, and nothing of what it means.

In: anything with a length and random access to its bytes, and the range of a message in it. Out: the ranges of its
fields. What a field holds is never read here, so stepping over a tensor of gigabytes costs what its header costs.
Encoding: https://protobuf.dev/programming-guides/encoding/. Bounds are those of protobuf's own parser (upb).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, Protocol, overload

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_HEADER_BYTES: Final = 5  # the longest tag and the longest length: 32 GiB
_VARINT_BYTES: Final = 10
_STEPS: Final = 64  # a run of more is no shape: reading ahead cannot reach into a payload behind the shape
_CHUNK: Final = 1 << 16
_RUN_ELEMENT: Final = {
    VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]",
    FIXED64: rb"[\x00-\xff]{8}",
    FIXED32: rb"[\x00-\xff]{4}",
}


class ByteSource(Protocol):
    """Bytes that can be read anywhere: `bytes`, `mmap.mmap`, or blocks fetched by HTTP range requests."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int, /) -> int: ...

    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...


class WireError(ValueError):
    """The bytes break the wire format, or a rule about what it carries.

    Attributes:
        reason: what is wrong.
        offset: at which byte of the source.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


def fields(source: ByteSource, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Walk over the fields of the message in `source[start:end]`.

    Repeated scalars that are not packed come as one run: a range with several fields of the same tag.

    Yields:
        (tag, field, value, after): the tag (field number << 3 | wire type), where the tag stands, where the value
        stands (behind the tag and the length), and where the next field begins.

    Raises:
        WireError: a field is cut off, runs past the end of its message, or is none.
    """
    pos = start
    while pos < end:
        field = pos
        tag = source[pos]
        pos += 1
        if tag >= 0x80:
            tag, pos = read_varint(source, field, end, _HEADER_BYTES)
        if tag & 7 == BYTES:
            size = source[pos] if pos < end else 0x80
            pos += 1
            if size >= 0x80:
                if pos < end and (high := source[pos]) < 0x80:  # two bytes, as of most nodes
                    size, pos = size & 0x7F | high << 7, pos + 1
                else:
                    size, pos = read_varint(source, pos - 1, end, _HEADER_BYTES)
            value = pos
            pos += size
        else:
            value = pos
            pos = _scalar_end(source, tag, field, pos, end)
        if tag < 8 or tag >> 32:
            raise WireError(f"field number {tag >> 3}, which cannot be", field)
        if pos > end:
            raise WireError(f"field {tag >> 3} needs {pos - value} bytes where {max(end - value, 0)} are left", field)
        yield tag, field, value, pos


def read_varint(source: ByteSource, pos: int, end: int, longest: int = _VARINT_BYTES) -> tuple[int, int]:
    """Read the integer of variable length at `pos`.

    Returns:
        The unsigned value, in 64 bits, and where it ends.

    Raises:
        WireError: it has more than `longest` bytes, or `end` comes first.
    """
    value = shift = 0
    for at in range(pos, min(pos + longest, end)):
        byte = source[at]
        if byte < 0x80:
            return (value | byte << shift) & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if end - pos < longest:
        raise WireError("the bytes end within a number", pos)
    raise WireError(f"a number of more than {longest} bytes", pos)


def _scalar_end(source: ByteSource, tag: int, field: int, pos: int, end: int) -> int:
    """Where the scalar at `pos` ends, or the run of fields of the same tag that it begins."""
    for _ in range(_STEPS):
        pos = _value_end(source, tag, field, pos, end)
        if tag >= 0x80 or pos >= end or source[pos] != tag:
            return pos
        pos += 1
    pos = _value_end(source, tag, field, pos, end)
    run = _run_of(tag)
    while match := run.match(source[pos : min(pos + _CHUNK, end)]):
        pos += match.end()
    return pos


def _value_end(source: ByteSource, tag: int, field: int, pos: int, end: int) -> int:
    wire_type = tag & 7
    if wire_type == VARINT:
        return pos + 1 if pos < end and source[pos] < 0x80 else read_varint(source, pos, end)[1]
    if wire_type == FIXED32:
        return pos + 4
    if wire_type == FIXED64:
        return pos + 8
    raise WireError(f"wire type {wire_type}, which ONNX does not use", field)


@cache
def _run_of(tag: int) -> re.Pattern[bytes]:
    """Match scalar fields of one tag (a single byte) as often as they follow each other."""
    return re.compile(b"(?:" + re.escape(bytes([tag])) + _RUN_ELEMENT[tag & 7] + b")+")


def encode_varint(value: int) -> bytes:
    """Encode a number that is not negative."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
