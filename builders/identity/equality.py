"""Fingerprints, and what follows from them: isomorphism and de-duplication (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Iterable

from builders.extract import ModelOrPath, annotate
from builders.identity.canonical import BUDGET, canonical_digests
from younger_hf.graph import OperatorGraph


def fingerprint(graph: OperatorGraph, attributes: bool = True) -> str:
    """32 hexadecimal digits, equal exactly when two graphs are isomorphic.

    Operators, edges, slots and scopes count; names and the order of nodes do not, nor do slots that no edge feeds.

    Args:
        graph: any operator graph.
        attributes: False gives the type_fingerprint, in which operators are told apart by type alone.

    Raises:
        InvalidGraphError: two data flows go into one input slot.
    """
    return canonical_digests([graph], attributes)[0][0]


def fingerprints(graphs: Iterable[OperatorGraph], attributes: bool = True) -> list[str]:
    """The fingerprint of each graph."""
    return [digest for digest, _ in canonical_digests(list(graphs), attributes)]


def skeleton_fingerprint(model_or_path: ModelOrPath) -> str:
    """The fingerprint of a model with what feeds each open slot: graph input, parameter shape, or kept constant.

    resnet50 and wide_resnet50_2 have one fingerprint and two skeleton fingerprints.

    Args:
        model_or_path: a model, with or without weights, or its skeleton.

    Raises:
        InvalidModelError: the model is not sound.
    """
    return fingerprint(annotate(model_or_path))


def is_isomorphic(a: OperatorGraph, b: OperatorGraph, attributes: bool = True, *, budget: int = BUDGET) -> bool | None:
    """Whether two graphs are isomorphic; None when the search budget ran out before it was decided."""
    (left, left_exact), (right, right_exact) = canonical_digests([a, b], attributes, budget=budget)
    if left_exact and right_exact:
        return left == right
    # Without a search, the digest is that of the stable colours, which isomorphic graphs share.
    (left, _), (right, _) = canonical_digests([a, b], attributes, budget=0)
    return None if left == right else False


def deduplicate(
    graphs: Iterable[OperatorGraph], attributes: bool = True, *, budget: int = BUDGET
) -> dict[str, list[int]]:
    """Group graphs by identity.

    Args:
        graphs: any number of graphs.
        attributes: whether operators are told apart by their attributes too.
        budget: nodes and edges that the search for one graph's canonical form may visit.

    Returns:
        The positions of each distinct graph's copies, by fingerprint, in order of first appearance. Graphs whose
        search ran out of budget are never merged: from the second that shares a fingerprint on, "-2", "-3", …
        follows it.
    """
    groups: dict[str, list[int]] = {}
    undecided: dict[str, int] = {}
    for position, graph in enumerate(graphs):
        ((key, exact),) = canonical_digests([graph], attributes, budget=budget)
        if not exact:
            undecided[key] = undecided.get(key, 0) + 1
            if undecided[key] > 1:
                key = f"{key}-{undecided[key]}"
        groups.setdefault(key, []).append(position)
    return groups
