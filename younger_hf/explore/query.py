"""What Browse is asked: `Query`, which a URL's query string says whole, so that a link shows the same rows again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from urllib.parse import urlencode

PAGE: Final = 50
"""Rows of a page."""
SORTS: Final = ("name", "num_nodes", "num_edges", "num_parameters", "macs", "depth", "downloads", "num_models")
"""The columns that rows are sorted by."""
NAMED: Final = ("source", "family", "task", "license")
"""The columns that are compared with a name."""
LEAST: Final = {"min_nodes": "num_nodes", "min_parameters": "num_parameters"}
MOST: Final = {"max_nodes": "num_nodes", "max_parameters": "num_parameters"}

_LONGEST: Final = 200  # characters of a value
_MOST_OPERATORS: Final = 20
_LARGEST: Final = 10**15


@dataclass(frozen=True)
class Query:
    """Which rows, and in what order.

    Attributes:
        q: words; the name, family or fingerprint of a row has each of them, in any case.
        source: where the model is from; "" for anywhere, as for the three that follow.
        family: its family.
        task: its task.
        license: the identifier of its licence.
        all_of: operator types all of which the graph has.
        any_of: operator types of which the graph has one at least.
        min_nodes: the fewest operators of a graph; None for any number, as for the three that follow.
        max_nodes: the most.
        min_parameters: the fewest parameters.
        max_parameters: the most.
        sort: one of `SORTS`; "" for the order of the release.
        order: `asc` or `desc`.
        page: from 1.
    """

    q: str = ""
    source: str = ""
    family: str = ""
    task: str = ""
    license: str = ""
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    min_nodes: int | None = None
    max_nodes: int | None = None
    min_parameters: int | None = None
    max_parameters: int | None = None
    sort: str = ""
    order: str = "asc"
    page: int = 1

    @classmethod
    def parse(cls, given: Iterable[tuple[str, str]]) -> Query:
        """The query of a query string, as names and values; what makes no sense in it is passed over."""
        values: dict[str, Any] = {}
        for name, value in given:
            value = value[:_LONGEST].strip()
            if name in ("q", *NAMED):
                values[name] = value
            elif name in ("all_of", "any_of"):
                names = (one.strip() for one in value.split(","))
                values[name] = tuple(dict.fromkeys(one for one in names if one))[:_MOST_OPERATORS]
            elif name in (*LEAST, *MOST):
                values[name] = _number(value)
            elif name == "page":
                values[name] = max(1, _number(value) or 1)
            elif (name == "sort" and value in SORTS) or (name == "order" and value in ("asc", "desc")):
                values[name] = value
        return cls(**values)

    def params(self) -> dict[str, str]:
        """What is not as by default, as names and values."""
        found: dict[str, str] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = ",".join(value) if isinstance(value, tuple) else str(value)
        return found

    def url(self, **changes: Any) -> str:
        """The address of the query with changes; another page than the first only if that is one of them."""
        changed = replace(self, **{"page": 1, **changes})
        text = urlencode(changed.params())
        return f"/?{text}" if text else "/"

    def sorted_by(self, column: str) -> str:
        """The address that sorts by a column, the other way round if it is sorted by it."""
        first = "asc" if column == "name" else "desc"
        turned = {"asc": "desc", "desc": "asc"}[self.order] if self.sort == column else first
        return self.url(sort=column, order=turned)

    @property
    def conditions(self) -> Mapping[str, str]:
        """What is asked besides order and page, to be shown: names and values."""
        return {name: value for name, value in self.params().items() if name not in ("sort", "order", "page")}


def _number(text: str) -> int | None:
    digits = text.replace(",", "").replace(" ", "")
    if not (digits.isascii() and digits.isdecimal()):
        return None
    return min(int(digits[:16]), _LARGEST)
