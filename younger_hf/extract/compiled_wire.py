"""The wire format for compiled code: fields of a message, and a hash table of texts that stand in the bytes.

In: bytes of any content, and a range of them. Out: where things stand. No read goes past the end of the range. Compiled
with numba; `wire` is the same for all other code, and says besides what is wrong.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.compiled import compiled, inlined

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Field = tuple[int, int, int, int]

_NAME: Final = 1 << 3 | 2
_FNV_OFFSET: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)


@compiled
def _varint(content: Bytes, at: int, end: int) -> tuple[int, int]:
    """The number at a byte, and where it ends; -1 there if it is none."""
    value = np.uint64(0)
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= np.uint64(byte & 0x7F) << np.uint64(shift)
        if byte < 0x80:
            return np.int64(value), at
    return np.int64(0), -1


@inlined
def field(content: Bytes, at: int, end: int) -> Field:
    """The field at a byte: tag, number (or how long it is), where its value begins, where it ends; -1 if it is none."""
    number, start, after = np.int64(0), np.int64(-1), np.int64(-1)
    tag = np.int64(0)
    if at < end:
        tag, start = np.int64(content[at]), at + 1
        if tag >= 0x80:
            tag, start = _varint(content, at, end)
    wire_type = tag & 7
    if start < 0:
        pass
    elif wire_type == 0 or wire_type == 2:
        if start < end and content[start] < 0x80:
            number, after = np.int64(content[start]), start + 1
        else:
            number, after = _varint(content, start, end)
        if wire_type == 2 and after >= 0:
            start = after
            after = start + number if 0 <= number <= end - start else -1
    elif wire_type == 5:
        after = start + 4
    elif wire_type == 1:
        after = start + 8
    if after > end:
        after = -1
    return tag, number, start, after


# Messages that hold others, by the number of the field: a model, a graph, a node, an attribute, a function. What holds
# nothing that could be many (tensors, names of values, opsets) is 5.
_MODEL, _GRAPH, _OF_NODE, _OF_ATTRIBUTE, _FUNCTION, _OTHER = range(6)
_HOLDS: Final = np.full((5, 32), -1, np.int64)
_HOLDS[_MODEL, [7, 8, 25]] = _GRAPH, _OTHER, _FUNCTION
_HOLDS[_GRAPH, [1, 5, 11, 12, 15]] = _OF_NODE, _OTHER, _OTHER, _OTHER, _OTHER
_HOLDS[_OF_NODE, 5] = _OF_ATTRIBUTE
_HOLDS[_OF_ATTRIBUTE, [5, 6, 10, 11, 14, 15, 22, 23]] = _OTHER, _GRAPH, _OTHER, _GRAPH, _OTHER, _OTHER, _OTHER, _OTHER
_HOLDS[_FUNCTION, [7, 9, 11]] = _OF_NODE, _OTHER, _OF_ATTRIBUTE
_DEEPEST: Final = 100


@compiled
def count_messages(content: Bytes) -> int:
    """How many messages are in a ModelProto, up to where it is broken or nested too deep."""
    ends = np.empty(_DEEPEST + 1, np.int64)
    kinds = np.empty(_DEEPEST + 1, np.int64)
    ends[0], kinds[0] = content.shape[0], _MODEL
    depth, at, messages = 0, 0, 0
    while depth >= 0:
        if at >= ends[depth]:
            depth -= 1
            continue
        tag, _, value, after = field(content, at, ends[depth])
        if after < 0:
            break
        at = after
        if tag & 7 != 2 or tag >> 3 >= 32:
            continue
        kind = _HOLDS[kinds[depth], tag >> 3]
        messages += kind >= 0
        if 0 <= kind < _OTHER and depth < _DEEPEST:
            depth += 1
            ends[depth], kinds[depth] = after, kind
            at = value
    return messages


@compiled
def value_name(content: Bytes, start: int, end: int) -> tuple[int, int]:
    """The name of a ValueInfoProto; -1 at its end if there is none."""
    while start < end:
        tag, _, value, after = field(content, start, end)
        if after < 0:
            break
        if tag == _NAME:
            return value, after
        start = after
    return 0, -1


@compiled
def says(content: Bytes, start: int, end: int, text: Bytes) -> bool:
    """Whether a range holds this text."""
    if end - start != text.shape[0]:
        return False
    for at in range(text.shape[0]):  # noqa: SIM110 - compiled: a loop is the fast form
        if content[start + at] != text[at]:
            return False
    return True


@compiled
def find(content: Bytes, start: int, end: int, table: Ints, spans: Ints) -> tuple[int, int]:
    """Where a text stands in a hash table, or would stand; and how many places were looked at."""
    key = _FNV_OFFSET
    for at in range(start, end):
        key = (key ^ np.uint64(content[at])) * _FNV_PRIME
    key ^= key >> np.uint64(32)
    mask = table.shape[0] - 1
    place = np.int64(key & np.uint64(mask))
    probes = 1
    while table[place] >= 0:
        first, last = spans[table[place], 0], spans[table[place], 1]
        if last - first == end - start:
            same = True
            for at in range(end - start):
                if content[first + at] != content[start + at]:
                    same = False
                    break
            if same:
                break
        place = (place + 1) & mask
        probes += 1
    return place, probes


@compiled
def hash_table(size: int) -> Ints:
    """An empty hash table, at most half full when so much is in it."""
    places = 16
    while places < 2 * size:
        places *= 2
    return np.full(places, -1, np.int64)
