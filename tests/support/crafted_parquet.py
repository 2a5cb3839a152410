"""Parquet files whose footer lies: small files that unpack to much, or that have not the rows they claim."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def with_footer(content: bytes, old: int, new: int) -> bytes:
    """The file with every number `old` of its footer replaced by `new`.

    Numbers of the footer (Thrift's compact protocol) are zigzag varints; one may be written longer than it need be, so
    that nothing moves.
    """
    (length,) = struct.unpack("<I", content[-8:-4])
    start = len(content) - 8 - length
    was = _varint(old)
    changed = content[start:-8].replace(was, _varint(new, len(was)))
    assert changed != content[start:-8]
    return content[:start] + changed + content[-8:]


def bomb(schema: pa.Schema, row: dict[str, object], column: str, size: int) -> bytes:
    """A file of one row with so many bytes in one column, that says it has few."""
    table = pa.Table.from_pylist([{**row, column: "a" * size}], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False)
    content = sink.getvalue()
    metadata = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    number = schema.names.index(column)
    content = with_footer(content, metadata.column(number).total_uncompressed_size, 36)
    return with_footer(content, metadata.total_byte_size, 36)


def with_num_rows(content: bytes, num_rows: int, *, of_group: bool = False) -> bytes:
    """A file of one row that says it has so many, where the footer counts those of all row groups, or of the one."""
    (length,) = struct.unpack("<I", content[-8:-4])
    start = len(content) - 8 - length
    footer = content[start:-8]
    # In FileMetaData the third field, an i64, comes before the list of row groups: 0x16, the number, 0x19. In RowGroup
    # it is the last but those of version 2, which begin with 0x26, an i64 two fields on.
    at = footer.rindex(b"\x16\x02\x26") if of_group else footer.index(b"\x16\x02\x19")
    footer = footer[: at + 1] + _varint(num_rows) + footer[at + 2 :]
    return content[:start] + footer + content[-8:]


def falsify(release: Path, config: str) -> Path:
    """Have the first file of a config of a release say that it has no rows."""
    file = sorted(release.glob(f"{config}/*.parquet"))[0]
    pq.write_table(pq.read_table(file).slice(0, 1), file)
    file.write_bytes(with_num_rows(file.read_bytes(), 0))
    return file


def _varint(number: int, length: int = 0) -> bytes:
    """A zigzag varint, of this length if one is given."""
    number <<= 1
    digits = bytearray()
    while number or not digits or len(digits) < length:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits[-1] &= 0x7F
    return bytes(digits)
