"""The normal form: the same for one network whatever exported it.

In goes a model, or a skeleton; out comes a skeleton, in one opset, without what exporters do each in their own way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from younger_hf.errors import UsageError, YoungerError
from younger_hf.extract import strip
from younger_hf.extract.constants import shape_inputs
from younger_hf.extract.flat_model import ValueKind
from younger_hf.extract.flatten import flatten
from younger_hf.extract.modules import told_modules
from younger_hf.extract.operator_graph import operator_graph
from younger_hf.extract.operators import operator_schema
from younger_hf.extract.reader import load_weightless
from younger_hf.extract.skeleton import skeleton
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize
from younger_hf.module_tree import ModuleTree, modules_of
from younger_hf.recognise.fixpoint import budget, rewrite
from younger_hf.recognise.flat import read_network, shape_of, write_flat, write_flat_with_modules
from younger_hf.recognise.matching import is_parameter, maker, used_once, with_parameter
from younger_hf.recognise.network import OPSET, Network, Node, Value
from younger_hf.recognise.opset import raise_opset
from younger_hf.recognise.order import sort_operands
from younger_hf.recognise.positions import disconnect, without_positions
from younger_hf.recognise.rules.constants import FOLDED
from younger_hf.recognise.rules.table import RULES
from younger_hf.recognise.shapes import infer_shapes
from younger_hf.recognise.uncollected import uncollected
from younger_hf.work import WorkLimitError

_MOST_ROUNDS: Final = 6

Model = ModelProto | str | os.PathLike[str] | Mapping[str, Any]
"""A model, or the path or URL of one, or a row of config `skeletons`."""


@uncollected()
def normalize(model: Model, *, raised: Network | None = None) -> ModelProto:
    """The normal form of a model, as a skeleton.

    It is deterministic, independent of the order and the names of nodes, and the normal form of itself. Custom domains,
    unknown opsets, control flow and quantisation stay as they are where no rule applies.

    Args:
        model: a model, or the path or URL of one, or a row of config `skeletons`.
        raised: what `raised_network` makes of the model, by who needs it besides; it is used up.

    Raises:
        InvalidModelError: as `younger_hf.extract.extract`.
        UsageError: a row without a skeleton.
    """
    proto = _proto(model)
    network = normal_network(proto, raised=raised)
    return strip(skeleton(write_flat(network)) if _is_of_one_opset(network) else proto)


def _is_of_one_opset(network: Network) -> bool:
    """Whether its control flow means what it means in the normal form's opset: no model could say both."""
    return all(
        operator_schema(node.operator.domain, node.operator.op_type, node.opset)
        == operator_schema(node.operator.domain, node.operator.op_type, OPSET)
        for node in network.nodes()
        if node.bodies and not node.operator.domain
    )


def normal_network(proto: ModelProto, *, raised: Network | None = None, modules: ModuleTree | None = None) -> Network:
    """The normal form of a model, as a network; its tensors know how they follow from those of the model.

    A model that takes more work than its size allows, which no exporter writes, is left as it is in the one opset:
    all of it, so that what is left does not depend on where a rule had got to.
    """
    network = raised_network(proto, modules) if raised is None else raised
    try:
        _rewrite(network)
    except WorkLimitError:
        network = raised_network(proto, modules)
    sort_operands(network)
    return network


def _rewrite(network: Network) -> None:
    work = budget(network)
    for _ in range(_MOST_ROUNDS):
        if not rewrite(network, RULES, work=work) or _is_static(network):
            return
        infer_shapes(network)


def raised_network(proto: ModelProto, modules: ModuleTree | None = None) -> Network:
    """A model as a network in the normal form's opset, with the shapes that follow from its inputs."""
    network = read_network(proto, modules=None if modules is None else modules.node)
    infer_shapes(network, network.opsets.get("", OPSET))
    raise_opset(network)
    if not _is_static(network):
        infer_shapes(network)
    return network


def _is_static(network: Network) -> bool:
    """Whether the shape of everything that a node makes is known in numbers."""
    return all(value is None or value.static_shape is not None for node in network.nodes() for value in node.outputs)


@uncollected()
def normal_graph(model: Model, *, raised: Network | None = None) -> OperatorGraph:
    """The operators and data flows of a model's normal form, without those that only compute shapes.

    Args:
        model: as for `normalize`.
        raised: as for `normalize`.

    Raises:
        InvalidModelError, UsageError: as `normalize`.
    """
    # Not by way of `normalize`: to write a skeleton and to read it again is a third of the work.
    proto = _proto(model)
    network = normal_network(proto, raised=raised)
    return _operators(network) if _is_of_one_opset(network) else graph_of(strip(proto))


