"""Flat memory and row boundaries of list columns, whatever kind of list, and what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from younger_hf import YoungerError
from younger_hf.list_columns import flatten_pairs, flatten_rows

INTEGERS = st.lists(st.integers(-5, 5), max_size=4)
PAIRS = INTEGERS.map(lambda row: [row, row[::-1]])


@given(st.lists(INTEGERS, max_size=6), st.integers(0, 6), st.sampled_from([pa.list_, pa.large_list]))
def test_rows_are_found_in_any_slice(rows, start, kind):
    values, ends = flatten_rows(pa.array(rows, kind(pa.int64())).slice(start), "c")
    assert [values[a.item() : b.item()].to_pylist() for a, b in pairwise(ends)] == rows[start:]


@given(
    st.lists(PAIRS, max_size=6), st.integers(0, 6), st.sampled_from([-1, 2]), st.sampled_from([pa.int64(), pa.int32()])
)
def test_pairs_are_found_in_any_slice(rows, start, size, width):
    values, ends = flatten_pairs(pa.array(rows, pa.list_(pa.list_(width), size)).slice(start), "c")
    found = [values[a.item() : b.item()].to_numpy().reshape(2, -1) for a, b in pairwise(ends)]
    assert [pair.tolist() for pair in found] == rows[start:]
    assert values.type == pa.int64()


def test_values_are_not_copied():
    column = pa.array([[1, 2], [3]])
    values, _ = flatten_rows(column, "c")
    assert np.shares_memory(values.to_numpy(), column.values.to_numpy())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[[1], [2, 3]]], "column c has rows whose two lists differ in length"),
        ([[[1], [2]], [[1]]], "column c has rows that are not two lists"),
        ([[[1], [2]], None], "column c has rows that are null"),
        ([[[1], None]], "column c has rows that are null"),
        ([[[1], [None]]], "column c has values that are null"),
        ([[["a"], ["b"]]], "column c holds string, not integers"),
        ([[1, 2]], "column c is int64, not a list"),
    ],
)
def test_what_is_no_pair_of_lists_is_refused_by_name(rows, message):
    with pytest.raises(YoungerError, match=message):
        flatten_pairs(pa.array(rows), "c")
