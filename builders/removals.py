"""Removals: the models whose owners asked for them to be left out, as `removals.txt` of a release names them.

In goes the text of that file; out come `Removals`, which say of a model whether it is to be left out. A line is the id
of a model of any source, or `owner/*` for all models of an owner; what follows a `#` is a comment. Upper and lower
case are one, as they are on the Hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from younger_hf.errors import ReleaseError

REMOVALS: Final = "removals.txt"

_COMMENT: Final = re.compile(r"(^|\s)#.*")
_ALL_OF_AN_OWNER: Final = re.compile(r"[^*/]+/\*")


@dataclass(frozen=True)
class Removals:
    """What is to be left out.

    Attributes:
        lines: those of the file, comments and all, each once.
    """

    lines: tuple[str, ...] = ()

    @classmethod
    def parse(cls, content: bytes, name: str) -> Removals:
        """Read the content of a file.

        Args:
            content: UTF-8.
            name: what the file is called in a message.

        Raises:
            ReleaseError: a line is none that could mean a model, so that what was asked for would not be done.
        """
        try:
            lines = content.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ReleaseError(f"{name} is not UTF-8: save it as such") from error
        for number, line in enumerate(lines, start=1):
            entry = _entry(line)
            if "://" in entry or not entry.isprintable() or _has_stray_star(entry):
                raise ReleaseError(
                    f"line {number} of {name} is {line!r}: write the id of one model there, as in organisation/name, "
                    "or organisation/* for all of an owner"
                )
        return cls(tuple(dict.fromkeys(line.rstrip() for line in lines)))

    @classmethod
    def of_directory(cls, directory: Path) -> Removals:
        """Read the file of a release directory; nothing is removed where there is none.

        Raises:
            ReleaseError: as `parse`, or the file cannot be read.
        """
        file = directory / REMOVALS
        try:
            return cls.parse(file.read_bytes(), str(file)) if file.exists() else cls()
        except OSError as error:
            raise ReleaseError(f"{file} cannot be read ({error.strerror})") from error

    @cached_property
    def entries(self) -> frozenset[str]:
        """The ids and patterns, without comments, in lower case."""
        return frozenset(filter(None, (_entry(line).casefold() for line in self.lines)))

    def cover(self, model_id: str) -> bool:
        """Whether a model is to be left out."""
        model_id = model_id.casefold()
        owner, slash, _ = model_id.partition("/")
        return model_id in self.entries or f"{owner}{slash}*" in self.entries

    def first(self, model_ids: Iterable[str]) -> str | None:
        """The first of some models that is to be left out."""
        return next(filter(self.cover, model_ids), None)

    def unmatched(self, model_ids: Iterable[str]) -> frozenset[str]:
        """The entries that none of some models is meant by."""
        found: set[str] = set()
        for model_id in map(str.casefold, model_ids):
            owner, slash, _ = model_id.partition("/")
            found |= {model_id, f"{owner}{slash}*"}
        return self.entries - found

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return "".join(f"{line}\n" for line in self.lines).encode()

    def __or__(self, other: Removals) -> Removals:
        """What either leaves out."""
        return Removals(tuple(dict.fromkeys((*self.lines, *other.lines))))


def _entry(line: str) -> str:
    return _COMMENT.sub("", line).strip()


def _has_stray_star(entry: str) -> bool:
    return "*" in entry and not _ALL_OF_AN_OWNER.fullmatch(entry)
