"""HTML of the explorer's pages: `render`. Whatever stands in a row or was handed in is escaped by Jinja."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from younger_hf import __version__
from younger_hf.text import plain

UNKNOWN: Final = "–"
_LONGEST: Final = 300


def render(template: str, **values: Any) -> str:
    """A template as HTML."""
    return str(_environment().get_template(f"{template}.html").render(**values))


def number(value: int | None) -> str:
    """A number with separators, or that it is not known."""
    return UNKNOWN if value is None else f"{value:,}"


def short(value: int | None) -> str:
    """A large number in three digits: 25.6 M."""
    if value is None:
        return UNKNOWN
    for unit, name in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}\N{NO-BREAK SPACE}{name}"
    return str(value)


def words(value: Any) -> str:
    """A text from anywhere on one line, or that it is not known."""
    return plain(str(value), _LONGEST) if value not in (None, "") else UNKNOWN


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("younger_hf.explore"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "short": short, "words": words}
    environment.globals["version"] = __version__
    return environment
