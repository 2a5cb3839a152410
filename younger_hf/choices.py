"""A name that a user gave, held against the names that there are: the nearest ones go into the error."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from younger_hf.errors import UsageError


def check_choice(kind: str, name: str, choices: Iterable[str]) -> None:
    """Refuse a name that is not among the choices.

    Args:
        kind: what is chosen, for the message: "config", "split", "column".
        name: what the user asked for.
        choices: the names that exist.

    Raises:
        UsageError: the name is none of them; the message gives the nearest ones, or all if none is near.
    """
    names = list(choices)
    if name in names:
        return
    near = get_close_matches(name, names, n=3)
    if near:
        hint = "did you mean " + " or ".join(near) + "?"
    else:
        hint = "there is " + ", ".join(names) if names else "there is none at all"
    raise UsageError(f"no {kind} {name!r}: {hint}")
