"""Half a network: what stands before a node of an ONNX file, as a `SlottedGraph` that a generator goes on from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from younger_hf.errors import UsageError
from younger_hf.extract import read_structure
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import operator_graph, unfed_kinds
from younger_hf.graph import OperatorGraph
from younger_hf.recipes.named_graph import NamedGraph
from younger_hf.recipes.run import Run
from younger_hf.tasks.generation.slotted import SlottedGraph, make_slotted, random_order
from younger_hf.vocabulary import UNKNOWN_ID


def beginning_of(run: Run, model: Path, cut: str) -> SlottedGraph:
    """All that a node of a model depends on, without the node itself.

    Args:
        run: whose vocabulary the operators are to be of.
        model: an ONNX file; its weights are not read.
        cut: the node, by its name or its position.

    Raises:
        UsageError: there is no such node, nothing stands before it, or an operator is none that the run knows.
        InvalidModelError: the file is no sound model.
    """
    flat = flatten(read_structure(model), str(model))
    graph, unfed = operator_graph(flat), unfed_kinds(flat)
    named = NamedGraph.read(model, run.config.attributes)
    node = named.names[named.find(cut)][1]
    kept = _ancestors(graph, node)
    if not kept.any():
        raise UsageError(f"nothing stands before node {cut} of {model.name}: cut later")
    if (graph.scope[kept] >= 0).any():
        raise UsageError(f"what stands before node {cut} of {model.name} has control flow, which no run has learned")
    ids = run.ids_of(graph)
    unknown = np.flatnonzero(kept & (ids == UNKNOWN_ID))
    if len(unknown):
        operator = graph.operator[int(unknown[0])]
        label = operator.label if run.config.attributes else operator.type_label
        raise UsageError(f"{model.name} has the operator {label}, which is not in the vocabulary of {run.directory}")
    place = np.cumsum(kept) - 1
    within = kept[graph.edge_index[1]]
    producer, consumer = place[graph.edge_index[:, within]]
    open_slots = unfed[:, kept[unfed[0]]]
    open_slots[0] = place[open_slots[0]]
    begun = make_slotted(ids[kept], np.stack((producer, consumer, *graph.edge_slot[:, within])), open_slots)
    return begun.reordered(random_order(begun, np.random.default_rng(run.config.seed)))


def _ancestors(graph: OperatorGraph, node: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which nodes, bool [N], a node depends on."""
    found = np.zeros(graph.num_nodes, dtype=bool)
    found[node] = True
    producer, consumer = graph.edge_index
    order = np.argsort(-consumer, kind="stable")
    for source, target in zip(producer[order].tolist(), consumer[order].tolist(), strict=True):
        found[source] |= found[target]
    found[node] = False
    return found
