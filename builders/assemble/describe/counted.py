"""What the rows of config `graphs` show together: distributions, sums and extremes, in one pass over what was measured.

In go the rows; out comes `Counted`. Memory is some 60 bytes an architecture: those that are counted are read from disk,
one after the other, and not kept.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from builders.assemble.families import model_backbones, model_family
from builders.assemble.merge import Rows


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of the rows of `graphs`, and of the skeletons and models in them.

    Attributes:
        num_graphs: rows.
        measures: by name, the value of each row that has one.
        counts: by what is counted, how many nodes (of operators), skeletons (of opsets) or models (of all else).
        packages: names and versions of what took part in the conversions.
        num_shapes: data flows of which the shape is known.
        searched: rows that colours alone did not put in canonical order.
        graphs_of: by source, rows that have a model of it.
        graphs_alone: by source, rows that have no model of another.
        days: on which hubs listed models.
    """

    num_graphs: int
    measures: Mapping[str, Sequence[int]]
    counts: Mapping[str, Counter[str]]
    packages: Sequence[tuple[str, str]]
    num_shapes: int
    searched: int
    graphs_of: Counter[str]
    graphs_alone: Counter[str]
    days: Sequence[str]


def count_rows(graphs: Rows) -> Counted:
    """Count what the rows of `graphs` show."""
    measured = graphs.measured
    is_shown = np.zeros(len(measured), np.bool_)
    is_shown[graphs.representatives] = True
    measures: dict[str, array[int]] = defaultdict(lambda: array("q"))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    packages, days = set[tuple[str, str]](), set[str]()
    num_shapes = searched = 0
    sources, found = dict[str, int](), (array("i"), array("i"))
    for number, row in enumerate(graphs.members.group_of().tolist()):
        one = measured[number]
        facts = one.facts
        if is_shown[number]:
            num_shapes += facts.num_shapes
            searched += facts.num_searched > 0
            counts["operator"].update(facts.types)
            measures["operators"].append(facts.num_nodes)
            measures["data flows"].append(facts.num_edges)
            measures["depth"].append(facts.depth)
            measures["parameters"].append(facts.num_parameters)
            if facts.costs:
                measures["multiply-accumulates"].append(facts.costs.macs)
                measures["activations"].append(facts.costs.activations)
        counts["opset"][str(facts.opset)] += 1
        for model, tool in one.models.items():
            packages.update(tool.versions.items())
            days.update((model.retrieved,) if model.retrieved else ())
            counts["exporter"][tool.exporter] += 1
            counts["source"][model.source] += 1
            counts["origin"][model.origin] += 1
            counts["licence"][model.license] += 1
            counts["task"][model.task] += 1
            counts["family"][model_family(model)] += 1
            counts["backbone"].update(model_backbones(model))
        for source in {model.source for model in one.models}:
            found[0].append(row)
            found[1].append(sources.setdefault(source, len(sources)))
    graphs_of, graphs_alone = _by_source(np.array(found, np.int64), list(sources))
    return Counted(
        *(len(graphs), measures, counts, sorted(packages), num_shapes, searched, graphs_of, graphs_alone, sorted(days))
    )


def _by_source(found: np.typing.NDArray[np.int64], names: list[str]) -> tuple[Counter[str], Counter[str]]:
    """How many rows have a source, and how many that one alone; int64 [2, P]: pairs of a row and a source."""
    rows, sources = np.unique(found, axis=1)
    _, first, of_row = np.unique(rows, return_index=True, return_counts=True)
    alone = sources[first[of_row == 1]]
    in_all, by_itself = (np.bincount(column, minlength=len(names)).tolist() for column in (sources, alone))
    return Counter(dict(zip(names, in_all, strict=True))), Counter(dict(zip(names, by_itself, strict=True)))
