"""The card: what a source wrote means nothing but itself."""

from __future__ import annotations

import html
import re

import pytest

from builders.assemble.card import escape

HOSTILE = [
    "evil\n---\nlicense: mit",
    "---",
    "<script>alert(1)</script>",
    "<!-- ",
    "a | b | c",
    "{{ front_matter }}",
    "{% for x in y %}",
    "[click](https://example.com)",
    "![x](http://example.com/x.png)",
    "`code` **bold** _it_ ~~no~~",
    "# heading",
    "www.example.com",
    "me@example.com",
    "\u202egnp.exe",
    "a\x00b\x1b[31m",
    "&lt;b&gt;",
    "\\",
    "```\n\n# out\n",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_means_something_to_markdown_html_or_yaml_is_left(text: str) -> None:
    shown = escape(text)
    bare = re.sub(r"&#\d+;", "", shown)
    assert not re.search(r"[^\w\s./-]|_", bare)
    assert not re.search(r"(^|\s)-|-(\s|$)|www\.", bare)
    assert "\n" not in shown
    assert shown == shown.strip()


@pytest.mark.parametrize("text", ["microsoft/resnet-50", "bsd-3-clause", "v1.5", "Müller/模型"])
def test_an_ordinary_name_stays_readable(text: str) -> None:
    assert escape(text) == text


def test_a_reader_sees_the_characters_that_were_escaped() -> None:
    assert html.unescape(escape("a|b <c> {{d}} [e](f) `g`")) == "a|b <c> {{d}} [e](f) `g`"


def test_a_long_name_is_cut() -> None:
    assert len(html.unescape(escape("x" * 10_000))) <= 80
