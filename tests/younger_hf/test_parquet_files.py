"""Parquet files read a row group at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.crafted_parquet import with_num_rows

from younger_hf.errors import ReleaseError
from younger_hf.parquet_files import read_row_groups, read_schema


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"a": range(10), "b": range(10)}), path, row_group_size=4)
    return path


def test_row_groups_come_one_after_the_other_with_the_columns_asked_for(file):
    tables = list(read_row_groups(file, ["b"]))
    assert [table["b"].to_pylist() for table in tables] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [table.column_names for table in tables] == [["b"]] * 3
    assert next(read_row_groups(file)).column_names == ["a", "b"]
    assert [table.num_rows for table in read_row_groups(file, [])] == [4, 4, 2]
    assert read_schema(file).names == ["a", "b"]


def test_a_damaged_file_is_named_when_its_damage_is_met(file):
    group = pq.read_metadata(file).row_group(1)
    start = group.column(0).dictionary_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    file.write_bytes(content)
    tables = read_row_groups(file, ["a"])
    assert next(tables).num_rows == 4
    with pytest.raises(ReleaseError, match=r"numbers\.parquet is damaged .*: fetch or build it again"):
        next(tables)
    file.write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match=r"numbers\.parquet is damaged"):
        read_schema(file)
    file.unlink()
    with pytest.raises(ReleaseError, match=r"numbers\.parquet"):
        next(read_row_groups(file))


def test_a_file_whose_rows_are_not_those_of_its_footer_is_named(tmp_path):
    path = tmp_path / "single.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    path.write_bytes(with_num_rows(path.read_bytes(), 3, of_group=True))
    with pytest.raises(ReleaseError, match=r"single\.parquet is damaged \(.*1 rows, and its footer says 3"):
        list(read_row_groups(path))
