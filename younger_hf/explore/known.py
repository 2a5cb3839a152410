"""What is said of a model that a visitor hands in: whether the release has it, what is near it, what is unusual in it.

In goes a graph, and the skeleton that it was taken from where there is one; out comes a `Verdict`. Nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from onnx import ModelProto

from younger_hf.errors import UsageError, YoungerError
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.relatives import Relative, Relatives
from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize, fingerprint
from younger_hf.interop.onnx import to_skeleton
from younger_hf.interop.text_form import from_text
from younger_hf.recognise.normal import normal_graph
from younger_hf.recognise.sketch import minhash, sketch

MOST_TEXT: Final = 1 << 19
"""Characters of a text form that is handed in."""
MOST_NODES: Final = 20_000
"""Operators of a model that is handed in: others wait while it is looked at."""

_RELATIVES: Final = 6
_RARE: Final = 0.01
_EXTREME: Final = 0.01
_MOST_UNUSUAL: Final = 12


@dataclass(frozen=True)
class Verdict:
    """What is said of a model.

    Attributes:
        name: what it is called, as its visitor says.
        fingerprint: of its graph.
        graph: its operators and data flows.
        row: the row that has its graph; None where there is none.
        same: rows that are the same network by another exporter.
        near: rows near it by sketch; none where only its graph is known.
        similar: rows near it by operators.
        unusual: sentences.
        drawing: SVG.
        skeleton: the weightless model; b"" where only its graph is known.
    """

    name: str
    fingerprint: str
    graph: OperatorGraph
    row: dict[str, Any] | None
    same: list[dict[str, Any]]
    near: list[Relative]
    similar: list[Relative]
    unusual: list[str]
    drawing: str
    skeleton: bytes = b""


def of_skeleton(catalogue: Catalogue, relatives: Relatives, skeleton: bytes, name: str) -> Verdict:
    """Look at a weightless model.

    Raises:
        UsageError: it has too many operators.
        YoungerError: it is not sound.
    """
    model = to_skeleton(skeleton)
    return replace(_verdict(catalogue, relatives, extract(model), model, name), skeleton=skeleton)


def of_text(catalogue: Catalogue, relatives: Relatives, text: str, name: str) -> Verdict:
    """Look at a graph in the text form.

    Raises:
        UsageError: it is too long, or has too many operators.
        TextError: it is no such text.
    """
    if len(text) > MOST_TEXT:
        raise UsageError(f"a text may have {MOST_TEXT:,} characters here; younger-hf inspect takes longer ones")
    return _verdict(catalogue, relatives, from_text(text), None, name)


def _verdict(
    catalogue: Catalogue, relatives: Relatives, graph: OperatorGraph, model: ModelProto | None, name: str
) -> Verdict:
    if not graph.num_nodes:
        raise YoungerError("it has no operators")
    if graph.num_nodes > MOST_NODES:
        raise UsageError(
            f"it has {graph.num_nodes:,} operators, and {MOST_NODES:,} may be looked at here: "
            "younger-hf inspect --release takes it where you are"
        )
    from younger_hf.plots.layered import draw_graph

    graph = canonicalize(graph).graph
    key = fingerprint(graph)
    same: list[dict[str, Any]] = []
    near: list[Relative] = []
    if model is not None:
        normal = normal_graph(model)
        same = [row for row in catalogue.same_network(fingerprint(normal)) if row["fingerprint"] != key]
        near = relatives.by_sketch(sketch(normal), minhash(normal), _RELATIVES, key)
    return Verdict(
        name,
        key,
        graph,
        catalogue.row(key),
        same,
        near,
        relatives.by_operators(graph, _RELATIVES, key),
        unusual(catalogue, graph),
        draw_graph(graph, name).to_svg(),
    )


def unusual(catalogue: Catalogue, graph: OperatorGraph) -> list[str]:
    """What few rows have in common with a graph: rare operators, and sizes beyond almost all."""
    found_in = dict(zip(catalogue.operators, (catalogue.counts > 0).sum(axis=0).tolist(), strict=True))
    rows = max(1, len(catalogue))
    found = []
    for label in graph.operator_counts():
        if not (count := found_in.get(label, 0)):
            found.append((0, f"No architecture of the release has {label}."))
        elif count <= _RARE * rows:
            are = "architecture has" if count == 1 else "architectures have"
            found.append((count, f"{count:,} {are} {label}."))
    found.sort()
    sentences = [sentence for _, sentence in found[:_MOST_UNUSUAL]]
    depth = int(graph.levels().max(initial=-1)) + 1
    for column, value, what in (
        ("num_nodes", graph.num_nodes, f"{graph.num_nodes:,} operators"),
        ("depth", depth, f"a depth of {depth:,}"),
    ):
        known = np.asarray([one for one in catalogue.table.column(column).to_pylist() if one is not None])
        if known.size and (known >= value).mean() <= _EXTREME:
            sentences.append(f"It has {what}, which is more than {(known < value).mean():.0%} of the release have.")
        elif known.size and (known <= value).mean() <= _EXTREME:
            sentences.append(f"It has {what}, which is less than {(known > value).mean():.0%} of the release have.")
    return sentences
