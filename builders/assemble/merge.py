"""Merging: which architectures are one row, at three levels of sameness.

In go measured architectures, one for each distinct skeleton in the ledger; out comes a tree: a row without
attributes holds the rows with attributes that look alike without them, and each of these holds its skeletons.
Every model stays with the skeleton that it came with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from builders.ledger import Tool
from builders.measure.facts import Facts, Identity
from builders.model_ref import ModelRef


@dataclass(frozen=True)
class Measured:
    """An architecture of the ledger, measured.

    Attributes:
        number: its place in the spool, by which its graph and its module tree are found again.
        skeleton_hash: by which the ledger has its skeleton, and which decides where all else is equal.
        models: the models that it stands for, at least one, each with what made its ONNX.
        facts: what was measured on it.
    """

    number: int
    skeleton_hash: str
    models: Mapping[ModelRef, Tool]
    facts: Facts

    @property
    def prominent_model(self) -> ModelRef:
        """The model with most downloads, then by source, the shortest id first; contributed ones after others."""
        return min(self.models, key=prominence)

    @property
    def exporter(self) -> str:
        """What made the ONNX of the most prominent model."""
        return self.models[self.prominent_model].exporter


@dataclass(frozen=True)
class Merged:
    """What is one row of a config.

    Attributes:
        key: of its identity, see `builders.measure.facts.Identity`.
        members: the architectures in it, that of the most prominent model first.
        parts: the rows of the next finer level that it is made of, by key.
    """

    key: str
    members: tuple[Measured, ...]
    parts: tuple[Merged, ...] = ()

    @property
    def representative(self) -> Measured:
        """The architecture whose facts, graph and prominent model the row shows."""
        return self.members[0]

    @cached_property
    def models(self) -> list[tuple[ModelRef, Facts]]:
        """Every model in the row, with the facts of its own skeleton, by (source, id, revision)."""
        pairs = [(model, member.facts) for member in self.members for model in member.models]
        return sorted(pairs, key=lambda pair: (*_identity(pair[0]), pair[1].skeleton.fingerprint))


def merge(measured: Iterable[Measured]) -> list[Merged]:
    """Merge architectures into rows.

    Two are one row only where they are surely isomorphic: their fingerprints are equal and exact, or the graphs
    are equal as they stand. Nothing is merged on a guess.

    Returns:
        The rows without attributes, by key. Their parts are the rows with attributes, and the parts of these
        their skeletons.
    """
    by_skeleton: dict[Identity, list[Measured]] = defaultdict(list)
    for one in measured:
        by_skeleton[one.facts.skeleton].append(one)
    skeletons = _rows({identity: (members, ()) for identity, members in by_skeleton.items()})
    graphs = _join(skeletons, lambda facts: facts.graph)
    return _join(graphs, lambda facts: facts.type_graph)


def count_wl_collisions(graphs: Iterable[Merged]) -> int:
    """Pairs of rows with one WL hash that are not isomorphic: what the paper would have merged wrongly."""
    by_hash: Counter[str] = Counter()
    undecided: Counter[tuple[str, str]] = Counter()
    for row in graphs:
        facts = row.representative.facts
        by_hash[facts.wl_hash] += 1
        undecided[facts.wl_hash, facts.graph.fingerprint] += 1
    return _pairs(by_hash.values()) - _pairs(undecided.values())


def count_undecided(graphs: Iterable[Merged]) -> int:
    """Pairs of rows of which nobody knows whether they are isomorphic, since the search ran out of budget."""
    return _pairs(Counter(row.representative.facts.graph.fingerprint for row in graphs).values())


def by_normal_form(graphs: Iterable[Merged]) -> list[list[Merged]]:
    """The rows of config `graphs` that share a normal form, the smallest key first in each list and among lists."""
    joined: dict[Identity, list[Merged]] = defaultdict(list)
    for row in sorted(graphs, key=lambda row: row.key):
        joined[row.representative.facts.normal].append(row)
    return list(joined.values())


def normal_form_pairs(graphs: Iterable[Merged]) -> list[tuple[str, str]]:
    """Pairs of keys that link all rows of one normal form."""
    return [(rows[0].key, row.key) for rows in by_normal_form(graphs) for row in rows[1:]]


def _join(parts: Iterable[Merged], identity: Callable[[Facts], Identity]) -> list[Merged]:
    """Join the rows of one level that are the same at the next."""
    joined: dict[Identity, list[Merged]] = defaultdict(list)
    for part in parts:
        joined[identity(part.representative.facts)].append(part)
    return _rows({same: ([one for part in row for one in part.members], tuple(row)) for same, row in joined.items()})


def _rows(groups: Mapping[Identity, tuple[list[Measured], tuple[Merged, ...]]]) -> list[Merged]:
    rows = []
    for identity, (members, parts) in groups.items():
        best_first = sorted(members, key=lambda one: (prominence(one.prominent_model), one.skeleton_hash))
        rows.append(Merged(identity.key, tuple(best_first), parts))
    return sorted(rows, key=lambda row: row.key)


def prominence(model: ModelRef) -> tuple[bool, int, str, int, str, str, str]:
    """Smallest for the model that names a row; see `Measured.prominent_model`."""
    # What anybody may say of a model of their own does not name a row that a hub or a registry names.
    downloads = -1 if model.downloads is None else model.downloads
    # A variant has a longer name: resnet18 names the row, not quantized_resnet18.
    return model.origin == "contributed", -downloads, model.source, len(model.id), *_identity(model)[1:]


def _identity(model: ModelRef) -> tuple[str, str, str, str]:
    return model.source, model.id, model.revision, model.component


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)
