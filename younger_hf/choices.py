"""Validation of a name that a user gave: the error suggests close matches."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from younger_hf.errors import UsageError

_MOST_LISTED: Final = 20


def check_choice(kind: str, name: str, choices: Iterable[str]) -> None:
    """Refuse a name that is not among the choices.

    Args:
        kind: what is chosen, for the message: "config", "split", "column".
        name: what the user asked for.
        choices: the names that exist.

    Raises:
        UsageError: the name is none of them; the message gives the nearest ones, or the first if none is near.
    """
    names = list(choices)
    if name in names:
        return
    by_lower_case = {choice.lower(): choice for choice in reversed(names)}
    near = [by_lower_case[match] for match in get_close_matches(name.lower(), by_lower_case, n=3)]
    if near:
        hint = "did you mean " + " or ".join(near) + "?"
    elif names:
        more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        hint = "there is " + ", ".join(names[:_MOST_LISTED]) + more
    else:
        hint = "there is none at all"
    raise UsageError(f"no {kind} {name!r}: {hint}")
