"""One row of a release, opened: `Architecture`, with all that is known of it and what can be downloaded.

In goes a fingerprint; out come the row's facts, its skeleton as an operator graph, and its module tree where that is
known. A few rows stay open.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from younger_hf.dataset import to_graph
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.kept import Kept
from younger_hf.explore.shelf import Shelf
from younger_hf.extract import extract
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.interop.onnx import representative, to_onnx, to_skeleton
from younger_hf.interop.text_form import to_text
from younger_hf.module_tree import ModuleTree, modules_of
from younger_hf.vocabulary import Vocabulary

MOST_RUNNABLE: Final = 16_000_000
"""Parameters of a model that is given away with values."""

_OPENED: Final = ("exact", "type_fingerprint", "wl_hash", "paper_split", "stratified_split", "models", "evaluations")
_STRUCTURE: Final = ("node_variant", "edge_index", "edge_slot", "node_scope", "opset", "num_parameters")
_SKELETON: Final = ("skeleton_fingerprint", "models", "onnx", "modules")
_STAY_OPEN: Final = 32
_HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, eq=False)
class Architecture:
    """A row of config `graphs`.

    Attributes:
        facts: its columns that are no arrays.
        graph: its operators and data flows, in the order of its skeleton's nodes where there is one.
        skeleton: the row of config `skeletons`; None where the release has none.
        modules: which module each node is of; None where that is not known.
    """

    facts: Mapping[str, Any]
    graph: OperatorGraph
    skeleton: Mapping[str, Any] | None
    modules: ModuleTree | None

    @property
    def file_name(self) -> str:
        """What a download is called, without an ending."""
        return _NOT_IN_A_NAME.sub("-", str(self.facts["name"] or "")).strip("-.")[:80] or "architecture"

    def inside(self, module: int) -> tuple[ModuleTree, IntArray]:
        """The module tree, and the nodes in one of its modules, ascending.

        Raises:
            UsageError: there is no such module, or it has no nodes.
        """
        if self.modules is None or not 0 <= module < len(self.modules.modules):
            raise UsageError("there is no such module")
        nodes = self.modules.within(module)
        if not len(nodes):
            raise UsageError("this module has no operators")
        return self.modules, nodes

    def to_json(self) -> str:
        """Facts and graph as JSON: nodes by label, edges as [producer, consumer, output slot, input slot]."""
        edges = [
            list(edge) for edge in zip(*self.graph.edge_index.tolist(), *self.graph.edge_slot.tolist(), strict=True)
        ]
        structure = {
            "nodes": [operator.label for operator in self.graph.operator],
            "edges": edges,
            "scope": self.graph.scope.tolist(),
        }
        return json.dumps({**self.facts, **structure}, separators=(",", ":"))

    def to_graphml(self) -> bytes:
        """The graph as GraphML."""
        import networkx as nx

        from younger_hf.interop.networkx import to_networkx

        written = io.BytesIO()
        nx.write_graphml(to_networkx(self.graph), written)
        return written.getvalue()

    def to_text(self) -> str:
        """The graph in the text form; of a skeleton with what is in every slot."""
        return to_text(self.graph if self.skeleton is None else self.skeleton)

    def weightless_onnx(self) -> bytes:
        """The skeleton.

        Raises:
            ReleaseError: there is none.
        """
        return bytes(self._skeleton()["onnx"])

    def runnable_onnx(self) -> bytes:
        """The skeleton with random parameters.

        Raises:
            ReleaseError: there is none.
            UsageError: it has too many parameters for a download.
        """
        if (count := self.facts["num_parameters"] or 0) > MOST_RUNNABLE:
            raise UsageError(
                f"with values its {count:,} parameters are too much to download (at most {MOST_RUNNABLE:,}): "
                "younger_hf.to_onnx makes the model where you are"
            )
        return bytes(to_onnx(self._skeleton(), "random").SerializeToString())

    def _skeleton(self) -> Mapping[str, Any]:
        if self.skeleton is None:
            raise ReleaseError("the release has no ONNX model of this row")
        return self.skeleton


class Architectures:
    """The rows of a catalogue, opened when they are asked for; the latest ones stay open."""

    def __init__(self, catalogue: Catalogue) -> None:
        release = catalogue.release
        self._catalogue = catalogue
        self._rows = Shelf(release, "graphs", (*_OPENED, *_STRUCTURE))
        self._skeletons = Shelf(release, "skeletons", _SKELETON) if "skeletons" in release.configs else None
        self._latest = Kept(self._open, _STAY_OPEN)

    def open(self, fingerprint: str) -> Architecture:
        """Open a row.

        Raises:
            UsageError: there is none.
            ReleaseError: a file is missing or damaged.
        """
        if fingerprint not in self._catalogue.positions:
            raise UsageError("the release has no architecture of this fingerprint")
        return self._latest(fingerprint)

    def fill(self) -> None:
        """Read ahead what is opened of rows; of a release on the Hub, what is not asked for is not fetched.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        if isinstance(self._catalogue.release.source, Path):
            for shelf in (self._rows, self._skeletons):
                if shelf is not None:
                    shelf.fill()

    def _open(self, fingerprint: str) -> Architecture:
        (row, *_) = self._rows.find(fingerprint)
        facts = {**(self._catalogue.row(fingerprint) or {}), **{name: row.get(name) for name in _OPENED}}
        skeleton = None if self._skeletons is None else representative(self._skeletons.find(fingerprint))
        if skeleton is None:
            release = self._catalogue.release
            graph = to_graph(row, Vocabulary.load(release.source, release.revision))
            return Architecture(facts, graph, None, None)
        return Architecture(facts, extract(to_skeleton(skeleton)), skeleton, modules_of(skeleton))


