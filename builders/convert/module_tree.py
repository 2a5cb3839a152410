"""The module tree: which module of a network each node of its skeleton came from.

A ModelProto goes in whose nodes say in their metadata which modules were being called, as torch's exporter writes
it; a `ModuleTree` comes out. It tells no more than structure: class names only of well-known libraries, others are
numbered by first appearance (`#0`, `#1`, …), and so are the parts of a path that are no plain identifiers.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from younger_hf.extract import node_metadata

# Python lists of strings, from the whole network inwards; the last entry is the operator and not a module.
_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_CLASSES: Final = "pkg.torch.onnx.class_hierarchy"

# Libraries whose classes are named.
LIBRARIES: Final = frozenset(
    {
        *("torch", "torchvision", "timm", "transformers", "diffusers", "pytorchcv", "pretrainedmodels", "open_clip"),
        *("litgpt", "segmentation_models_pytorch"),
    }
)

_NAMED_CLASS: Final = re.compile(rf"({'|'.join(sorted(LIBRARIES))})(\.\w{{1,64}})+", re.ASCII)
_NAMED_PART: Final = re.compile(r"\w{1,64}", re.ASCII)
_CALL: Final = re.compile(r"@\d+$")  # torch's mark of a module's second call, and later ones


@dataclass(frozen=True)
class Module:
    """A module that was called.

    Attributes:
        path: where the network has it, `layers.0.self_attn.q_proj`; "" for the network itself.
        kind: its class, `torch.nn.modules.linear.Linear`.
        parent: the position of the module that called it, -1 for the network itself. Containers that are only
            looked into, such as a ModuleList, are not called and no one's parent.
    """

    path: str
    kind: str
    parent: int


@dataclass(frozen=True, eq=False)
class ModuleTree:
    """The modules of a network, and where its nodes came from.

    Attributes:
        modules: in order of their first call, each after its parent.
        node: int64 [N], for each node of `extract(skeleton)` the position of the innermost module, or -1.
    """

    modules: tuple[Module, ...]
    node: npt.NDArray[np.int64]

    def to_json(self) -> bytes:
        """ASCII JSON, the same for the same tree."""
        modules = [[module.path, module.kind, module.parent] for module in self.modules]
        return json.dumps({"modules": modules, "node": self.node.tolist()}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> ModuleTree:
        """The tree that `to_json` wrote.

        Raises:
            ValueError: it is not one.
        """
        try:
            fields = json.loads(text)
            modules = tuple(Module(str(path), str(kind), int(parent)) for path, kind, parent in fields["modules"])
            node = np.array(fields["node"], dtype=np.int64).reshape(-1)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError("this is no module tree") from error
        if any(not -1 <= module.parent < position for position, module in enumerate(modules)):
            raise ValueError("a module of the tree has a parent that does not stand before it")
        if node.size and not (node.min() >= -1 and node.max() < len(modules)):
            raise ValueError("a node of the tree names a module that is not there")
        return cls(modules, node)


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
