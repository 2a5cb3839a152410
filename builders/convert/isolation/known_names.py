"""The names that a module tree may keep: those of the installed libraries; others become numbers. `known_names`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from builders.convert.module_tree import LIBRARIES, Module, ModuleTree

_NAME: Final = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_PART: Final = re.compile(r"\w{1,64}", re.ASCII)
_NUMBER: Final = re.compile(r"#[0-9]{1,6}")
_PART_OR_NUMBER: Final = re.compile(rf"{_PART.pattern}|{_NUMBER.pattern}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,6}")


def known_names(tree: ModuleTree, *, published_code: bool) -> ModuleTree:
    """The tree with numbers (`#0`, `#1`, …, by first appearance) for the names that nobody can vouch for.

    Args:
        tree: as a child has told it.
        published_code: whether a publisher's code was run, which names modules as it likes: then of the parts of a
            path only positions in a list stay.
    """
    return _named(tree, _is_class, _DIGITS if published_code else _PART)


def plausible_names(tree: ModuleTree) -> ModuleTree:
    """The same for a tree that was published: on a machine without the libraries, their names must do."""
    return _named(tree, _may_be_class, _PART_OR_NUMBER)


def _named(tree: ModuleTree, is_class: Callable[[str], bool], known_part: re.Pattern[str]) -> ModuleTree:
    kinds: dict[str, str] = {}
    parts: dict[str, str] = {}
    modules = []
    for module in tree.modules:
        kind = module.kind if is_class(module.kind) else kinds.setdefault(module.kind, f"#{len(kinds)}")
        path = ".".join(
            part if known_part.fullmatch(part) else parts.setdefault(part, f"#{len(parts)}")
            for part in filter(None, module.path.split("."))
        )
        modules.append(Module(path, kind, module.parent))
    return ModuleTree(tuple(modules), tree.node)


def _may_be_class(kind: str) -> bool:
    """Whether it is written as a class of a library is, and is one where that library is installed."""
    library, *names = kind.split(".")
    if _NUMBER.fullmatch(kind):
        return True
    if library not in LIBRARIES or not names or not all(map(_NAME.fullmatch, names)):
        return False
    return find_spec(library) is None or _is_class(kind)


@cache
def _is_class(kind: str) -> bool:
    """Whether one of the libraries defines this class; they are read and not imported."""
    library, *names = kind.split(".")
    if library not in LIBRARIES or not names or not all(map(_NAME.fullmatch, names)):
        return False
    spec = find_spec(library)
    root = next(iter(spec.submodule_search_locations or ()), None) if spec else None
    if root is None:
        return False
    for split in reversed(range(len(names))):
        module = Path(root, *names[:split])
        for file in (module.with_suffix(".py"), module / "__init__.py"):
            if file.is_file():
                source = file.read_text(encoding="utf-8", errors="replace")
                return all(re.search(rf"^\s*class {name}\b", source, re.MULTILINE) for name in names[split:])
    return False
