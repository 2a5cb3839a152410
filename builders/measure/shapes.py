"""The tensors that flow along a graph's edges: element type and shape of each, as far as inference tells.

In go the shapes of what each node makes, and the graph in canonical order; out comes a text an edge, in the spelling of
ONNX's own text form: `float[1,64,56,56]`, or None where the type, or a dimension, is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

from younger_hf.identity.canonical import CanonicalForm

Shapes = Sequence[str | None]


def edge_shapes(outputs: Sequence[Shapes], form: CanonicalForm) -> Shapes:
    """What flows along each edge of a canonical form: its producer's output at the edge's output slot.

    Args:
        outputs: by node of the graph as it was given and by output slot, see `younger_hf.recognise.shapes`.
        form: the graph in canonical order.
    """
    producers = form.order[form.graph.edge_index[0]].tolist()
    slots = form.graph.edge_slot[0].tolist()
    return [outputs[node][slot] for node, slot in zip(producers, slots, strict=True)]
