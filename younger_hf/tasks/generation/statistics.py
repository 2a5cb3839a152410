"""How like real graphs a set of graphs is: maximum mean discrepancies, and a classifier that tells them apart.

In go `SlottedGraph`s; out come numbers. A graph is described by histograms (You et al., "GraphRNN", ICML 2018, section
4.3), and two histograms are compared by a Gaussian kernel of their total variation distance (Liao et al., "GRAN",
NeurIPS 2019, section 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import lgamma, log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import MissingExtraError
from younger_hf.tasks.generation.slotted import SlottedGraph

try:
    import igraph
except ModuleNotFoundError as error:
    raise MissingExtraError("igraph", "inspect") from error

_FOLDS: Final = 5
_TREES: Final = 100

Counts = Mapping[Hashable, float]


def in_degrees(graph: SlottedGraph) -> Counts:
    """Nodes by the slots that nodes feed."""
    return Counter(np.bincount(graph.edges[1], minlength=graph.num_nodes).tolist())


def out_degrees(graph: SlottedGraph) -> Counts:
    """Nodes by the slots that they feed."""
    return Counter(np.bincount(graph.edges[0], minlength=graph.num_nodes).tolist())


def depths(graph: SlottedGraph) -> Counts:
    """Nodes by their place on the longest path that leads to them."""
    level = [0] * graph.num_nodes
    for producer, consumer in graph.edges[:2].T.tolist():
        level[consumer] = max(level[consumer], level[producer] + 1)
    return Counter(level)


def operators(graph: SlottedGraph) -> Counts:
    """Nodes by operator."""
    return Counter(graph.operator.tolist())


def triples(graph: SlottedGraph) -> Counts:
    """Edges by the operators at their ends and the input slot."""
    producer, consumer, _, slot = graph.edges
    ends = graph.operator[producer], slot, graph.operator[consumer]
    return Counter(zip(*(each.tolist() for each in ends), strict=True))


def motifs(graph: SlottedGraph) -> Counts:
    """Connected sets of three nodes by the edges between them."""
    simple = igraph.Graph(graph.num_nodes, np.unique(graph.edges[:2].T, axis=0).tolist(), directed=True)
    return {kind: count for kind, count in enumerate(simple.motifs_randesu(3)) if count > 0}


DESCRIPTORS: Final[Mapping[str, Callable[[SlottedGraph], Counts]]] = {
    "in_degree": in_degrees,
    "out_degree": out_degrees,
    "depth": depths,
    "operators": operators,
    "triples": triples,
    "motifs": motifs,
}
"""What graphs are compared by; each gives a histogram."""


def histograms(sets: Sequence[Sequence[SlottedGraph]], describe: Callable[[SlottedGraph], Counts]) -> list[Any]:
    """Histograms that sum to 1, float64 [M, K] for each set of M graphs, over the K things that any graph has."""
    counted = [[describe(graph) for graph in graphs] for graphs in sets]
    names = {name: None for counts in counted for each in counts for name in each}
    place = {name: number for number, name in enumerate(names)}
    found = []
    for counts in counted:
        table = np.zeros((len(counts), max(len(place), 1)))
        for row, each in enumerate(counts):
            for name, count in each.items():
                table[row, place[name]] = count
        found.append(table / np.maximum(table.sum(axis=1, keepdims=True), 1))
    return found


def discrepancies(sets: Sequence[NDArray[np.float64]], other: NDArray[np.float64]) -> list[float]:
    """Squared maximum mean discrepancies between sets of histograms and another, by a Gaussian kernel of bandwidth 1.

    Args:
        sets: histograms [M, K] of each set.
        other: histograms [N, K] of the set that each is compared with.

    Returns:
        One a set, at least 0, with a set's graphs compared with themselves, too: sets of one size compare.
    """
    from scipy.spatial.distance import cdist

    def mean(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        return float(np.exp(-((cdist(first, second, "cityblock") / 2) ** 2) / 2).mean())

    within = mean(other, other)
    return [max(mean(one, one) + within - 2 * mean(one, other), 0.0) for one in sets]


def classifier_auc(sets: Sequence[Sequence[NDArray[np.float64]]], seed: int = 0) -> float:
    """How well a random forest tells two sets of graphs apart: the area under the ROC curve, in cross-validation.

    Args:
        sets: of each set, tables [M, K] that describe its graphs.
        seed: of the forest and of the parts.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    one, other = (np.concatenate(tables, axis=1) for tables in sets)
    x = np.concatenate((one, other))
    y = np.repeat((1, 0), (len(one), len(other)))
    folds = min(_FOLDS, len(one), len(other))
    if folds < 2:
        return float("nan")
    forest = RandomForestClassifier(_TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return float(roc_auc_score(y, cross_val_predict(forest, x, y, cv=parts, method="predict_proba")[:, 1]))


def log_orders(graph: SlottedGraph) -> float:
    """How much the order of nodes can count in a likelihood, at most, in nats: log(n! / |Aut|).

    A graph has n! / |Aut| orders that differ, |Aut| being the number of its automorphisms; fewer are topological.
    """
    edges = graph.edges
    starts = graph.num_nodes + np.arange(edges.shape[1])
    _, kinds = np.unique(edges[2:], axis=1, return_inverse=True)
    colours = np.concatenate((graph.operator, graph.operator.max(initial=0) + 1 + kinds.ravel()))
    links = np.concatenate((np.stack((edges[0], starts)), np.stack((starts, edges[1]))), axis=1)
    split = igraph.Graph(len(colours), links.T.tolist(), directed=True)
    return lgamma(graph.num_nodes + 1) - log(split.count_automorphisms(color=colours.tolist()))
