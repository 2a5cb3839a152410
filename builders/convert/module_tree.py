"""The module tree: which module of a network each node of its skeleton came from.

A ModelProto goes in whose nodes say in their metadata which modules were being called, as torch's exporter writes
it; a `ModuleTree` comes out. It tells no more than structure: class names only of well-known libraries, others are
numbered by first appearance (`#0`, `#1`, …), and so are the parts of a path that are no plain identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from onnx import ModelProto, NodeProto

from younger_hf.extract import node_metadata
from younger_hf.extract.modules import CLASSES, SCOPES, modules_by_metadata
from younger_hf.module_tree import Module as Module
from younger_hf.module_tree import ModuleTree as ModuleTree

# Libraries whose classes are named.
LIBRARIES: Final = frozenset(
    {
        *("torch", "torchvision", "timm", "transformers", "diffusers", "pytorchcv", "pretrainedmodels", "open_clip"),
        *("litgpt", "segmentation_models_pytorch", "torchaudio", "monai"),
    }
)

_NAMED_CLASS: Final = re.compile(rf"({'|'.join(sorted(LIBRARIES))})(\.\w{{1,64}})+", re.ASCII)
_NAMED_PART: Final = re.compile(r"\w{1,64}", re.ASCII)


def module_tree(model: ModelProto) -> ModuleTree | None:
    """The tree of the model's skeleton, node by node as `extract(strip(model))` has them; None if no node tells.

    Raises:
        InvalidModelError: as `extract`.
    """
    kinds, parts = _Numbered(_NAMED_CLASS), _Numbered(_NAMED_PART)

    def path(scope: str) -> str:
        return ".".join(map(parts.name, scope.split("."))) if scope else ""

    return modules_by_metadata(node_metadata(model), kinds.name, path)


def set_modules(node: NodeProto, scopes: Sequence[str], classes: Sequence[str]) -> None:
    """Have a node tell which modules were being called, by path and class from the network inwards."""
    for key, names in ((SCOPES, scopes), (CLASSES, classes)):
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
