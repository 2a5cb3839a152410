"""Which modules of a network a drawing puts a frame around.

In go the module of each node and what is drawn; out come frames: a label and the elements inside. A module of which few
elements are drawn has none, and of modules around the same elements the outer one has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from younger_hf.graph import IntArray
from younger_hf.module_tree import ModuleTree
from younger_hf.text import plain

MOST_FRAMES: Final = 40
_LONGEST_LABEL: Final = 30
_FEWEST_ELEMENTS: Final = 3


def module_frames(
    tree: ModuleTree, module: IntArray, elements: Sequence[Iterable[int]]
) -> list[tuple[str, frozenset[int]]]:
    """Choose frames: as deep into the modules as makes no more than `MOST_FRAMES`.

    Args:
        tree: the modules.
        module: int64 [N], of each node the position of its innermost module, or -1.
        elements: of each thing that is drawn its nodes.

    Returns:
        A label and the elements inside, for each frame; outer ones first.
    """
    paths = [_common([_ancestors(tree, int(module[node])) for node in nodes]) for nodes in elements]
    inside: dict[int, set[int]] = {}
    depth: dict[int, int] = {}
    for element, path in enumerate(paths):
        for level, position in enumerate(path):
            inside.setdefault(position, set()).add(element)
            depth[position] = level
    shown: dict[frozenset[int], int] = {}
    for position in sorted(inside, key=lambda position: (depth[position], position)):
        members = frozenset(inside[position])
        if tree.modules[position].parent >= 0 and _FEWEST_ELEMENTS <= len(members) < len(elements):
            shown.setdefault(members, position)
    deepest = max((depth[position] for position in shown.values()), default=0)
    while sum(depth[position] <= deepest for position in shown.values()) > MOST_FRAMES and deepest > 1:
        deepest -= 1
    return [(_label(tree, at), members) for members, at in shown.items() if depth[at] <= deepest]


def _ancestors(tree: ModuleTree, position: int) -> list[int]:
    """The modules around a node, from the network inwards."""
    around: list[int] = []
    while position >= 0:
        around.append(position)
        position = tree.modules[position].parent
    return around[::-1]


def _common(paths: Sequence[list[int]]) -> list[int]:
    """The modules that all nodes of an element are in."""
    shared = paths[0]
    for path in paths[1:]:
        length = next((at for at, pair in enumerate(zip(shared, path, strict=False)) if pair[0] != pair[1]), None)
        shared = shared[: min(len(shared), len(path)) if length is None else length]
    return shared


def _label(tree: ModuleTree, position: int) -> str:
    """Where the network has the module, and its class; of a long path the end."""
    module = tree.modules[position]
    kind = module.kind.rpartition(".")[2]
    known = "" if kind.startswith("#") or kind == "Sequential" else f" {kind}"
    path, ends = module.path, ""
    while "." in path and len(f"{ends}{path}{known}") > _LONGEST_LABEL:
        path, ends = path.partition(".")[2], "…"
    return plain(f"{ends}{path}{known}", _LONGEST_LABEL)
