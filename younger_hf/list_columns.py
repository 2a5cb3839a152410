"""List columns of an Arrow table as flat memory and row boundaries: what a view of a row is cut from.

In goes one contiguous piece of a column; out come its innermost values and where each row begins in them.
Nothing is copied, whatever the column's offset, the width of its offsets, or the kind of list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.errors import YoungerError
from younger_hf.graph import IntArray


def flatten_rows(column: pa.Array, name: str) -> tuple[pa.Array, IntArray]:
    """The values of a column of lists, and the boundaries of its rows.

    Args:
        column: R rows, each a list of integers.
        name: the column's name, for the message.

    Returns:
        The values as int64, and int64 [R + 1]: row i is values[boundaries[i] : boundaries[i + 1]].

    Raises:
        YoungerError: the column is no list of integers, or has nulls.
    """
    values, boundaries = _open(column, np.arange(len(column) + 1), name)
    return _integers(values, name), boundaries


def flatten_pairs(column: pa.Array, name: str) -> tuple[pa.Array, IntArray]:
    """The values of a column whose every row is two lists of one length.

    Args:
        column: R rows, each a list of two lists of E integers.
        name: the column's name, for the message.

    Returns:
        As `flatten_rows`; both lists of a row lie one after the other, which is an array [2, E] as it stands.

    Raises:
        YoungerError: a row is not two lists of one length, or as for `flatten_rows`.
    """
    lists, boundaries = _open(column, np.arange(len(column) + 1), name)
    if (np.diff(boundaries) != 2).any():
        raise YoungerError(f"column {name} has rows that are not two lists")
    values, ends = _open(lists, np.arange(boundaries[0], boundaries[-1] + 1), name)
    if not np.array_equal(ends[1::2] - ends[:-1:2], ends[2::2] - ends[1::2]):
        raise YoungerError(f"column {name} has rows whose two lists differ in length")
    return _integers(values, name), ends[::2]


def _open(column: pa.Array, boundaries: IntArray, name: str) -> tuple[pa.Array, IntArray]:
    """Step into a list: boundaries in the lists become boundaries in what the lists hold."""
    if column.null_count:
        raise YoungerError(f"column {name} has rows that are null")
    if pa.types.is_fixed_size_list(column.type):
        # `values` is the whole of it even where the column is a slice; a list's `offsets` are the slice's own.
        return column.values, (boundaries + column.offset) * column.type.list_size
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.values, as_numpy(column.offsets)[boundaries].astype(np.int64)
    raise YoungerError(f"column {name} is {column.type}, not a list")


def _integers(values: pa.Array, name: str) -> pa.Array:
    if not pa.types.is_integer(values.type):
        raise YoungerError(f"column {name} holds {values.type}, not integers")
    if values.null_count:
        raise YoungerError(f"column {name} has values that are null")
    return values if values.type == pa.int64() else values.cast(pa.int64())


def as_numpy(numbers: pa.Array) -> NDArray[Any]:
    """The memory of an array of integers without nulls; by no way on which Arrow imports pandas, which takes longer."""
    memory = numbers.buffers()[1]
    dtype = np.dtype(str(numbers.type))
    return np.frombuffer(b"" if memory is None else memory, dtype)[numbers.offset : numbers.offset + len(numbers)]


def as_arrow(numbers: IntArray) -> pa.Array:
    """Integers as an array over the same memory; again without pandas."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def repeated(text: str, times: int) -> pa.Array:
    """An array that has one text again and again; again without pandas."""
    content = text.encode()
    ends = np.arange(times + 1, dtype=np.int32) * len(content)
    return pa.StringArray.from_buffers(times, pa.py_buffer(ends), pa.py_buffer(content * times))
