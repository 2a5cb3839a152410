"""Digests of rows are equal for equal values, however Arrow holds them, and tell all others apart."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from younger_hf.row_digests import row_digests

MODELS = pa.list_(pa.struct([("id", pa.string()), ("tags", pa.list_(pa.string()))]))
TABLE = pa.table(
    {
        "number": pa.array([1, None, 0, 1]),
        "real": pa.array([1.5, float("nan"), None, 1.5]),
        "flag": pa.array([True, False, None, True]),
        "name": pa.array(["x", "", None, "x"]),
        "bytes": pa.array([b"\0", b"", None, b"\0"]),
        "nodes": pa.array([[1, 2], [], None, [1, 2]]),
        "pairs": pa.array([[[1], [2, 3]], [[], []], None, [[1], [2, 3]]], pa.list_(pa.list_(pa.int64()), 2)),
        "models": pa.array([[{"id": "a", "tags": ["t"]}], [], None, [{"id": "a", "tags": ["t"]}]], MODELS),
    }
)


def digest(value: Any, kind: pa.DataType | None = None) -> int:
    return int(row_digests(pa.table({"column": pa.array([value], kind)}))[0])


def test_equal_rows_have_equal_digests_whatever_chunks_and_offsets():
    digests = row_digests(TABLE)
    assert digests[0] == digests[3]
    assert len(set(digests.tolist())) == 3
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1, 2), TABLE.slice(3)])
    assert (row_digests(chunked) == digests).all()
    assert (row_digests(TABLE.slice(2)) == digests[2:]).all()
    assert (row_digests(TABLE.select(TABLE.column_names[::-1])) == digests).all()
    assert row_digests(TABLE.slice(4)).shape == (0,)


@pytest.mark.parametrize("column", TABLE.column_names)
def test_every_column_counts(column):
    number = TABLE.column_names.index(column)
    other = TABLE.set_column(number, column, TABLE.column(column).take(pa.array([1, 0, 1, 2])))
    assert (row_digests(TABLE) != row_digests(other)).all()
    renamed = TABLE.rename_columns([f"{name}s" if name == column else name for name in TABLE.column_names])
    assert (row_digests(TABLE) != row_digests(renamed)).all()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2], [2, 1]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[]], []),
        ([0], [0, 0]),
        ([None], [0]),
        (["ab", "c"], ["a", "bc"]),
        ([{"a": "x", "b": "y"}], [{"a": "y", "b": "x"}]),
    ],
)
def test_order_nesting_and_absence_count(left, right):
    kind = pa.array([left, right]).type
    assert digest(left, kind) != digest(right, kind)


def test_widths_and_kinds_of_lists_do_not_count():
    assert digest([1, 2], pa.list_(pa.int32())) == digest([1, 2], pa.large_list(pa.int64()))
    assert digest([1, 2], pa.list_(pa.int8(), 2)) == digest([1, 2])
    assert digest("a", pa.large_string()) == digest("a") == digest(b"a")
    assert digest(date(2026, 11, 24)) != digest(date(2026, 11, 25))


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=4), min_size=1, max_size=20))
def test_digests_are_equal_exactly_where_lists_are(lists):
    digests = row_digests(pa.table({"column": pa.array(lists, pa.list_(pa.int64()))})).tolist()
    for left, one in zip(lists, digests, strict=True):
        assert [one == other for other in digests] == [left == right for right in lists]
