"""Which modules of a network its nodes came from, as the model itself says.

In go nodes; out comes a `ModuleTree`, or None where nothing tells. torch's exporters tell: the newer one in the
metadata of nodes, the older one in their names (`/layer1/layer1.0/conv1/Conv`), as others do that put slashes in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from younger_hf.extract.flat_model import FlatModel
from younger_hf.module_tree import Module, ModuleTree

# Python lists of strings, from the whole network inwards; the last entry is the operator and not a module.
SCOPES: Final = "pkg.torch.onnx.name_scopes"
CLASSES: Final = "pkg.torch.onnx.class_hierarchy"

_CALL: Final = re.compile(r"@\d+$")  # torch's mark of a module's second call, and later ones
_SEPARATOR: Final = "/"
_DEEPEST: Final = 64  # so that a tree is in proportion to its model, whatever its nodes are called


def told_modules(flat: FlatModel) -> ModuleTree | None:
    """The modules of a model, by the metadata of its nodes or else by their names; `node` is in their order."""
    return modules_by_metadata(node.metadata for node in flat.nodes) or modules_by_name(
        node.name for node in flat.nodes
    )


def modules_by_metadata(
    nodes: Iterable[Mapping[str, str]],
    name_class: Callable[[str], str] = str,
    name_path: Callable[[str], str] = str,
) -> ModuleTree | None:
    """The modules that the metadata of nodes tells of.

    Args:
        nodes: the metadata of each.
        name_class: what a class is called in the tree.
        name_path: what a path is.
    """
    found: dict[tuple[str, str], int] = {}
    modules: list[Module] = []
    node = []
    for metadata in nodes:
        innermost = -1
        scopes, classes = _read(metadata.get(SCOPES, "")), _read(metadata.get(CLASSES, ""))
        for scope, kind in zip(scopes[:-1], classes[:-1], strict=False):
            key = (scope, kind)
            if key not in found:
                path = name_path(_CALL.sub("", scope))
                found[key] = len(modules)
                modules.append(Module(path, name_class(kind), innermost))
            innermost = found[key]
        node.append(innermost)
    return ModuleTree(tuple(modules), np.array(node, dtype=np.int64)) if modules else None


def modules_by_name(names: Iterable[str]) -> ModuleTree | None:
    """The modules that the names of nodes tell of, without classes: those before the last slash of a name."""
    found = {"": 0}
    modules = [Module("", "", -1)]
    node = []
    for name in names:
        innermost, path = 0, ""
        for part in _path(name).split(".")[:_DEEPEST]:
            path = f"{path}.{part}" if path else part
            if path not in found:
                found[path] = len(modules)
                modules.append(Module(path, "", innermost))
            innermost = found[path]
        node.append(innermost)
    return ModuleTree(tuple(modules), np.array(node, dtype=np.int64)) if len(modules) > 1 else None


def _path(name: str) -> str:
    """What stands before the last slash, with dots between."""
    path, last = "", ""
    for part in [part for part in name.split(_SEPARATOR) if part][:-1][:_DEEPEST]:
        # A module in a list that is called itself repeats its name: features, features.0.
        repeats = bool(last) and part.startswith(f"{last}.")
        path = f"{path[: len(path) - len(last)]}{part}" if repeats else f"{path}.{part}" if path else part
        last = part
    return path


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[str, ...]:
    """The list that a metadata entry spells, empty if it spells none."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
