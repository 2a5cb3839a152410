"""Hypothesis strategies for operator graphs: `from support.strategies import operator_graphs`.

The graphs are arbitrary within the rules of `OperatorGraph`: multigraphs with parallel edges, several output
slots, input slots that nothing feeds, isolated nodes, nested bodies, operators of other domains.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from younger_hf.graph import Operator, OperatorGraph, make_graph

OPERATORS: Final = (
    Operator("", "Add"),
    Operator("", "Sub"),
    Operator("", "Relu"),
    Operator("", "Conv", '{"dilations":[1,1],"group":1,"kernel_shape":[3,3],"pads":[0,0,0,0],"strides":[1,1]}'),
    Operator("", "Conv", '{"dilations":[1,1],"group":8,"kernel_shape":[3,3],"pads":[0,0,0,0],"strides":[1,1]}'),
    Operator("", "Concat", '{"axis":1}'),
    Operator("", "Concat", '{"axis":-1}'),
    Operator("", "Split", '{"axis":0}'),
    Operator("", "Elu", '{"alpha":0.1}'),
    Operator("com.microsoft", "Gelu"),
    Operator("ai.onnx.ml", "Scaler", '{"offset":"FLOATS"}'),
)
CONTROL_FLOW: Final = (
    Operator("", "If", '{"else_branch":"graph","then_branch":"graph"}'),
    Operator("", "Loop", '{"body":"graph"}'),
)


@st.composite
def operator_graphs(draw: st.DrawFn, *, min_nodes: int = 0, max_nodes: int = 12) -> OperatorGraph:
    """Any operator graph, edges sorted by consumer and input slot.

    Args:
        draw: Hypothesis gives it.
        min_nodes: the fewest operators.
        max_nodes: the most operators.
    """
    num_nodes = draw(st.integers(min_nodes, max_nodes))
    is_owner = draw(st.lists(st.integers(0, 5).map(lambda k: k == 0), min_size=num_nodes, max_size=num_nodes))
    operators = [draw(st.sampled_from(CONTROL_FLOW if owner else OPERATORS)) for owner in is_owner]
    scope = []
    for node in range(num_nodes):
        owners = [later for later in range(node + 1, num_nodes) if is_owner[later]]
        scope.append(draw(st.sampled_from([-1, *owners])))
    edges = []
    for consumer in range(1, num_nodes):
        for input_slot in range(draw(st.integers(0, 3))):
            # -1 leaves the slot to a graph input, a parameter, or nothing.
            producer = draw(st.integers(-1, consumer - 1))
            if producer >= 0:
                edges.append((producer, consumer, draw(st.integers(0, 2)), input_slot))
    return make_graph(operators, edges, scope)
