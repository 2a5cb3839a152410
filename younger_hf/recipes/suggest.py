"""What a run suggests for an architecture: operators for a node, and whether there is a data flow between two.

In goes a run and a graph of any model; out come probabilities. What `younger-hf suggest` says of a file is here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from younger_hf.errors import UsageError
from younger_hf.graph import OperatorGraph
from younger_hf.recipes import dataflow, operator
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.named_graph import NamedGraph
from younger_hf.recipes.recipe import Recipe
from younger_hf.recipes.run import Run
from younger_hf.recipes.subgraph_batches import subgraph_batch, whole_batch
from younger_hf.vocabulary import MASK_ID


@dataclass(frozen=True)
class Place:
    """What is suggested for the place of a node.

    Attributes:
        operator: that stands there.
        rank: of that operator among the suggestions, from 1; None where the run does not know it.
        suggestions: operators and their probabilities, the likeliest first.
    """

    operator: str
    rank: int | None
    suggestions: list[tuple[str, float]]


def place_facts(run: Run, model: Path, node: str, top: int) -> dict[str, Any]:
    """What a run suggests for a node of an ONNX file.

    Args:
        run: of operator design, or of pretraining.
        model: the file.
        node: a node's name, or its position.
        top: so many suggestions.

    Returns:
        `node` (its name), `operator` (that stands there), `rank` (of that operator, None where the run does not know
        it) and `suggestions`, each an `operator` and its `probability`.

    Raises:
        UsageError: there is no such node, or the run is of another recipe.
    """
    named = NamedGraph.read(model, run.config.attributes)
    position = named.find(node)
    place = suggest_place(run, named.graph, position)
    return {
        "node": named.names[position][0],
        "operator": place.operator,
        "rank": place.rank,
        "suggestions": [
            {"operator": label, "probability": probability} for label, probability in place.suggestions[:top]
        ],
    }


def edge_facts(run: Run, model: Path, first: str, second: str) -> dict[str, Any]:
    """How likely a run finds a data flow between two nodes of an ONNX file.

    Returns:
        `producer` and `consumer` (their names), `there` (whether there is one in the model) and `probability`.

    Raises:
        UsageError: there are no such nodes, or the run is of another recipe.
    """
    named = NamedGraph.read(model, run.config.attributes)
    producer, consumer = (named.find(end) for end in (first, second))
    edges = named.graph.edge_index
    return {
        "producer": named.names[producer][0],
        "consumer": named.names[consumer][0],
        "there": bool(((edges[0] == producer) & (edges[1] == consumer)).any()),
        "probability": data_flow_probability(run, named.graph, producer, consumer),
    }


def suggest_place(run: Run, graph: OperatorGraph, node: int, model: torch.nn.Module | None = None) -> Place:
    """As `suggest_operators`, and where the operator that stands there is among them."""
    suggestions = suggest_operators(run, graph, node, model)
    there = graph.operator[node]
    here = there.label if run.config.attributes else there.type_label
    return Place(
        here, next((rank for rank, (label, _) in enumerate(suggestions, 1) if label == here), None), suggestions
    )


@torch.no_grad()
def suggest_operators(
    run: Run, graph: OperatorGraph, node: int, model: torch.nn.Module | None = None
) -> list[tuple[str, float]]:
    """The operators of a run's vocabulary for the place of a node, the likeliest first.

    As in the task, the node is masked where it is on the boundary of a community, together with the rest of the
    boundary; the probabilities are the mean over these communities. Where all its neighbours are of its own community,
    it is masked there, together with that boundary.

    Args:
        run: of operator design, or of pretraining.
        graph: N operators, in canonical order.
        node: the position of the node.
        model: the run's best one, where it has been loaded before.

    Returns:
        The label and the probability of each operator.

    Raises:
        UsageError: the run is of data flow design.
        RunError: the run has no checkpoint.
    """
    _check_recipe(run, operator.RECIPE)
    ids = run.ids_of(graph)
    batch, node_of = subgraph_batch(graph, ids)
    if node not in node_of:  # its community has no boundary, and gives no subgraph
        batch, node_of = whole_batch(graph, ids)
    places = (node_of == node).nonzero().flatten()
    on_boundary = torch.isin(places, batch.boundary)
    if on_boundary.any():
        places = places[on_boundary]
    masked, _ = operator.mask_boundary(replace(batch, boundary=torch.cat((batch.boundary, places))))
    logits = (model or load_best(run))(masked.x, masked.edge_index, masked.edge_attr, places)
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
    _check_recipe(run, dataflow.RECIPE)
    if producer == consumer:
        raise UsageError("no node feeds itself: --edge takes two nodes")
    batch, _ = whole_batch(graph, run.ids_of(graph))
    pair = torch.tensor([[producer], [consumer]])
    is_message = torch.ones(graph.num_edges, dtype=torch.bool)
    if dataflow.held_out_share(run.config) is not None:
        is_message = (batch.edge_index != pair).any(dim=0)
    logits = load_best(run)(batch.x, batch.edge_index[:, is_message], batch.edge_attr[is_message], pair)
    return float(logits.sigmoid())


def _check_recipe(run: Run, recipe: Recipe) -> None:
    """Refuse a run that is asked about something else."""
    if run.config.task is not recipe.task:
        ask = {
            operator.RECIPE.task.name: "is asked about a --node",
            dataflow.RECIPE.task.name: "is asked about an --edge",
        }
        what = ask.get(run.config.task.name, "suggests nothing")
        raise UsageError(f"{run.directory} is a run of {run.config.task.title}, which {what}")
