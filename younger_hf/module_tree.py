"""`ModuleTree`: the modules of a network, and which of them each node of its skeleton came from.

It comes as JSON, beside a skeleton; names of nodes and boxes of drawings are made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from younger_hf.errors import ReleaseError


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

    def within(self, position: int) -> npt.NDArray[np.int64]:
        """The nodes in a module and in those that it has called, ascending."""
        inside = np.zeros(len(self.modules) + 1, dtype=np.bool_)  # the last for nodes in no module
        inside[position] = True
        for number, module in enumerate(self.modules):
            if module.parent >= 0 and inside[module.parent]:
                inside[number] = True
        return np.flatnonzero(inside[self.node])


def modules_of(row: Mapping[str, Any]) -> ModuleTree | None:
    """The module tree in a row of config `skeletons`; None where none is known.

    Raises:
        ReleaseError: the tree is damaged.
    """
    modules = row.get("modules")
    if not modules:
        return None
    try:
        return ModuleTree.from_json(modules.encode() if isinstance(modules, str) else modules)
    except ValueError as error:
        raise ReleaseError(f"the modules of a skeleton cannot be read: {error}") from error
