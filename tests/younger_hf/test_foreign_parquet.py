"""Parquet of strangers: what is read is what is there, and what a footer says is not believed."""

from __future__ import annotations

import io

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.crafted_parquet import bomb, with_num_rows

from younger_hf.foreign_parquet import ForeignParquetError, read_foreign

SCHEMA = pa.schema([("name", pa.string()), ("values", pa.list_(pa.int64()))], metadata={"about": "this"})
TABLE = pa.Table.from_pylist([{"name": f"n{i}", "values": [i] * (i % 5)} for i in range(10_000)], schema=SCHEMA)


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=3000)
    return sink.getvalue()


def refused(content: bytes, **limits: int) -> str:
    with pytest.raises(ForeignParquetError) as caught:
        read_foreign(io.BytesIO(content), **limits)
    return str(caught.value)


def test_a_file_is_read_whole_with_its_metadata():
    found = read_foreign(io.BytesIO(written(TABLE)))
    assert found.equals(pq.read_table(io.BytesIO(written(TABLE))), check_metadata=True)


def test_the_columns_that_are_wanted_are_read_as_far_as_there_are_such():
    found = read_foreign(io.BytesIO(written(TABLE)), columns=["values", "nothing"])
    assert found.equals(TABLE.select(["values"]))


def test_a_file_without_rows_is_a_table_without_rows():
    assert read_foreign(io.BytesIO(written(TABLE.slice(0, 0)))).schema.equals(SCHEMA)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, written(TABLE)[:-50]])
def test_what_is_no_parquet_is_a_sentence(content):
    assert len(refused(content).splitlines()) == 1


def test_a_file_beyond_a_limit_is_a_sentence():
    assert refused(written(TABLE), most_rows=5000) == "it has more than 5,000 rows"
    assert refused(written(TABLE), most_bytes=100_000) == "it unpacks to more than 0 MiB"
    text = pa.Table.from_pylist([{"name": "x" * (300 << 20), "values": []}], schema=SCHEMA)
    assert refused(written(text), memory=200 << 20) == "it takes more than 200 MiB to decode"


def test_a_footer_is_not_believed():
    row = {"name": "", "values": []}
    assert refused(bomb(SCHEMA, row, "name", 300 << 20), memory=200 << 20) == "it takes more than 200 MiB to decode"
    single = written(TABLE.slice(0, 1))
    assert refused(with_num_rows(single, 5)) == "it says that it has 5 rows, and has 1"


def test_text_that_is_none_is_a_sentence():
    latin = pa.Array.from_buffers(pa.string(), 1, pa.array(["größe".encode("latin-1")], pa.binary()).buffers())
    assert "not valid" in refused(written(pa.table({"name": latin})))


def test_no_process_and_no_file_is_left():
    before = psutil.Process().num_fds(), psutil.Process().children()
    refused(b"nothing")
    read_foreign(io.BytesIO(written(TABLE)))
    assert (psutil.Process().num_fds(), psutil.Process().children()) == before
