"""Fingerprints, and what follows from them: isomorphism (DESIGN section 4)."""

from __future__ import annotations

from collections.abc import Iterable

from younger_hf.extract import ModelOrPath, annotate
from younger_hf.graph import OperatorGraph, check_graph
from younger_hf.identity.batch import Batch
from younger_hf.identity.canonical import BUDGET, canonical_forms


def fingerprint(graph: OperatorGraph, attributes: bool = True) -> str:
    """32 hexadecimal digits, equal exactly when two graphs are isomorphic.

    Operators, edges, slots and scopes count; names and the order of nodes do not, nor do slots that no edge feeds.

    Args:
        graph: any operator graph.
        attributes: False gives the type_fingerprint, in which operators are told apart by type alone.

    Raises:
        UsageError: it is no graph.
        InvalidGraphError: two data flows go into one input slot.
    """
    check_graph("fingerprint", graph)
    return canonical_forms(Batch.of([graph], attributes)).fingerprints[0]


def fingerprints(graphs: Iterable[OperatorGraph], attributes: bool = True) -> list[str]:
    """The fingerprint of each graph."""
    graphs = list(graphs)
    return canonical_forms(Batch.of(graphs, attributes)).fingerprints if graphs else []


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
    for graph in (a, b):
        check_graph("is_isomorphic", graph)
    batch = Batch.of([a, b], attributes)
    forms = canonical_forms(batch, budget)
    if all(forms.exact):
        return forms.fingerprints[0] == forms.fingerprints[1]
    # Without a search, the fingerprint is that of the stable colours, which isomorphic graphs share.
    left, right = canonical_forms(batch, budget=0).fingerprints
    return None if left == right else False
