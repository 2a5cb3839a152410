"""The figures of a generator's samples, in one go.

In go samples, the training graphs and the test graphs; out comes a row of the table in docs/generation.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from younger_hf.errors import UsageError
from younger_hf.identity.batch import Batch
from younger_hf.identity.canonical import canonical_forms
from younger_hf.tasks.generation.operator_rules import operator_of, rules_of
from younger_hf.tasks.generation.slotted import SlottedGraph, check_graphs
from younger_hf.tasks.generation.statistics import DESCRIPTORS, classifier_auc, discrepancies, histograms
from younger_hf.tasks.generation.validity import fault_of_slots, fault_of_types

_SEED: Final = 12345
_LEAST: Final = 1e-6  # what a discrepancy is at least where it divides
_DRAWS: Final = 10  # of training graphs; what one draw of a few hundred gives is off by several times
_FOR_CLASSIFIER: Final = ("in_degree", "out_degree", "depth", "operators", "motifs")


def figures_of(given: Mapping[str, Any]) -> dict[str, float]:
    """What samples are worth.

    Args:
        given: `samples`, `train` and `test`, lists of `SlottedGraph`; `labels`, what their operator ids stand for.
            `whole`, if it is there and true, says that these are whole networks and labels have attributes.

    Returns:
        Shares from 0 to 1: `v1`, `v2` (of which both hold), `unique`, `novel` (by fingerprint), `novel_types` (by the
        fingerprint of operator types), `useful` (v2, novel and the first of its kind). `mmd_*`: the squared maximum
        mean discrepancy to test, divided by that between test and as many graphs of train, the mean over ten draws.
        `auc`: of a classifier that tells samples from test. Of whole networks, `v3`: the share that ONNX Runtime runs.

    Raises:
        UsageError: the input is something else.
    """
    for name in ("samples", "train", "test", "labels"):
        if name not in given:
            raise UsageError(f"samples are evaluated beside train, test and labels: there is no {name}")
    samples, train, test = (check_graphs(name, given[name]) for name in ("samples", "train", "test"))
    labels = tuple(map(str, given["labels"]))
    if max(int(graph.operator.max(initial=0)) for graph in (*samples, *train, *test)) >= len(labels):
        raise UsageError(f"a graph has an operator id beyond the {len(labels):,} labels")
    whole = bool(given.get("whole"))
    rules = rules_of(labels)
    v1 = np.array([graph.num_nodes > 0 and fault_of_slots(graph, rules) is None for graph in samples])
    v2 = np.array([bool(ok) and fault_of_types(graph, rules) is None for ok, graph in zip(v1, samples, strict=True)])
    keys, types = (fingerprints(samples, labels, attributes=flag) for flag in (True, False))
    known, known_types = (set(fingerprints(train, labels, attributes=flag)) for flag in (True, False))
    novel = np.array([key not in known for key in keys])
    novel_types = np.array([key not in known_types for key in types])
    first = np.zeros(len(samples), dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    generator = np.random.default_rng(_SEED)
    draws = [generator.permutation(len(train))[: len(samples)] for _ in range(_DRAWS)]
    found = {
        "v1": float(v1.mean()),
        "v2": float(v2.mean()),
        **({"v3": float(np.mean([_runs(*each, labels) for each in zip(samples, v2, strict=True)]))} if whole else {}),
        "unique": float(first.mean()),
        "novel": float(novel.mean()),
        "novel_types": float(novel_types.mean()),
        "useful": float((v2 & novel & first).mean()),
    }
    features: list[list[Any]] = [[], []]
    for name, describe in DESCRIPTORS.items():
        peers = [[train[row] for row in drawn] for drawn in draws]
        *of_peers, of_samples, of_test = histograms((*peers, samples, test), describe)
        *between, of_all = discrepancies((*of_peers, of_samples), of_test)
        found[f"mmd_{name}"] = of_all / max(float(np.mean(between)), _LEAST)
        if name in _FOR_CLASSIFIER:
            features[0].append(of_samples)
            features[1].append(of_test)
    for of, graphs in zip(features, (samples, test), strict=True):
        of.append(np.array([[graph.num_nodes, len(graph.source), graph.edges.shape[1]] for graph in graphs], float))
    found["auc"] = classifier_auc(features)
    return found


def _runs(graph: SlottedGraph, is_sound: bool, labels: Sequence[str]) -> bool:
    from younger_hf.tasks.generation.runnable import runnable_model

    return bool(is_sound) and runnable_model(graph, labels) is not None


def fingerprints(graphs: Sequence[SlottedGraph], labels: Sequence[str], *, attributes: bool = True) -> list[str]:
    """The fingerprint of each graph.

    Args:
        graphs: at least one.
        labels: what their operator ids stand for, with attributes or without.
        attributes: whether operators are told apart by their attributes, too.
    """
    operators = [operator_of(label) for label in labels]
    batch = Batch.of([graph.to_graph(operators) for graph in graphs], attributes)
    return canonical_forms(batch).fingerprints