@dataclass(frozen=True)
class ModuleNode:
    """A module with operators, for a list of modules.

    Attributes:
        position: in the tree.
        name: the end of its path.
        kind: the name of its class.
        num_nodes: operators in it and in what it calls.
        summary: the most frequent of them.
        inside: the modules that it calls, with operators.
    """

    position: int
    name: str
    kind: str
    num_nodes: int
    summary: str
    inside: tuple[ModuleNode, ...]


def module_outline(architecture: Architecture, most: int = 3000) -> tuple[ModuleNode, ...]:
    """The modules of an architecture that have operators, as they call each other; at most so many of them."""
    tree = architecture.modules
    if tree is None:
        return ()
    counts = [Counter[str]() for _ in tree.modules]
    for node, position in enumerate(tree.node.tolist()):
        if position >= 0:
            counts[position][architecture.graph.operator[node].type_label] += 1
    inside: list[list[ModuleNode]] = [[] for _ in tree.modules]
    roots: list[ModuleNode] = []
    shown = {position for position in range(len(tree.modules)) if position < most}
    for position in reversed(range(len(tree.modules))):  # those that are called stand behind their caller
        module = tree.modules[position]
        if module.parent >= 0:
            counts[module.parent].update(counts[position])
        if counts[position] and position in shown:
            caller = tree.modules[module.parent].path if module.parent >= 0 else ""
            made = ModuleNode(
                position,
                module.path.removeprefix(f"{caller}.") if caller else module.path,
                "" if module.kind.startswith("#") else module.kind.rpartition(".")[2],
                counts[position].total(),
                " ".join(f"{name}×{count}" for name, count in counts[position].most_common(4)),
                tuple(reversed(inside[position])),
            )
            (inside[module.parent] if module.parent >= 0 else roots).append(made)
    return tuple(reversed(roots))


def model_link(model: Mapping[str, Any]) -> str:
    """The page of a model on its hub; "" where it has none."""
    name = str(model.get("id") or "")
    if model.get("source") == "huggingface" and _HUB_ID.fullmatch(name):
        return f"https://huggingface.co/{quote(name)}"
    return ""


def python_lines(facts: Mapping[str, Any], source: str) -> str:
    """The Python that loads a row."""
    split, size, fingerprint = facts["split"], facts["num_nodes"], facts["fingerprint"]
    return (
        "from younger_hf import load, to_onnx\n"
        f'rows = load("graphs", {split!r}, {source!r}, min_nodes={size}, max_nodes={size})\n'
        f'row = next(row for row in rows if row["fingerprint"] == {fingerprint!r})\n'
        f'model = to_onnx(row, "random", source={source!r})\n'
    )
