"""Settings declared once, in a dataclass, for the command line, TOML files and validation.

In goes a field with its help, limits and choices; out come validated values. A subclass that changes
a default alone keeps the rest of the declaration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Final

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError

_KINDS: Final[dict[str, Any]] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


@dataclass(frozen=True)
class Declaration:
    """What is said of a setting.

    Attributes:
        help: for the command line.
        least: the smallest value of a number.
        above: a number must be larger than this.
        choices: the values of a string.
    """

    help: str = ""
    least: float | None = None
    above: float | None = None
    choices: Sequence[str] = ()


def setting(
    help: str,  # noqa: A002 - as argparse and typer call it
    default: Any = MISSING,
    *,
    least: float | None = None,
    above: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A field of a dataclass with its `Declaration`; without a default it must be given."""
    return field(default=default, metadata={"setting": Declaration(help, least, above, choices)})


def declaration(kind: type, name: str) -> Declaration:
    """What is said of a setting where it was declared: by the dataclass, or the nearest one that it derives from."""
    for each in kind.__mro__:
        found = getattr(each, "__dataclass_fields__", {}).get(name)
        if found is not None and "setting" in found.metadata:
            return found.metadata["setting"]  # type: ignore[no-any-return]
    return Declaration()


def check_settings(settings: Any) -> None:
    """Refuse values outside of their limits and choices, and numbers that are none.

    Args:
        settings: an instance of a dataclass; None is a value of any setting that has it as its default.

    Raises:
        UsageError: the message names the setting.
    """
    for each in fields(settings):
        value, said = getattr(settings, each.name), declaration(type(settings), each.name)
        if value is None:
            continue
        if said.choices:
            check_choice(each.name.replace("_", " "), value, said.choices)
        if isinstance(value, int | float) and not isinstance(value, bool):
            too_small = (said.least is not None and value < said.least) or (
                said.above is not None and value <= said.above
            )
            if too_small or not math.isfinite(value):
                limit = f"more than {said.above:g}" if said.above is not None else f"{said.least or 0:g} or more"
                raise UsageError(f"{each.name} must be {limit}, not {value}")


def typed_settings(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values from a file as the types that the fields of a dataclass have; 1 is a float where one is wanted.

    Raises:
        UsageError: a value of another type; the message names the setting.
    """
    annotations = {each.name: annotation_of(each) for each in fields(kind)}
    return {name: _typed(name, value, annotations[name]) for name, value in values.items()}


def annotation_of(each: Field[Any]) -> str:
    """The type of a field as it is written, whether annotations are kept as text or not: "int", "str | None"."""
    return getattr(each.type, "__name__", None) or str(each.type)


def _typed(name: str, value: Any, annotation: str) -> Any:
    base = annotation.partition(" |")[0]
    if value is None and annotation.endswith("| None"):
        return value
    if not isinstance(value, _KINDS[base]) or (isinstance(value, bool) and base != "bool"):
        raise UsageError(f"{name} is {annotation}, not {value!r}")
    return float(value) if base == "float" else value
