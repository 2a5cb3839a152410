"""A model's operator graph whose nodes can be named: as the ONNX file names them, or by their positions in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.graph import OperatorGraph
from younger_hf.text import plain

_LONGEST_NAME: Final = 200
_MOST_POSITIONS: Final = 10


@dataclass(frozen=True, eq=False)
class NamedGraph:
    """The graph of a model as a release would have it, and what its nodes are called.

    Attributes:
        file: the model.
        graph: N operators, in canonical order.
        names: the name and the position in the model of each node.
    """

    file: Path
    graph: OperatorGraph
    names: list[tuple[str, int]]

    @classmethod
    def read(cls, model: Path, attributes: bool) -> NamedGraph:
        """Read an ONNX file.

        Args:
            model: the file; its weights are not read.
            attributes: whether attributes decide on the canonical order.
        """
        from younger_hf.extract import extract, node_names
        from younger_hf.identity.batch import Batch
        from younger_hf.identity.canonical import canonical_forms

        graph, names = extract(model), node_names(model)
        order = canonical_forms(Batch.of([graph], attributes)).order
        named = [(plain(names[position], _LONGEST_NAME), int(position)) for position in order]
        return cls(model, graph.reordered(order), named)

    def find(self, wanted: str) -> int:
        """The node of a name or, where no node has it, of a position.

        Raises:
            UsageError: there is none, or there are several of this name.
        """
        found = [place for place, (name, _) in enumerate(self.names) if name == wanted]
        if not found and wanted.isdecimal():
            found = [place for place, (_, position) in enumerate(self.names) if position == int(wanted)]
        if not found and wanted.isdecimal():
            raise UsageError(f"no node {wanted} of {self.file.name}: they are numbered from 0 to {len(self.names) - 1}")
        if not found:
            in_order = [name for name, _ in sorted(self.names, key=lambda named: named[1])]
            check_choice(f"node of {self.file.name}", wanted, in_order)
        if len(found) > 1:
            positions = sorted(self.names[place][1] for place in found)[:_MOST_POSITIONS]
            listed = ", ".join(map(str, positions))
            raise UsageError(f"{len(found)} nodes of {self.file.name} are named {wanted}: give a position, of {listed}")
        return found[0]
