"""`clear_values`: remove the values of tensors from a model, in place, except for those that a skeleton keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from younger_hf.extract.attribute_values import attribute_type, single_element
from younger_hf.extract.constants import tensor_roles
from younger_hf.extract.flatten import flatten_wiring
from younger_hf.extract.operators import normal_domain
from younger_hf.work import Work

_PAYLOAD_FIELDS: Final = (
    "raw_data",
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "external_data",
    "data_location",
)
_WITHOUT_TENSORS: Final = frozenset(
    getattr(AttributeProto, name) for name in "FLOAT INT STRING FLOATS INTS STRINGS TYPE_PROTO TYPE_PROTOS".split()
)


def clear_values(model: ModelProto, name: str = "the model", work: Work | None = None) -> None:
    """Remove the values of every tensor from a model, in place, except for those that the skeleton keeps.

    Training information and functions that are never called are removed altogether.

    Raises:
        InvalidModelError: the model is not sound, see `flatten`.
        WorkLimitError: the work is spent.
    """
    del model.training_info[:]
    flat = flatten_wiring(model, name, work)
    roles = tensor_roles(flat)
    kept = roles.constants - roles.withheld
    # A function may be called more than once: its Constant is several values, and stays if one of them is kept.
    kept_nodes = {id(flat.constant_node[value]) for value in kept if value in flat.constant_node}
    for value, tensor in flat.tensor.items():
        node = flat.constant_node.get(value)
        if node is None and value not in kept:
            clear_tensor(tensor)
        elif node is not None and id(node) not in kept_nodes:
            clear_constant(node, tensor)
    for position in reversed(range(len(model.functions))):
        function = model.functions[position]
        if (normal_domain(function.domain), function.name, function.overload) not in flat.called:
            del model.functions[position]
    clear_attributes(model.graph.node)
    _clear_sparse(model.graph)
    for function in model.functions:
        clear_attributes(function.node)


def clear_tensor(tensor: TensorProto) -> None:
    """Leave a tensor its name, element type and shape."""
    for field in _PAYLOAD_FIELDS:
        tensor.ClearField(field)


def clear_constant(node: NodeProto, tensor: TensorProto) -> None:
    """Leave a Constant its element type and shape, whatever form its value had."""
    bare = TensorProto(data_type=tensor.data_type, dims=tensor.dims)
    del node.attribute[:]
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=bare))


def _clear_sparse(graph: GraphProto) -> None:
    for sparse in graph.sparse_initializer:
        clear_tensor(sparse.values)
        clear_tensor(sparse.indices)


def clear_attributes(nodes: Iterable[NodeProto]) -> None:
    """Clear the tensor attributes of every node but Constant, in bodies too."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type in _WITHOUT_TENSORS:
                continue
            kind = attribute_type(attribute)
            if kind in ("GRAPH", "GRAPHS"):
                for graph in [attribute.g] if kind == "GRAPH" else attribute.graphs:
                    clear_attributes(graph.node)
                    _clear_sparse(graph)
            elif node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                continue
            elif kind == "TENSOR" and (node.op_type != "ConstantOfShape" or single_element(attribute.t) is None):
                clear_tensor(attribute.t)
            elif kind == "TENSORS":
                for tensor in attribute.tensors:
                    clear_tensor(tensor)
            elif kind == "SPARSE_TENSOR":
                clear_tensor(attribute.sparse_tensor.values)
                clear_tensor(attribute.sparse_tensor.indices)
