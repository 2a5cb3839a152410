"""What a run of `generation` makes: new graphs, or ways to go on with one.

In go a `Run` and how many graphs are wanted; out come `SlottedGraph`s, and from them rows and pictures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import numpy as np

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.recipes.run import Run, RunError
from younger_hf.recipes.wish import Wish
from younger_hf.tasks.generation.draft import Rulebook
from younger_hf.tasks.generation.operator_rules import rules_of
from younger_hf.tasks.generation.slotted import SlottedGraph

_BATCH: Final = 100
"""Graphs that are made at once; part of what decides which draws a graph is made of."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        num: how many graphs.
        nodes: how many operators each; None leaves that to the model.
        task: what the networks are for; None leaves that to the model.
        seed: the same one gives the same graphs.
        masked: whether only what the schema allows is drawn.
        temperature: below 1, operators that the model thinks likely come more often than it says; above, more rarely.
    """

    num: int
    nodes: int | None = None
    task: str | None = None
    seed: int = 0
    masked: bool = True
    temperature: float = 1.0


def generate(run: Run, request: Request, device: str = "auto", start: SlottedGraph | None = None) -> list[SlottedGraph]:
    """Make graphs with the best parameters of a run.

    Args:
        run: of the recipe `generation`.
        request: what is asked for.
        device: as in the run's configuration.
        start: what each graph begins with; for the autoregressive model.

    Raises:
        UsageError: the run is of another recipe, or was not trained for the size or the task; the message says which.
        RunError: the run has no checkpoint.
    """
    config = run.config
    if config.recipe != "generation":
        raise UsageError(f"{run.directory} is a run of {config.recipe}, which generates nothing: train generation")
    _check_size(run, request, start)
    _check_temperature(run, request)
    task = _task(run, request)
    if start is not None and config.model != "autoregressive":
        raise UsageError(f"{run.directory} is a run of {config.model}: a run of autoregressive goes on from a graph")
    book = Rulebook(rules_of(run.labels))
    wishes = [
        Wish(
            min(_BATCH, request.num - done),
            seed=int(np.random.default_rng([request.seed, done]).integers(2**62)),
            book=book,
            size=request.nodes,
            task=task,
            masked=request.masked,
            start=start,
            temperature=request.temperature,
        )
        for done in range(0, request.num, _BATCH)
    ]
    if config.is_rule:
        from younger_hf.recipes.rules import sample_rule

        return [graph for wish in wishes for graph in sample_rule(run, wish)]
    from younger_hf.recipes.checkpoints import load_best
    from younger_hf.recipes.generation import generator_of
    from younger_hf.recipes.training import find_device

    model = load_best(run, find_device(device))
    return [graph for wish in wishes for graph in generator_of(config).sample(model, wish)]


def _check_size(run: Run, request: Request, start: SlottedGraph | None) -> None:
    most = run.config.max_nodes
    if request.num < 1:
        raise UsageError(f"at least one graph can be made, not {request.num}")
    if request.nodes is not None and not 2 <= request.nodes <= most:
        raise UsageError(f"{run.directory} has learned graphs of 2 to {most} operators, not of {request.nodes}")
    begun = 0 if start is None else start.num_nodes
    if begun >= (request.nodes or most):
        raise UsageError(
            f"the model has {begun} operators up to there, and graphs are to have {request.nodes or most} at most: "
            "cut earlier, or train with a larger --max-nodes"
        )


def _check_temperature(run: Run, request: Request) -> None:
    if not 0 < request.temperature < inf:
        raise UsageError(f"a temperature is above 0, not {request.temperature}")
    if run.config.is_rule and request.temperature != 1:
        raise UsageError(f"{run.directory} is a run of {run.config.model}, which has no temperature: leave it out")


def _task(run: Run, request: Request) -> int:
    if request.task is None:
        return 0
    file = run.directory / "tasks.json"
    if not file.is_file():
        raise UsageError(f"{run.directory} is a run of {run.config.model}, which knows no tasks: leave --task out")
    try:
        tasks: Sequence[str] = json.loads(file.read_text(encoding="utf-8"))
        names = [str(task) for task in tasks]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} is damaged ({error})") from error
    check_choice("task in training", request.task, names)
    return names.index(request.task) + 1


def row_of(graph: SlottedGraph, labels: Sequence[str], name: str, with_attributes: bool) -> dict[str, Any]:
    """A row of config `graphs`, or of `graphs-no-attributes`, for a graph that was made.

    Args:
        graph: what was made.
        labels: what its operator ids stand for.
        name: what it is called.
        with_attributes: whether these are labels with attributes.

    Returns:
        The columns that follow from the graph; nodes stand in canonical order, as in a release.
    """
    from younger_hf.identity import canonicalize, wl_hash
    from younger_hf.plots.preview import preview
    from younger_hf.tasks.generation.operator_rules import operator_of

    made = graph.to_graph([operator_of(label) for label in labels])
    form = canonicalize(made, attributes=with_attributes)
    ordered = form.graph
    type_form = canonicalize(made, attributes=False)
    ids = graph.operator[form.order]
    node, slot, kind = graph.unfed()
    place = np.argsort(form.order)[node]
    by_slot = np.lexsort((slot, place))
    counts = ordered.operator_counts()
    key = {"fingerprint": form.fingerprint, "exact": form.exact} if with_attributes else {"exact": form.exact}
    return {
        **key,
        "type_fingerprint": type_form.fingerprint,
        "wl_hash": wl_hash(ordered, attributes=with_attributes),
        "name": name,
        "source": "generated",
        "num_nodes": ordered.num_nodes,
        "num_edges": ordered.num_edges,
        "depth": int(ordered.levels().max(initial=-1)) + 1,
        "num_operator_types": len(counts),
        "summary": " ".join(f"{operator}×{count}" for operator, count in list(counts.items())[:8]),
        **({"preview": {"bytes": preview(ordered), "path": None}} if with_attributes else {}),
        **({"node_variant": ids} if with_attributes else {"node_operator": ids}),
        "node_scope": ordered.scope,
        "edge_index": list(ordered.edge_index),
        "edge_slot": list(ordered.edge_slot),
        "unfed_slot": [place[by_slot], slot[by_slot]],
        "unfed_kind": kind[by_slot],
    }
