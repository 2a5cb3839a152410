"""V3: a whole network, made to run. Parameters are solved forward, and ONNX Runtime has the last word.

In go a `SlottedGraph` whose operators have attributes; out comes an ONNX model that the checker, strict shape inference
and ONNX Runtime accept, or None. Node after node runs on what the nodes before have made, so that the shape of each
parameter follows from arrays that are there. What a graph does not say is chosen: graph inputs are small images, or
what else their first operator takes, and sizes keep the shape that they find.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import MissingExtraError
from younger_hf.extract.operators import attribute_protos, operator_schema
from younger_hf.graph import Operator
from younger_hf.tasks.generation.operator_rules import operator_of, operator_rules
from younger_hf.tasks.generation.parameter_shapes import Place, parameter_of
from younger_hf.tasks.generation.slotted import ABSENT, INPUT, SlottedGraph

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "onnxruntime", "generate") from error

_OPSETS: Final = (20, 17, 13, 11)
_IR_VERSION: Final = 9
_CHANNELS: Final = 16
_PIXELS: Final = 224
_TOKENS: Final = (1, 8, 32)
_OF_IMAGES: Final = frozenset(
    (
        "Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization InstanceNormalization PRelu Resize"
    ).split()
)
_CONVOLUTIONS: Final = ("Conv", "ConvTranspose")
_MOST_CHANNELS: Final = 4096
_MOST_BYTES: Final = 1 << 30  # of all arrays of a network; a protobuf message ends at twice as many
_SEED: Final = 0

Array = NDArray[Any]


def runnable_model(graph: SlottedGraph, labels: Sequence[str]) -> onnx.ModelProto | None:
    """An ONNX model of a graph, with parameters, that runs.

    Args:
        graph: a whole network that passes V2.
        labels: what its operator ids stand for, with attributes.

    Returns:
        The model; None where no choice of shapes was found with which it runs.
    """
    operators = [operator_of(labels[number]) for number in graph.operator.tolist()]
    opset = next((opset for opset in _OPSETS if all(_is_of(operator, opset) for operator in operators)), None)
    return None if opset is None else _Maker(graph, operators, opset).make()


def _is_of(operator: Operator, opset: int) -> bool:
    """Whether an operator, with just these attributes, is one of an opset."""
    import json

    schema = operator_schema(operator.domain, operator.op_type, opset)
    if schema is None or operator.domain:
        return False
    names = json.loads(operator.attributes).keys() - {"since_version"}
    return bool(names <= schema.types.keys())


class _Maker:
    def __init__(self, graph: SlottedGraph, operators: list[Operator], opset: int) -> None:
        self.graph, self.operators, self.opset = graph, operators, opset
        self.generator = np.random.default_rng(_SEED)
        self.inputs: dict[str, Array] = {}
        self.parameters: dict[str, Array] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[list[Array]] = []
        self.num_bytes = 0
        used = graph.output[graph.source >= 0]
        self.num_outputs = np.ones(graph.num_nodes, np.int64)
        np.maximum.at(self.num_outputs, graph.source[graph.source >= 0], used + 1)

    def make(self) -> onnx.ModelProto | None:
        try:
            for node in range(self.graph.num_nodes):
                if not self._run(node):
                    return None
            return self._whole()
        except _REFUSED:
            return None

    def _run(self, node: int) -> bool:
        operator, slots = self.operators[node], self.graph.slots(node)
        source, output = self.graph.source[slots].tolist(), self.graph.output[slots].tolist()
        given: list[Array | None] = [
            self.values[made][at] if made >= 0 else None for made, at in zip(source, output, strict=True)
        ]
        protos = attribute_protos(operator, self.opset)
        attributes = {each.name: helper.get_attribute_value(each) for each in protos}
        names = []
        for slot, (made, at) in enumerate(zip(source, output, strict=True)):
            name = f"v{made}_{at}" if made >= 0 else f"x{node}_{slot}" if made == INPUT else f"p{node}_{slot}"
            if made == ABSENT:
                name = ""
            elif made == INPUT:
                given[slot] = self.inputs[name] = self._input(node, attributes, slot, given)
            names.append(name)
        consumers = [
            (self.operators[int(consumer)].op_type, self._attributes(int(consumer)))
            for consumer in np.unique(self.graph.consumer[self.graph.source == node]).tolist()
        ]
        for slot, (made, name) in enumerate(zip(source, names, strict=True)):
            if made >= 0 or made in (ABSENT, INPUT):
                continue
            width = self._groups_after(node) if operator.op_type in _CONVOLUTIONS else 1
            place = Place(operator.op_type, attributes, slot, given, int(self.num_outputs[node]), consumers, width)
            given[slot] = self.parameters[name] = self._counted(parameter_of(place, self.generator))
        outputs = [f"v{node}_{at}" for at in range(int(self.num_outputs[node]))]
        proto = onnx.NodeProto(op_type=operator.op_type, input=names, output=outputs, name=f"n{node}")
        proto.attribute.extend(protos)
        self.nodes.append(proto)
        fed = {name: value for name, value in zip(names, given, strict=True) if name and value is not None}
        made_values = self._session(self._model([proto], fed, {}, outputs)).run(outputs, fed)
        self.values.append(made_values)
        return all(isinstance(value, np.ndarray) and self._counted(value).size for value in made_values)

    def _counted(self, value: Array) -> Array:
        """An array that the network keeps.

        Raises:
            MemoryError: they are too many by now; it is refused like any network that does not run.
        """
        self.num_bytes += value.nbytes
        if self.num_bytes > _MOST_BYTES:
            raise MemoryError
        return value

    def _groups_after(self, node: int) -> int:
        """What the groups of the next convolutions behind a node have in common as a multiple."""
        found, seen, waiting = 1, {node}, [node]
        while waiting:
            current = waiting.pop()
            for consumer in self.graph.consumer[self.graph.source == current].tolist():
                if consumer in seen:
                    continue
                seen.add(consumer)
                if self.operators[consumer].op_type in _CONVOLUTIONS:
                    found = lcm(found, int(self._attributes(consumer).get("group", 1)))
                elif self.operators[consumer].op_type not in ("MatMul", "Gemm"):
                    waiting.append(consumer)
        return found if found <= _MOST_CHANNELS else 1

    def _attributes(self, node: int) -> dict[str, Any]:
        protos = attribute_protos(self.operators[node], self.opset)
        return {each.name: helper.get_attribute_value(each) for each in protos}

    def _input(self, node: int, attributes: dict[str, Any], slot: int, given: list[Array | None]) -> Array:
        """A graph input: shaped like what else the operator is fed, else an image or tokens."""
        like = next((value for value in given if value is not None), None)
        op_type = self.operators[node].op_type
        rule = operator_rules(op_type)
        allowed = rule.types.get(rule.input_type(slot) or "", frozenset())
        axes = len(attributes.get("kernel_shape", (1, 1)))
        channels = lcm(int(attributes.get("group", 1)), _CHANNELS)
        shape = (1, channels, *[_PIXELS] * axes) if op_type in _OF_IMAGES else _TOKENS
        if like is not None and np.issubdtype(like.dtype, np.number):
            shape = tuple(like.shape)
        if like is not None and f"tensor({_type_name(like)})" in allowed:
            return np.ones(shape, like.dtype)
        if not allowed or "tensor(float)" in allowed:
            return self.generator.normal(size=shape).astype(np.float32)
        if "tensor(int64)" in allowed:
            return np.zeros(shape[:2], np.int64)
        return np.ones(shape, bool)

    def _whole(self) -> onnx.ModelProto:
        """The whole model, after the checker, strict inference and one run have passed it."""
        is_used = {name for node in self.nodes for name in node.input}
        results = [name for node in self.nodes for name in node.output if name not in is_used]
        model = self._model(self.nodes, self.inputs, self.parameters, results)
        onnx.checker.check_model(model, full_check=True)
        self._session(model).run(results, self.inputs)
        return model

    def _model(
        self, nodes: list[onnx.NodeProto], inputs: dict[str, Array], parameters: dict[str, Array], results: list[str]
    ) -> onnx.ModelProto:
        made = {f"v{node}_{at}": value for node, of_node in enumerate(self.values) for at, value in enumerate(of_node)}
        outputs = [_info(name, made[name]) if name in made else onnx.ValueInfoProto(name=name) for name in results]
        graph = helper.make_graph(
            nodes,
            "generated",
            [_info(name, value) for name, value in inputs.items()],
            outputs,
            [numpy_helper.from_array(value, name) for name, value in parameters.items()],
        )
        imports = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)

    @staticmethod
    def _session(model: onnx.ModelProto) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _info(name: str, value: Array) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _type_name(value: Array) -> str:
    names = {TensorProto.FLOAT: "float", TensorProto.INT64: "int64", TensorProto.BOOL: "bool"}
    return names.get(helper.np_dtype_to_tensor_dtype(value.dtype), "")


_RUNTIME: Final = onnxruntime.capi.onnxruntime_pybind11_state
_REFUSED: Final = (
    *(
        _RUNTIME.Fail,
        _RUNTIME.InvalidArgument,
        _RUNTIME.InvalidGraph,
        _RUNTIME.NotImplemented,
        _RUNTIME.RuntimeException,
    ),
    *(onnx.checker.ValidationError, onnx.shape_inference.InferenceError),
    *(ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, MemoryError, AttributeError, StopIteration),
)
"""How a graph that cannot run shows itself: some library, or the choice of a shape, refuses it."""
