"""Files of an assembly: rows of numbers are found again, and what is wrong with a disk is told."""

from __future__ import annotations

from array import array
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.assemble.scratch_file import RaggedFile, ScratchTables, to_bytes, to_text

ROWS = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 9), max_size=4)), max_size=30)
SAME = st.none() | st.lists(st.integers(0, 4), min_size=10, max_size=10)


@settings(deadline=None)
@given(ROWS, SAME)
def test_a_row_lacks_what_no_other_has(tmp_path_factory: pytest.TempPathFactory, rows: list, same: list | None) -> None:
    def stands_for(number: int) -> int:
        return number if same is None else same[number]

    known = {stands_for(number) for is_one, numbers in rows if is_one for number in numbers}
    with closing(RaggedFile(tmp_path_factory.mktemp("ragged") / "numbers")) as file:
        for _, numbers in rows:
            file.append(array("i", sorted(numbers)))
        some = np.array([is_one for is_one, _ in rows], np.bool_)
        lacking = file.lack(some, None if same is None else np.array(same, np.int32))
    assert lacking.tolist() == [not {stands_for(number) for number in numbers} <= known for _, numbers in rows]


def test_more_rows_than_are_read_at_a_time(tmp_path: Path) -> None:
    number = (1 << 16) + 5
    with closing(RaggedFile(tmp_path / "numbers")) as file:
        for row in range(number):
            file.append(array("i", [row // 2]))
        some = np.arange(number) % 2 == 0
        some[-1] = False
        assert np.flatnonzero(file.lack(some)).tolist() == [number - 1]


def test_nothing_is_left_of_a_file_that_is_closed(tmp_path: Path) -> None:
    RaggedFile(tmp_path / "numbers").close()
    ScratchTables(tmp_path / "tables", "CREATE TABLE numbers (number);").close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read_before_the_file_is_closed(tmp_path: Path) -> None:
    with closing(ScratchTables(tmp_path / "tables", "CREATE TABLE names (name BLOB UNIQUE, number);")) as tables:
        for number, name in enumerate(("b", "a", "b", "\ud800")):
            tables.write("INSERT OR IGNORE INTO names VALUES (?, ?)", (to_bytes(name), number))
        tables.write_many("INSERT INTO names VALUES (?, ?)", ((to_bytes(name), 9) for name in "yz"))
        found = [(to_text(name), number) for name, number in tables.read("SELECT * FROM names ORDER BY name")]
        assert found == [("a", 1), ("b", 0), ("y", 9), ("z", 9), ("\ud800", 3)]
        assert tables.read_one("SELECT number FROM names WHERE name = ?", (b"c",)) is None


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unable to open database file"):
        ScratchTables(tmp_path / "missing" / "tables", "CREATE TABLE numbers (number);")