@uncollected()
def normal_graph_with_modules(model: Model) -> tuple[OperatorGraph, ModuleTree | None]:
    """As `normal_graph`; and the modules of its nodes, None where neither the model nor the row tells.

    What a rule makes of several nodes is from the module of the last, or of the one that has its operator.

    Raises:
        InvalidModelError, UsageError: as `normalize`.
        ReleaseError: the module tree of a row is damaged.
    """
    proto = _with_parameters(_given(model, metadata=True))
    modules = _modules(model, proto)
    network = normal_network(proto, modules=modules)
    if modules is None or not _is_of_one_opset(network):
        return _operators(network) if _is_of_one_opset(network) else graph_of(strip(proto)), None
    flat, node = write_flat_with_modules(_reduced(network))
    return operator_graph(flat), ModuleTree(modules.modules, node)


def _modules(model: Model, proto: ModelProto) -> ModuleTree | None:
    return modules_of(model) if isinstance(model, Mapping) else told_modules(flatten(proto))


def graph_of(normal_form: ModelProto) -> OperatorGraph:
    """As `normal_graph`, of what `normalize` returned."""
    return _operators(read_network(normal_form))


def _operators(network: Network) -> OperatorGraph:
    return operator_graph(write_flat(_reduced(network)))


def _reduced(network: Network) -> Network:
    """The network itself, without what only computes shapes, and without biases: what the fingerprint is of."""
    without_positions(network)
    for node in [*network.nodes()]:
        # What computes a shape is an exporter's habit: where sizes are known it is a constant.
        for slot in shape_inputs(node.operator.op_type, node.opset) if not node.operator.domain else ():
            disconnect(node, slot)
        _without_bias(network, node)
    for node in [*network.nodes()]:
        _fold(network, node)
    for body in network.bodies():
        for node in reversed(body.nodes):
            network.release(node)
    for body in network.bodies():
        body.nodes = [node for node in body.nodes if node.alive]
    sort_operands(network)
    return network


def _fold(network: Network, node: Node) -> None:
    """A part of a parameter, as long as an input is, is a parameter: where the size is known it is one at once."""
    fed = [value for value in node.inputs if value is not None]
    if node.op_type in FOLDED and fed and all(value.is_tensor for value in fed) and not any(node.outputs[1:]):
        network.replace(node, Value(ValueKind.TENSOR, (), node.output.dtype))


def _without_bias(network: Network, node: Node) -> None:
    """The bias of a linear layer is an optional parameter, as is that of a Conv, which has a slot for it."""
    added = with_parameter(node) if node.op_type == "Add" else None
    product = None if added is None else maker(added[0], "MatMul")
    if added is not None and product is not None and used_once(added[0]) and added[1].rank == 1:
        weight = product.input(1)
        if weight is not None and is_parameter(weight):
            network.replace(node, added[0])


def normal_fingerprint(model: Model) -> str:
    """The fingerprint of a model's normal form: the same for one network whatever exported it.

    Returns:
        32 hexadecimal digits.

    Raises:
        InvalidModelError, UsageError: as `normalize`.
    """
    return canonicalize(normal_graph(model)).fingerprint


def _proto(model: Model) -> ModelProto:
    return _with_parameters(_given(model))


_NAMED_BY_US: Final = re.compile(r"(in|p)[0-9]+")


def _with_parameters(proto: ModelProto) -> ModelProto:
    """A model whose parameters `to_onnx` made graph inputs, with parameters.

    Nothing but the names that a skeleton gives tells them from other graph inputs.
    """
    named = [_NAMED_BY_US.fullmatch(each.name) for each in proto.graph.input]
    if not all(named) or not any(match is not None and match[1] == "p" for match in named):
        return proto
    result = ModelProto()
    result.CopyFrom(proto)
    del result.graph.input[:]
    for each in proto.graph.input:
        shape, dtype = shape_of(each.type)
        if each.name.startswith("p") and shape is not None and all(isinstance(dim, int) for dim in shape):
            result.graph.initializer.add(name=each.name, data_type=dtype, dims=shape)
        else:
            result.graph.input.append(each)
    return result


def _given(model: Model, *, metadata: bool = False) -> ModelProto:
    if isinstance(model, ModelProto):
        return model
    if isinstance(model, Mapping):
        if model.get("onnx") is None:
            raise UsageError("a row without `onnx` has no skeleton: give one of config skeletons")
        try:
            return onnx.load_model_from_string(bytes(model["onnx"]))
        except DecodeError:
            raise YoungerError("the row's bytes are no ONNX model") from None
    return load_weightless(model, metadata=metadata)
