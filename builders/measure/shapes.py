"""The tensors that flow along a graph's edges: element type and shape of each, as far as inference tells.

In goes a network whose values know their shapes, and its graph in canonical order; out comes a text an edge, in the
spelling of ONNX's own text form: `float[1,64,56,56]`, or None where the type, or a dimension, is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import TensorProto

from younger_hf.identity.canonical import CanonicalForm
from younger_hf.recognise.network import Network, Value

Shapes = Sequence[str | None]


def output_shapes(network: Network) -> list[Shapes]:
    """What each node makes: by node, in the order of its `FlatModel`, and by output slot.

    Args:
        network: a model at example sizes as `younger_hf.recognise.normal.raised_network` reads it, not yet normalised.
    """
    return [[_written(value) for value in node.outputs] for node in network.ordered_nodes()]


def edge_shapes(outputs: list[Shapes], form: CanonicalForm) -> Shapes:
    """What flows along each edge of a canonical form: its producer's output at the edge's output slot."""
    producers = form.order[form.graph.edge_index[0]].tolist()
    slots = form.graph.edge_slot[0].tolist()
    return [outputs[node][slot] for node, slot in zip(producers, slots, strict=True)]


def _written(value: Value | None) -> str | None:
    dims = None if value is None else value.static_shape
    if value is None or dims is None or not value.dtype:
        return None
    return f"{TensorProto.DataType.Name(value.dtype).lower()}[{','.join(map(str, dims))}]"
