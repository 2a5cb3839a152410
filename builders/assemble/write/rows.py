"""The rows of each config: one function a config, each giving the columns that `younger_hf.schema` declares.

In go merged architectures and their graphs from the spool; out come dictionaries of plain values and arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from numpy.typing import NDArray

from builders.assemble.families import model_backbones, model_family
from builders.assemble.measured import prominence
from builders.assemble.merge import Merged
from builders.assemble.split.placement import PlacedRow, split_name
from builders.assemble.subgraphs.found import FoundSubgraphs
from builders.measure.facts import Facts
from builders.measure.spool import Spool
from builders.model_ref import ModelRef
from younger_hf.dataset import to_columns
from younger_hf.graph import Operator
from younger_hf.operator_groups import operator_group
from younger_hf.schema import MOST_GRAPHS
from younger_hf.vocabulary import Vocabulary

CONTROL_FLOW: Final = frozenset({"If", "Loop", "Scan", "SequenceMap"})

Row = dict[str, Any]


def graph_row(placed: PlacedRow, spool: Spool, vocabulary: Vocabulary) -> Row:
    """A row of config `graphs`.

    Args:
        placed: the row and its place.
        spool: where its graph and its picture are.
        vocabulary: of the release.
    """
    merged = placed.merged
    facts, number = merged.representative.facts, merged.representative.number
    return {
        "fingerprint": merged.key,
        "exact": facts.graph.exact,
        "num_searched": facts.num_searched,
        "type_fingerprint": placed.parent,
        "normal_fingerprint": facts.normal.key,
        "wl_hash": facts.wl_hash,
        **_scalars(merged, num_skeletons=len(merged.parts)),
        "preview": {"bytes": spool.preview(number), "path": None},
        **to_columns(spool.graph(number), vocabulary),
        **_unfed_columns(spool.unfed(number)),
        "sketch": facts.sketch,
        "minhash": facts.minhash,
        "models": _models(merged),
        "evaluations": [
            {
                "model": model.id,
                "task": result.task,
                "dataset": result.dataset,
                "split": result.split,
                "metric": result.metric,
                "value": result.value,
            }
            for model, _ in merged.models
            for result in model.evaluations
        ],
        "paper_split": placed.paper_split,
        "stratified_split": placed.stratified_split,
    }


def type_graph_row(placed: PlacedRow, spool: Spool, vocabulary: Vocabulary) -> Row:
    """A row of config `graphs-no-attributes`; arguments as for `graph_row`."""
    merged = placed.merged
    facts, number = merged.representative.facts, merged.representative.number
    columns = to_columns(spool.graph(number, attributes=False), vocabulary)
    del columns["node_variant"]
    columns |= _unfed_columns(spool.unfed(number, attributes=False))
    return {
        "type_fingerprint": merged.key,
        "exact": facts.type_graph.exact,
        "wl_hash": facts.type_wl_hash,
        **_scalars(merged, num_skeletons=sum(len(graph.parts) for graph in merged.parts)),
        **columns,
        "fingerprints": [graph.key for graph in merged.parts],
        "paper_split": placed.paper_split,
        "stratified_split": placed.stratified_split,
    }


def skeleton_row(placed: PlacedRow, spool: Spool) -> Row:
    """A row of config `skeletons`; arguments as for `graph_row`."""
    merged = placed.merged
    architecture = merged.representative
    return {
        "skeleton_fingerprint": merged.key,
        "fingerprint": placed.parent,
        "normal_fingerprint": architecture.facts.normal.key,
        "num_parameters": architecture.facts.num_parameters,
        **_costs(architecture.facts),
        "opset": architecture.facts.opset,
        "exporter": architecture.exporter,
        "models": _models(merged),
        "onnx": spool.skeleton(architecture.number),
        "modules": spool.modules(architecture.number).decode() or None,
    }


def shapes_row(placed: PlacedRow, spool: Spool) -> Row:
    """A row of config `shapes`; arguments as for `graph_row`."""
    merged = placed.merged
    shapes = spool.shapes(merged.representative.number)
    return {"fingerprint": merged.key, "edge_shape": shapes, "num_unknown": sum(shape is None for shape in shapes)}


def architecture_row(graphs: Sequence[Merged]) -> Row:
    """A row of config `architectures`.

    Args:
        graphs: the rows of config `graphs` that share a normal form.
    """
    prominent = min(graphs, key=lambda row: prominence(row.representative.prominent_model))
    facts = graphs[0].representative.facts
    return {
        "normal_fingerprint": facts.normal.key,
        "name": prominent.representative.prominent_model.id,
        "graphs": [row.key for row in graphs],
        "num_graphs": len(graphs),
        "exporters": sorted({row.representative.exporter for row in graphs}),
        "num_models": sum(row.num_models for row in graphs),
        "operators": list(facts.normal_types),
        "operator_counts": list(facts.normal_types.values()),
    }


def subgraph_row(number: int, found: FoundSubgraphs, vocabulary: Vocabulary, *, attributes: bool) -> Row:
    """A row of config `subgraphs` or `subgraphs-no-attributes`.

    Args:
        number: of the subgraph.
        found: where it is, and what it occurs in.
        vocabulary: of the release.
        attributes: whether it is of `subgraphs`.
    """
    subgraph, occurs_in = found.store[number], found.occurs_in(number)
    operators = vocabulary.operator_of_variant[subgraph.node] if attributes else subgraph.node
    return {
        "fingerprint": subgraph.key,
        "exact": subgraph.exact,
        "graphs": found.graphs.keys_of(occurs_in[:MOST_GRAPHS]),
        "num_graphs": len(occurs_in),
        "num_nodes": len(subgraph.node),
        "num_edges": subgraph.edge_index.shape[1],
        "num_boundary": len(subgraph.boundary),
        "node_operator": operators,
        **({"node_variant": subgraph.node} if attributes else {}),
        "node_scope": subgraph.scope,
        "edge_index": list(subgraph.edge_index),
        "edge_slot": list(subgraph.edge_slot),
        **_unfed_columns(subgraph.unfed),
        "boundary": subgraph.boundary,
        "paper_split": split_name(found.placed.paper_splits[number]),
    }


def _unfed_columns(unfed: NDArray[Any]) -> Row:
    node, slot, kind = unfed
    return {"unfed_slot": [node, slot], "unfed_kind": kind}


def _scalars(merged: Merged, num_skeletons: int) -> Row:
    architecture = merged.representative
    facts, model = architecture.facts, architecture.prominent_model
    groups = {operator_group(Operator.from_label(label)) for label in facts.variants}
    return {
        "name": model.id,
        "source": model.source,
        "origin": model.origin,
        "task": model.task or None,
        "family": model_family(model) or None,
        "backbone": "+".join(model_backbones(model)) or None,
        "library": model.library or None,
        "license": model.license or None,
        "exporter": architecture.exporter,
        "opset": facts.opset,
        "num_nodes": facts.num_nodes,
        "num_edges": facts.num_edges,
        "depth": facts.depth,
        "num_operator_types": len(facts.types),
        "num_parameters": facts.num_parameters,
        **_costs(facts),
        "num_skeletons": num_skeletons,
        "num_models": merged.num_models,
        "downloads": model.downloads,
        "has_control_flow": not CONTROL_FLOW.isdisjoint(facts.types),
        "is_quantized": "quantisation" in groups,
        "summary": facts.summary,
    }


def _costs(facts: Facts) -> Row:
    costs = facts.costs
    return {
        "macs": None if costs is None else costs.macs,
        "activations": None if costs is None else costs.activations,
    }


def _models(merged: Merged) -> list[Row]:
    return [_model(model, facts) for model, facts in merged.models]


def _model(model: ModelRef, facts: Facts) -> Row:
    return {
        "source": model.source,
        "id": model.id,
        "revision": model.revision or None,
        "component": model.component or None,
        "retrieved": model.retrieved or None,
        "origin": model.origin,
        "task": model.task or None,
        "license": model.license or None,
        "num_parameters": facts.num_parameters,
        "downloads": model.downloads,
        "likes": model.likes,
        "tags": list(model.tags),
    }
