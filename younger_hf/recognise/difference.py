"""What tells two models apart by their normal forms: `diff_models`, and in a line `describe_difference`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from younger_hf.graph import Operator, OperatorGraph
from younger_hf.identity import fingerprint
from younger_hf.module_tree import ModuleTree
from younger_hf.recognise.alignment import align
from younger_hf.recognise.blocks import BlockChange, compare_blocks
from younger_hf.recognise.normal import Model, normal_graph_with_modules

_MOST_SHOWN: Final = 5


@dataclass(frozen=True)
class Change:
    """What happened to operators that are alike.

    Attributes:
        operator: the label in the first model, with attributes; None for what was added.
        by: the label in the second model; None for what was removed.
        count: how many.
        nodes: where: their positions among the nodes of the first model's normal form (of the second's for what was
            added), ascending.
    """

    operator: str | None
    by: str | None
    count: int
    nodes: tuple[int, ...]

    def __str__(self) -> str:
        """`Relu -> Swish`, `Conv (strides [2,2] -> [1,1])`, or the operator that was added or removed."""
        old, new = (None if label is None else Operator.from_label(label) for label in (self.operator, self.by))
        if old is None or new is None:
            one = old or new
            return "" if one is None else one.type_label
        if old.type_label != new.type_label:
            return f"{old.type_label} -> {new.type_label}"
        before, after = json.loads(old.attributes), json.loads(new.attributes)
        changed = [
            f"{name} {json.dumps(before.get(name), separators=(',', ':'))} -> "
            f"{json.dumps(after.get(name), separators=(',', ':'))}"
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
        return f"{old.type_label} ({', '.join(changed)})"


@dataclass(frozen=True)
class ModelDifference:
    """What two models have in common and what not, by their normal forms.

    Attributes:
        same: whether the normal forms are one: the same network, perhaps by different exporters.
        num_nodes: operators of each normal form.
        num_common: operators that both have, in the same place as far as can be told.
        replaced: operators in the place of others, the most frequent first.
        removed: operators that only the first has.
        added: operators that only the second has.
        blocks: the same by the modules of the two, where these are known.
    """

    same: bool
    num_nodes: tuple[int, int]
    num_common: int
    replaced: tuple[Change, ...]
    removed: tuple[Change, ...]
    added: tuple[Change, ...]
    blocks: tuple[BlockChange, ...] = ()


def diff_models(a: Model, b: Model) -> ModelDifference:
    """Compare two models: what is common, replaced, removed and added.

    They are compared as operators and data flows, by their normal forms, so that what differs is the architecture and
    not the exporter. Nodes are matched by `younger_hf.recognise.alignment.align`. Where a row has a module tree, or a
    model tells of modules as PyTorch's exporters do, in metadata or in names of nodes, blocks are compared, too.

    Args:
        a: a ModelProto, the path or URL of an ONNX file, or a row of config `skeletons`.
        b: as `a`.

    Raises:
        InvalidModelError: as `younger_hf.extract.extract`.
        UsageError: a row without a skeleton.
    """
    (one, modules), (other, its_modules) = normal_graph_with_modules(a), normal_graph_with_modules(b)
    return diff_graphs(one, other, (modules, its_modules))


def diff_graphs(
    one: OperatorGraph, other: OperatorGraph, modules: tuple[ModuleTree | None, ModuleTree | None] = (None, None)
) -> ModelDifference:
    """As `diff_models`, of two operator graphs and the modules of each."""
    there = align(one, other)
    changes: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    num_common = 0
    for node, twin in enumerate(there.tolist()):
        label = one.operator[node].label
        by = other.operator[twin].label if twin >= 0 else None
        if label == by:
            num_common += 1
        else:
            changes[label, by].append(node)
    for node in np.setdiff1d(np.arange(other.num_nodes), there).tolist():
        changes[None, other.operator[node].label].append(node)
    found = [Change(*labels, len(nodes), tuple(nodes)) for labels, nodes in changes.items()]
    found.sort(key=lambda change: (-change.count, change.nodes))
    return ModelDifference(
        num_common == one.num_nodes == other.num_nodes and fingerprint(one) == fingerprint(other),
        (one.num_nodes, other.num_nodes),
        num_common,
        tuple(change for change in found if change.operator is not None and change.by is not None),
        tuple(change for change in found if change.by is None),
        tuple(change for change in found if change.operator is None),
        compare_blocks((one, other), there, modules),
    )


def describe_difference(ours: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    """What one graph has that another has not: "Swish for Relu (17), 2 more Conv".

    An operator that only one has is said to stand for one that only the other has, if both occur equally often.

    Args:
        ours: the number of nodes of each operator type, as `OperatorGraph.operator_counts` gives it.
        theirs: as `ours`, of the other graph.
    """
    more = {name: count - theirs.get(name, 0) for name, count in ours.items() if count > theirs.get(name, 0)}
    fewer = {name: count - ours.get(name, 0) for name, count in theirs.items() if count > ours.get(name, 0)}
    said = []
    for name, count in sorted(more.items(), key=lambda item: (-item[1], item[0])):
        twin = next((each for each, times in sorted(fewer.items()) if times == count), None)
        if twin is not None and not (theirs.get(name) or ours.get(twin)):
            said.append((count, f"{name} for {twin} ({count:,})"))
            del more[name], fewer[twin]
    said += [(count, f"{count:,} more {name}") for name, count in more.items()]
    said += [(count, f"{count:,} fewer {name}") for name, count in fewer.items()]
    said.sort(key=lambda item: -item[0])
    if not said:
        return "the same operators, otherwise connected or with other attributes"
    shown = [text for _, text in said[:_MOST_SHOWN]]
    return ", ".join(shown + [f"{len(said) - _MOST_SHOWN:,} more differences"] * (len(said) > _MOST_SHOWN))
