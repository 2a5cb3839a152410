"""Text for a terminal: columns that line up, and names that do no harm."""

from __future__ import annotations

from younger_hf.errors import YoungerError
from younger_hf.text import plain, table


def test_a_name_cannot_act_on_a_terminal():
    assert plain("a\x1b[31m\nb\u202e") == "a [31m b"
    assert plain("x" * 1000) == "x" * 39 + "…"


def test_text_stands_to_the_left_and_numbers_to_the_right():
    assert table(("name", "", "n"), [("a", "long", "1"), ("bcdef", "", "1,000")], text_columns=2) == (
        "name             n\na      long      1\nbcdef        1,000"
    )


def test_a_table_without_rows_is_its_head():
    assert table(("name", "n"), []) == "name  n"


def test_what_a_terminal_would_act_on_is_escaped_in_every_error():
    error = YoungerError("\x1b]0;title\x07 and \x1b[2J\u202e of caf\u00e9 " + "x" * 10_000)
    assert str(error).startswith("\\x1b]0;title\\x07 and \\x1b[2J\\u202e of café xxx")
    assert len(str(error)) == 2000
    assert str(YoungerError("\udcff")) == "\\udcff"
    assert str(YoungerError()) == ""
