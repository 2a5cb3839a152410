"""What is measured on one skeleton, once: its identities, its counts, its picture.

In goes a serialised skeleton; out come `Facts`, small enough to keep for every architecture, and two records for
the spool, which hold the graph itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

import onnx
import pyarrow as pa
from google.protobuf.message import DecodeError

from builders.assemble.spool import pack
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import annotated_graph, operator_graph
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize, wl_hash
from younger_hf.plots.preview import preview


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
        opset: version of the default domain.
        variants: number of nodes of each operator label.
        num_searched: colourings that the search for the canonical form of the graph refined.
    """

    graph: Identity
    type_graph: Identity
    skeleton: Identity
    wl_hash: str
    type_wl_hash: str
    num_edges: int
    depth: int
    num_parameters: int
    opset: int
    variants: dict[str, int]
    num_searched: int

    @property
    def num_nodes(self) -> int:
        """Operators."""
        return sum(self.variants.values())


@dataclass(frozen=True)
class Measurement:
    """The facts of a skeleton, and its records for the spool.

    Attributes:
        facts: small, kept.
        graph: the graph in canonical order, with its preview.
        type_graph: the graph without attributes in canonical order, with the skeleton.
    """

    facts: Facts
    graph: pa.RecordBatch
    type_graph: pa.RecordBatch


def measure(skeleton: bytes) -> Measurement:
    """Measure a skeleton.

    Args:
        skeleton: a serialised weightless ModelProto, as `younger_hf.extract.strip` makes it.

    Raises:
        InvalidModelError: it is none.
    """
    try:
        model = onnx.load_model_from_string(skeleton)
    except DecodeError as error:
        raise InvalidModelError("the skeleton", None, "its bytes do not parse") from error
    flat = flatten(model, "the skeleton")
    graph = operator_graph(flat)
    form = canonicalize(graph)
    type_form = canonicalize(graph, attributes=False)
    type_graph = type_form.graph.without_attributes()
    skeleton_form = canonicalize(annotated_graph(flat))
    content = blake2b(skeleton, digest_size=16).hexdigest()
    facts = Facts(
        graph=Identity(form.fingerprint, "" if form.exact else _hash_arrays(form.graph)),
        type_graph=Identity(type_form.fingerprint, "" if type_form.exact else _hash_arrays(type_graph)),
        skeleton=Identity(skeleton_form.fingerprint, "" if skeleton_form.exact and form.exact else content),
        wl_hash=wl_hash(form.graph),
        type_wl_hash=wl_hash(type_graph, attributes=False),
        num_edges=graph.num_edges,
        depth=int(graph.levels().max(initial=-1)) + 1,
        num_parameters=graph.metadata.num_parameters,
        opset=graph.metadata.opset,
        variants=dict(sorted(Counter(operator.label for operator in graph.operator).items())),
        num_searched=form.num_searched,
    )
    return Measurement(facts, pack(form.graph, preview(form.graph)), pack(type_graph, skeleton))


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
