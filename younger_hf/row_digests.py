"""A digest of every row of an Arrow table, to compare two releases without holding either in memory.

In goes a table of any types, lists and structs within each other too; out come 64 bits a row: equal for equal values,
whatever the chunks, offsets and widths that Arrow holds them in. Two different rows share one by chance, of 2⁻⁶⁴.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import ArrayLike, NDArray

Digests: TypeAlias = NDArray[np.uint64]

_NULL: Final = np.uint64(0x9E3779B97F4A7C15)
_STEP: Final = np.uint64(0xD1B54A32D192ED03)


def row_digests(table: pa.Table) -> Digests:
    """The digest of each row; the order of the columns does not matter, their names do.

    Args:
        table: R rows.

    Returns:
        uint64 [R].
    """
    digests = np.zeros(table.num_rows, np.uint64)
    for column in table.column_names if table.num_rows else ():
        values = pa.concat_arrays(table.column(column).chunks)
        digests += _mix(_digests(values) ^ np.uint64(_of_bytes(column.encode())))
    return _mix(digests)


def _digests(array: Any) -> Digests:
    """The digest of each value of an array."""
    digests = _mix(_bits(array))
    if array.null_count:
        digests[array.is_null().to_numpy(zero_copy_only=False)] = _NULL
    return digests


def _bits(array: Any) -> Digests:
    kind = array.type
    if kinds.is_struct(kind):
        fields = [_digests(field) * _nth(place) for place, field in enumerate(array.flatten())]
        of_structs: Digests = np.sum(fields, axis=0, dtype=np.uint64)
        return of_structs
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return _of_lists(array)
    if kinds.is_floating(kind):
        return _numbers(array.cast(pa.float64()), 0.0)
    if kinds.is_integer(kind) and kind != pa.uint64():
        return _numbers(array.cast(pa.int64()), 0)
    if kinds.is_boolean(kind):
        return _numbers(array.cast(pa.int8()).cast(pa.int64()), 0)
    if not (kinds.is_binary(kind) or kinds.is_large_binary(kind)):
        array = array.cast(pa.string()).cast(pa.binary())
    # The same strings come over and over: each is read once.
    encoded = array.dictionary_encode()
    distinct = [_of_bytes(value.as_buffer()) for value in encoded.dictionary]
    known = np.array([*distinct, 0], np.uint64)
    of_strings: Digests = known[encoded.indices.fill_null(len(distinct)).to_numpy()]
    return of_strings


def _of_lists(array: Any) -> Digests:
    """Of each list: the sum of its values' digests, each times a number of its place, which tells orders apart."""
    values = _digests(array.flatten())
    lengths = pc.list_value_length(array).fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    places = np.arange(len(values), dtype=np.int64) - np.repeat(starts, lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values * _nth(places))])
    of_lists: Digests = sums[ends] - sums[starts] + lengths.astype(np.uint64) * _STEP
    return of_lists


def _numbers(array: Any, missing: float) -> Digests:
    values: Digests = array.fill_null(missing).to_numpy(zero_copy_only=False).view(np.uint64)
    return values


def _nth(places: ArrayLike) -> Digests:
    """An odd number for each place."""
    odd: Digests = _mix(np.atleast_1d(places).astype(np.uint64) + _STEP) | np.uint64(1)
    return odd


def _mix(values: Digests) -> Digests:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection in which every bit counts."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    mixed: Digests = values ^ (values >> np.uint64(31))
    return mixed


def _of_bytes(value: Any) -> int:
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "little")
