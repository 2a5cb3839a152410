"""What a run suggests for an architecture: the operators for a place in it, and whether two of its nodes are joined.

In goes a run and a graph of any model; out come probabilities.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from younger_hf.errors import UsageError
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.operator import mask_boundary
from younger_hf.recipes.run import Run
from younger_hf.recipes.samples import Cut, sample_batch, whole_batch
from younger_hf.vocabulary import MASK_ID, UNKNOWN_ID


def ids_of(run: Run, graph: OperatorGraph) -> IntArray:
    """The ids, int64 [N], that a run has for the operators of a graph; `__UNK__` for one that it does not know."""
    ids = {label: number for number, label in enumerate(run.labels)}
    labels = (operator.label if run.config.attributes else operator.type_label for operator in graph.operator)
    return np.fromiter((ids.get(label, UNKNOWN_ID) for label in labels), np.int64, graph.num_nodes)


@torch.no_grad()
def suggest_operators(run: Run, graph: OperatorGraph, node: int, cut: Cut) -> list[tuple[str, float]]:
    """The operators of a run's vocabulary for the place of a node, the likeliest first.

    As in the task, the node is masked where it is on the boundary of a community, together with the rest of the
    boundary; the probabilities are the mean over these communities. Where all its neighbours are of its own community,
    it is masked there, together with that boundary.

    Args:
        run: of operator design.
        graph: N operators, in canonical order.
        node: the position of the node.
        cut: as `sample_batch` takes it.

    Returns:
        The label and the probability of each operator.

    Raises:
        UsageError: the run is of data flow design.
        RunError: the run has no checkpoint.
    """
    if run.config.task != "operator":
        raise UsageError(f"{run.directory} is a run of data flow design, which is asked about an --edge")
    ids = ids_of(run, graph)
    batch, node_of = sample_batch(graph, ids, cut)
    if node not in node_of:  # its community has no boundary, and makes no sample
        batch, node_of = whole_batch(graph, ids)
    places = (node_of == node).nonzero().flatten()
    on_boundary = torch.isin(places, batch.boundary)
    if on_boundary.any():
        places = places[on_boundary]
    masked, _ = mask_boundary(replace(batch, boundary=torch.cat((batch.boundary, places))))
    logits = run.load_best()(masked.x, masked.edge_index, masked.edge_attr, places)
    probabilities = logits.softmax(dim=-1).mean(dim=0)
    order = probabilities.argsort(descending=True, stable=True).tolist()
    return [(run.labels[i], float(probabilities[i])) for i in order if i > MASK_ID]


@torch.no_grad()
def data_flow_probability(run: Run, graph: OperatorGraph, producer: int, consumer: int) -> float:
    """How likely a run finds a data flow from one node of a graph to another.

    Under the `heldout` protocol a data flow that is there passes no messages, so that it cannot be seen.

    Args:
        run: of data flow design.
        graph: N operators.
        producer: the position of a node.
        consumer: that of another.

    Raises:
        UsageError: the run is of operator design, or both nodes are the same.
        RunError: the run has no checkpoint.
    """
    if run.config.task != "dataflow":
        raise UsageError(f"{run.directory} is a run of operator design, which is asked about a --node")
    if producer == consumer:
        raise UsageError("no node feeds itself: --edge takes two nodes")
    batch, _ = whole_batch(graph, ids_of(run, graph))
    pair = torch.tensor([[producer], [consumer]])
    is_message = torch.ones(graph.num_edges, dtype=torch.bool)
    if run.config.protocol == "heldout":
        is_message = (batch.edge_index != pair).any(dim=0)
    logits = run.load_best()(batch.x, batch.edge_index[:, is_message], batch.edge_attr[is_message], pair)
    return float(logits.sigmoid())
