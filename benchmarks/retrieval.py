"""Do sketches find the same network among others, against a bag of operators?

    python benchmarks/retrieval.py [NETWORK ...]

One export of each network of twin_models.py is the index, every other export of it a query: its own network should come
first. Sketches are of normal forms; the bag of operators counts operators without attributes, of the normal form and of
the export as it is, by the cosine. With one right answer a query, mean average precision is the mean reciprocal rank.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from twin_models import skeletons

from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.recognise import normal_graph
from younger_hf.recognise.nearest import SketchIndex
from younger_hf.recognise.sketch import sketch


def ranks_by_sketch(known: dict[str, OperatorGraph], queries: list[tuple[str, OperatorGraph]]) -> NDArray[np.int64]:
    """The rank of the right network, from 1 on, for each query."""
    rows = [(name, "", name, None) for name in known]
    index = SketchIndex.from_counts(rows, np.stack([sketch(graph) for graph in known.values()]))
    found = [[row.name for row in index.nearest(sketch(graph), len(rows))].index(name) + 1 for name, graph in queries]
    return np.array(found)


def ranks_by_bag(known: dict[str, OperatorGraph], queries: list[tuple[str, OperatorGraph]]) -> NDArray[np.int64]:
    """As `ranks_by_sketch`, by counts of operators."""
    operators = sorted({name for graph in known.values() for name in graph.operator_counts()})
    bags = np.stack([_bag(graph, operators) for graph in known.values()])
    names = np.array([*known])
    order = [np.argsort(-(bags @ _bag(graph, operators)), kind="stable") for _, graph in queries]
    return np.array(
        [int(np.flatnonzero(names[at] == name)[0]) + 1 for at, (name, _) in zip(order, queries, strict=True)]
    )


def _bag(graph: OperatorGraph, operators: list[str]) -> NDArray[np.float64]:
    counts = graph.operator_counts()
    bag = np.array([counts.get(name, 0) for name in operators], np.float64)
    return np.asarray(bag / max(float(np.linalg.norm(bag)), 1e-12))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="which; all if left out")
    found = {name: paths for name, paths in skeletons(parser.parse_args().networks).items() if len(paths) > 1}
    ways: dict[str, tuple[Callable[[Path], OperatorGraph], Callable[..., NDArray[np.int64]]]] = {
        "sketch of the normal form": (normal_graph, ranks_by_sketch),
        "bag of the normal form's operators": (normal_graph, ranks_by_bag),
        "bag of the export's operators": (extract, ranks_by_bag),
    }
    for way, (read, rank) in ways.items():
        known, queries = {}, []
        for name, paths in found.items():
            first, *others = map(read, paths.values())
            known[name] = first
            queries += [(name, graph) for graph in others]
        ranks = rank(known, queries)
        print(
            f"{way}, {len(queries)} exports among {len(known)} networks: recall@1 {(ranks == 1).mean():.3f}, "
            f"recall@10 {(ranks <= 10).mean():.3f}, mAP {(1 / ranks).mean():.3f}"
        )


if __name__ == "__main__":
    main()
