"""Classes by their place: `package.module:Class`, or `path/to/file.py:Class`.

In goes a place; out comes what is there. Its module is run.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from younger_hf.errors import UsageError


def load_built_in(place: str) -> Any:
    """What stands at a place of our own."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def load_own(place: str) -> Any:
    """What stands at a place that a user names.

    Raises:
        UsageError: there is no such module, file or attribute, or its import fails.
    """
    where, _, attribute = place.rpartition(":")
    is_file = where.endswith(".py")
    try:
        module = _module_of_file(Path(where)) if is_file else import_module(where)
    except Exception as error:
        hint = "" if is_file else "; name a file as path/to/file.py:Class"
        raise UsageError(f"model {place} cannot be imported ({in_words(error)}){hint}") from error
    if not hasattr(module, attribute):
        raise UsageError(f"model {place} does not exist: {where} has no {attribute or 'empty name'}")
    return getattr(module, attribute)


def in_words(error: Exception) -> str:
    """An exception of someone else's code on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _module_of_file(file: Path) -> ModuleType:
    name = f"_younger_{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    module = module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
