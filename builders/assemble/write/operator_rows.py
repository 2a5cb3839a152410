"""The rows of config `operators`: every operator and every variant of it, numbered and counted.

In go the operators of each unique architecture, and the vocabulary of the release before; out come the rows, which
are the vocabulary of the release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from builders.measure.facts import count_types
from younger_hf.graph import Operator
from younger_hf.schema import MASK, UNKNOWN
from younger_hf.vocabulary import Vocabulary


def operator_rows(graphs: Iterable[Mapping[str, int]], previous: Vocabulary | None = None) -> list[dict[str, Any]]:
    """Number the operators of a release.

    Args:
        graphs: for each unique architecture, how many nodes there are of each operator `label`.
        previous: the vocabulary of the release before: its ids stay, new operators come after them.

    Returns:
        The rows of config `operators`: first the operators, then the variants, each in the order of ids. Ids 0
        and 1 are the special tokens; the others go by count, descending, and label.
    """
    nodes: dict[str, Counter[str]] = {"operator": Counter(), "variant": Counter()}
    occurs: dict[str, Counter[str]] = {"operator": Counter(), "variant": Counter()}
    for variants in graphs:
        for kind, counts in (("operator", count_types(variants)), ("variant", variants)):
            nodes[kind].update(counts)
            occurs[kind].update(dict.fromkeys(counts, 1))

    known = {
        "operator": previous.operators if previous else (UNKNOWN, MASK),
        "variant": previous.variants if previous else (UNKNOWN, MASK),
    }
    labels = {kind: list(dict.fromkeys((*known[kind], *dict(_by_count(nodes[kind]))))) for kind in nodes}
    operator_ids = {label: number for number, label in enumerate(labels["operator"])}
    rows = []
    for kind in labels:
        for number, label in enumerate(labels[kind]):
            special = label in (UNKNOWN, MASK)
            domain, op_type, attributes = (None, None, None) if special else _parts(kind, label)
            type_label = label if special else label.partition("{")[0]
            rows.append(
                {
                    "kind": kind,
                    "id": number,
                    "label": label,
                    "domain": domain,
                    "op_type": op_type,
                    "attributes": attributes,
                    "operator_id": operator_ids[type_label],
                    "num_nodes": nodes[kind][label],
                    "num_graphs": occurs[kind][label],
                }
            )
    return rows


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _parts(kind: str, label: str) -> tuple[str, str, str | None]:
    operator = Operator.from_label(label if kind == "variant" else label + "{}")
    return operator.domain, operator.op_type, operator.attributes if kind == "variant" else None
