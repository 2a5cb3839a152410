"""An installed package, whose source text says which models it has: importing a framework costs seconds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from younger_hf.errors import MissingExtraError


@dataclass(frozen=True)
class Installed:
    """A package: the directory of its modules, and its version."""

    directory: Path
    version: str


def installed(package: str, extra: str, distribution: str = "") -> Installed:
    """Find a package without importing it.

    Args:
        package: the name that it is imported by.
        extra: the extra of younger-hf that installs it.
        distribution: the name that it is installed by, where that is another.

    Raises:
        MissingExtraError: it is not installed.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtraError(distribution or package, extra)
    return Installed(Path(found.origin).parent, version(distribution or package))
