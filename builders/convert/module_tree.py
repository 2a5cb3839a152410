"""The module tree: which module of a network each node of its skeleton came from.

A ModelProto goes in whose nodes say in their metadata which modules were being called, as torch's exporter writes
it; a `ModuleTree` comes out. It tells no more than structure: class names only of well-known libraries, others are
numbered by first appearance (`#0`, `#1`, …), and so are the parts of a path that are no plain identifiers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto

from younger_hf.extract import node_metadata
from younger_hf.module_tree import Module as Module
from younger_hf.module_tree import ModuleTree as ModuleTree

# Python lists of strings, from the whole network inwards; the last entry is the operator and not a module.
_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_CLASSES: Final = "pkg.torch.onnx.class_hierarchy"

# Libraries whose classes are named.
LIBRARIES: Final = frozenset(
    {
        *("torch", "torchvision", "timm", "transformers", "diffusers", "pytorchcv", "pretrainedmodels", "open_clip"),
        *("litgpt", "segmentation_models_pytorch", "torchaudio", "monai"),
    }
)

_NAMED_CLASS: Final = re.compile(rf"({'|'.join(sorted(LIBRARIES))})(\.\w{{1,64}})+", re.ASCII)
_NAMED_PART: Final = re.compile(r"\w{1,64}", re.ASCII)
_CALL: Final = re.compile(r"@\d+$")  # torch's mark of a module's second call, and later ones


def module_tree(model: ModelProto) -> ModuleTree | None:
    """The tree of the model's skeleton, node by node as `extract(strip(model))` has them; None if no node tells.

    Raises:
        InvalidModelError: as `extract`.
    """
    found: dict[tuple[str, str], int] = {}
    modules: list[Module] = []
    kinds, parts = _Numbered(_NAMED_CLASS), _Numbered(_NAMED_PART)
    node = []
    for metadata in node_metadata(model):
        innermost = -1
        scopes, classes = _read(metadata.get(_SCOPES, "")), _read(metadata.get(_CLASSES, ""))
        for scope, kind in zip(scopes[:-1], classes[:-1], strict=False):
            key = (scope, kind)
            if key not in found:
                path = ".".join(parts.name(part) for part in _CALL.sub("", scope).split(".")) if scope else ""
                found[key] = len(modules)
                modules.append(Module(path, kinds.name(kind), innermost))
            innermost = found[key]
        node.append(innermost)
    return ModuleTree(tuple(modules), np.array(node, dtype=np.int64)) if modules else None


def set_modules(node: NodeProto, scopes: Sequence[str], classes: Sequence[str]) -> None:
    """Have a node tell which modules were being called, by path and class from the network inwards."""
    for key, names in ((_SCOPES, scopes), (_CLASSES, classes)):
        node.metadata_props.add(key=key, value=repr([*names, node.op_type]))


class _Numbered:
    """Names as they are where they match a pattern, and otherwise by the order in which they were met."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.numbers: dict[str, int] = {}

    def name(self, name: str) -> str:
        if self.pattern.fullmatch(name):
            return name
        return f"#{self.numbers.setdefault(name, len(self.numbers))}"


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[str, ...]:
    """The list that a metadata entry spells, empty if it spells none."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
