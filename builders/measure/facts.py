"""What is measured on one skeleton, once: its identities, its counts, its picture.

In goes a serialised skeleton; out come `Facts`, small enough to keep for every architecture, its graph, and the
skeleton as the rules of the day make it: what an earlier version has stripped keeps no more than what is stripped now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from builders.measure.shapes import Shapes, edge_shapes
from younger_hf.costs import Costs, costs_of
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import FlatModel
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import annotated_graph, operator_graph, unfed_kinds
from younger_hf.extract.skeleton import skeleton as make_skeleton
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.identity import canonicalize, wl_hash
from younger_hf.identity.canonical import BUDGET, CanonicalForm
from younger_hf.interop.inputs import at_example_sizes
from younger_hf.plots.preview import preview
from younger_hf.recognise.normal import normal_graph, raised_network
from younger_hf.recognise.shapes import output_shapes
from younger_hf.recognise.sketch import minhash, sketch
from younger_hf.work import Work

MEASUREMENT_VERSION: Final = 1
"""Raised by one whenever `measure` gives something else for some skeleton, so that a release of another version is
measured again; see `builders.measure.published`."""

_SUMMARY_TYPES: Final = 8
_ROUNDS: Final = 32  # over all nodes and edges, which large graphs have besides the budget of a search
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Identity:
    """What decides whether two things are the same.

    Attributes:
        fingerprint: of the canonical form, or of the stable colours where the search ran out of budget.
        evidence: "" where the fingerprint is exact; else a hash of the thing as it stands. Where these are equal
            too, the things are the same; where they are not, nobody knows.
    """

    fingerprint: str
    evidence: str = ""

    @property
    def exact(self) -> bool:
        """Whether the fingerprint decides by itself."""
        return not self.evidence

    @property
    def key(self) -> str:
        """What a row of a release is known by: the fingerprint; where it is not exact, with a suffix of the row's own.

        The suffix depends on the row alone, so that a row keeps its key when others join the release.
        """
        return f"{self.fingerprint}-{self.evidence[:16]}" if self.evidence else self.fingerprint


@dataclass(frozen=True)
class Facts:
    """What is known of one skeleton.

    Attributes:
        graph: identity of the graph with attributes.
        type_graph: identity of the graph without attributes.
        skeleton: identity of the skeleton.
        wl_hash: with attributes.
        type_wl_hash: without attributes.
        num_edges: data flows.
        depth: nodes on the longest path.
        num_parameters: elements of all parameters together.
        num_shapes: edges of which element type and shape are known at example sizes.
        costs: of a forward pass at example sizes; None where they are not known.
        opset: version of the default domain.
        variants: number of nodes of each operator label.
        num_searched: colourings that the search for the canonical form of the graph refined.
        normal: identity of the normal form; its fingerprint is the one of `younger_hf.normal_fingerprint`.
        normal_types: the number of nodes of each operator type of the normal form, most frequent first.
        sketch: of the normal form, `younger_hf.recognise.sketch.SKETCH_LENGTH` counts.
        minhash: of the same features, `younger_hf.recognise.sketch.MINHASH_LENGTH` numbers.
    """

    graph: Identity
    type_graph: Identity
    skeleton: Identity
    wl_hash: str
    type_wl_hash: str
    num_edges: int
    depth: int
    num_parameters: int
    num_shapes: int
    costs: Costs | None
    opset: int
    variants: dict[str, int]
    num_searched: int
    normal: Identity
    normal_types: dict[str, int]
    sketch: tuple[int, ...]
    minhash: tuple[int, ...]

    @property
    def num_nodes(self) -> int:
        """Operators."""
        return sum(self.variants.values())

    @cached_property
    def types(self) -> dict[str, int]:
        """The number of nodes of each `type_label`, as `count_types` gives it."""
        return count_types(self.variants)

    @property
    def summary(self) -> str:
        """The most frequent operator types with their counts."""
        return summarize(self.types, _SUMMARY_TYPES)


@dataclass(frozen=True)
class Measurement:
    """All that is known of a skeleton.

    Attributes:
        facts: small, kept.
        graph: the graph in canonical order.
        shapes: per edge of it, the element type and the shape of what flows there at example sizes, or None.
        unfed: of the graph, int64 [3, U]: node, input slot and `Unfed` of each slot that no node feeds.
        type_graph: the graph without attributes in canonical order, which may be another.
        type_unfed: of it, as `unfed`.
        preview: the picture of the graph, a PNG.
        skeleton: the skeleton, stripped again; node for node the one that was given.
    """

    facts: Facts
    graph: OperatorGraph
    shapes: Shapes
    unfed: IntArray
    type_graph: OperatorGraph
    type_unfed: IntArray
    preview: bytes
    skeleton: bytes


def count_types(variants: Mapping[str, int]) -> dict[str, int]:
    """The number of nodes of each `type_label`, given that of each `label`; most frequent first, ties by name."""
    types: Counter[str] = Counter()
    for label, count in variants.items():
        types[label.partition("{")[0]] += count
    return dict(sorted(types.items(), key=lambda item: (-item[1], item[0])))


def measure(skeleton: bytes) -> Measurement:
    """Measure a skeleton.

    Args:
        skeleton: a serialised weightless ModelProto, as `younger_hf.extract.strip` makes it, or once made it.

    Raises:
        InvalidModelError: it is none.
    """
    flat, skeleton = _strip_again(skeleton)
    graph = operator_graph(flat)
    # One budget for all: a graph that is made to be hard costs a release some seconds, and is not exact.
    work = Work(BUDGET + _ROUNDS * (graph.num_nodes + graph.num_edges))
    form = canonicalize(graph, budget=work)
    type_form = canonicalize(graph, attributes=False, budget=work)
    type_graph = type_form.graph.without_attributes()
    skeleton_form = canonicalize(annotated_graph(flat), budget=work)
    content = blake2b(skeleton, digest_size=16).hexdigest()
    model = _parse(skeleton)
    raised, sized = raised_network(model), at_example_sizes(model)
    # Inferring shapes is half of the work: where the skeleton has the sizes of its inputs, once is enough.
    at_sizes = raised if sized is model else raised_network(sized)
    costs, shapes = costs_of(at_sizes), edge_shapes(output_shapes(at_sizes), form)
    normal = normal_graph(model, raised=raised)
    normal_form = canonicalize(normal, budget=work)
    facts = Facts(
        graph=Identity(form.fingerprint, "" if form.exact else _hash_arrays(form.graph)),
        type_graph=Identity(type_form.fingerprint, "" if type_form.exact else _hash_arrays(type_graph)),
        skeleton=Identity(skeleton_form.fingerprint, "" if skeleton_form.exact and form.exact else content),
        wl_hash=wl_hash(form.graph),
        type_wl_hash=wl_hash(type_graph, attributes=False),
        num_edges=graph.num_edges,
        depth=int(graph.levels().max(initial=-1)) + 1,
        num_parameters=graph.metadata.num_parameters,
        num_shapes=sum(shape is not None for shape in shapes),
        costs=costs,
        opset=graph.metadata.opset,
        variants=dict(sorted(Counter(operator.label for operator in graph.operator).items())),
        num_searched=form.num_searched,
        normal=Identity(normal_form.fingerprint, "" if normal_form.exact else _hash_arrays(normal_form.graph)),
        normal_types=normal.operator_counts(),
        sketch=tuple(sketch(normal).tolist()),
        minhash=tuple(minhash(normal).tolist()),
    )
    unfed, type_unfed = (_in_order(unfed_kinds(flat), each) for each in (form, type_form))
    return Measurement(facts, form.graph, shapes, unfed, type_graph, type_unfed, preview(form.graph), skeleton)


def _in_order(unfed: IntArray, form: CanonicalForm) -> IntArray:
    """Slots that no node feeds, where their nodes stand in canonical order."""
    node, slot, kind = unfed
    position = np.argsort(form.order)[node]
    return np.stack((position, slot, kind))[:, np.lexsort((slot, position))]


def _strip_again(skeleton: bytes) -> tuple[FlatModel, bytes]:
    """A skeleton by the rules of the day, read and serialised."""
    flat = flatten(_parse(skeleton), "the skeleton")
    stripped = make_skeleton(flat).SerializeToString(deterministic=True)
    return (flat if stripped == skeleton else flatten(_parse(stripped), "the skeleton")), stripped


def _parse(skeleton: bytes) -> ModelProto:
    try:
        return onnx.load_model_from_string(skeleton)
    except DecodeError as error:
        raise InvalidModelError("the skeleton", None, "its bytes do not parse") from error


def _hash_arrays(graph: OperatorGraph) -> str:
    digest = blake2b(digest_size=16)
    for part in (
        "\n".join(operator.label for operator in graph.operator).encode(),
        graph.edge_index.tobytes(),
        graph.edge_slot.tobytes(),
        graph.scope.tobytes(),
    ):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def summarize(counts: Mapping[str, int], most: int) -> str:
    """The first operators with their counts, `Conv×20 Relu×17 …`, at most so many."""
    shown = [f"{name}{_TIMES}{count}" for name, count in list(counts.items())[:most]]
    return " ".join(shown + ["…"] * (len(counts) > len(shown)))
