"""Extensions by name: a table of the built-in ones, and the entry points of installed packages.

A name stands for an object, or for its place `package.module:attribute`, which is imported on first use. A package
adds one by an entry point, without a fork:

    [project.entry-points."younger_hf.sources"]
    atlas = "younger_atlas:SOURCE"
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from younger_hf.choices import check_choice
from younger_hf.errors import YoungerError

Kind = TypeVar("Kind")


class ExtensionError(YoungerError):
    """An installed package adds something that cannot be used."""


@dataclass(frozen=True)
class Extensions(Generic[Kind]):
    """Everything of a kind, by name.

    Attributes:
        kind: what it is called in messages: "source".
        group: the entry points that add to it: "younger_hf.sources".
        type: what each must be.
        built_in: by name, the object or its place. No entry point takes a name of these.
    """

    kind: str
    group: str
    type: type[Kind]
    built_in: dict[str, Kind | str]

    @property
    def names(self) -> list[str]:
        """All names, those that are built in first."""
        return [*self.built_in, *(name for name in _installed(self.group) if name not in self.built_in)]

    def get(self, name: str) -> Kind | None:
        """What is known by this name, None if nothing is.

        Raises:
            ExtensionError: it cannot be imported, is not what it has to be, or two packages add the name.
        """
        found = self.built_in.get(name)
        if found is None:
            points = _installed(self.group).get(name, ())
            if len(points) > 1:
                raise ExtensionError(f"the {self.kind} {name} is added by several packages: {_places(points)}")
            found = points[0].value if points else None
        if not isinstance(found, str):
            return found
        try:
            loaded = EntryPoint(name, found, self.group).load()
        except (ImportError, AttributeError) as error:
            raise ExtensionError(f"the {self.kind} {name} cannot be imported from {found}: {error}") from error
        if not isinstance(loaded, self.type):
            raise ExtensionError(
                f"the {self.kind} {name} is a {type(loaded).__name__} in {found}, and has to be a {self.type.__name__}"
            )
        return loaded

    def find(self, name: str) -> Kind:
        """What is known by this name.

        Raises:
            UsageError: nothing is; the message names what is near.
            ExtensionError: as `get`.
        """
        found = self.get(name)
        if found is None:
            check_choice(self.kind, name, self.names)
            raise AssertionError(name)
        return found


def _installed(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of a group by name; looked up once for each state of the import path."""
    return _on_path(group, tuple(sys.path))


@lru_cache
def _on_path(group: str, path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:  # noqa: ARG001
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        # A package that the path has twice is found twice.
        if point.value not in (other.value for other in found.get(point.name, ())):
            found[point.name] = (*found.get(point.name, ()), point)
    return dict(sorted(found.items()))


def _places(points: tuple[EntryPoint, ...]) -> str:
    return ", ".join(point.value for point in points)
