"""A SavedModel to ONNX without its variables, and without running what it may do besides computing.

Beside its functions a SavedModel holds a graph for TensorFlow 1, in which the served function is called on variables
that have a name, a type and a shape. They get values of our own in place of the checkpoint's, and become constants.
TensorFlow's own loader would instead run what the publisher wants to be run at loading, which may read and write
files; and translating runs operators whose inputs are constants, so those that reach outside of the graph are refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from builders.convert import through_tf2onnx  # isort: split

import numpy as np
import tensorflow as tf
import tf2onnx
from google.protobuf.message import DecodeError
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from builders.convert.conversion import ConversionError, Export, Outcome

MAX_PARAMETERS: Final = 2 << 30  # bytes: those of a protobuf message

_SERVING: Final = "serving_default"
# What reads, writes, prints or calls Python. Translation folds constants, and runs operators for that.
_OUTSIDE: Final = re.compile(
    "File|Reader|Debug|Print|PyFunc|PyCall|Summary|Dataset|Iterator|Save|Restore|Checkpoint|Sql|Rpc|Queue|Collective"
)


def export(file: Path, opset: int) -> Export:
    """Export the function that a SavedModel serves.

    Args:
        file: its `saved_model.pb`.
        opset: version of the default domain, tf2onnx' newest if 0.

    Raises:
        ConversionError: it is no SavedModel, serves nothing, or holds what cannot be translated (`unsupported`), or its
            parameters are too many (`too_large`).
    """
    graph = _meta_graph(file)
    signature = _signature(graph)
    inputs = {info.name: _spec(info) for info in signature.inputs.values() if info.name}
    outputs = [info.name for info in signature.outputs.values() if info.name]
    try:
        frozen = _with_constants(graph.graph_def, outputs)
    except (tf.errors.OpError, ValueError, KeyError) as error:  # unknown operators, variables of TensorFlow 1
        reason = str(error).strip().splitlines()[0][:300]
        raise ConversionError(Outcome.UNSUPPORTED, f"TensorFlow cannot freeze the SavedModel: {reason}") from error

    if outside := sorted(operator for operator in _operators(frozen) if _OUTSIDE.search(operator)):
        raise ConversionError(Outcome.UNSUPPORTED, f"it holds {outside[0]}, which reaches outside of the graph")

    def serve(*arguments: tf.Tensor) -> list[tf.Tensor]:
        given = dict(zip(inputs, arguments, strict=True))
        return tf.graph_util.import_graph_def(frozen, input_map=given, return_elements=outputs, name="")  # type: ignore[no-any-return]

    specs = list(inputs.values())
    function = tf.function(serve, input_signature=specs)
    return through_tf2onnx.translate(tf2onnx.convert.from_function, function, input_signature=specs, opset=opset)


def _meta_graph(file: Path) -> MetaGraphDef:
    """The graph for serving."""
    model = SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
    except DecodeError as error:
        raise ConversionError(
            Outcome.UNSUPPORTED, f"{file.name} is no SavedModel: protobuf does not parse it"
        ) from error
    graphs = sorted(model.meta_graphs, key=lambda graph: "serve" not in graph.meta_info_def.tags)
    if not graphs:
        raise ConversionError(Outcome.UNSUPPORTED, "the SavedModel holds no graph")
    return graphs[0]


def _signature(graph: MetaGraphDef) -> SignatureDef:
    """The default signature, or the first by name of those with outputs."""
    named = sorted(graph.signature_def.items(), key=lambda entry: (entry[0] != _SERVING, entry[0]))
    for name, signature in named:
        if signature.outputs and signature.inputs and not name.startswith("__"):
            return signature
    raise ConversionError(Outcome.UNSUPPORTED, "the SavedModel has no signature: nothing says what it computes")


def _spec(info: tf.core.protobuf.meta_graph_pb2.TensorInfo) -> tf.TensorSpec:
    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype))


def _operators(graph: GraphDef) -> set[str]:
    """The operators of a graph and of all functions that it leads to."""
    functions = {function.signature.name: function for function in graph.library.function}
    found: set[str] = set()
    called: set[str] = set()
    waiting = list(graph.node)
    while waiting:
        node = waiting.pop()
        found.add(node.op)
        named = {node.op, *(value.func.name for value in node.attr.values())}
        named.update(each.name for value in node.attr.values() for each in value.list.func)
        for name in (named & functions.keys()) - called:
            called.add(name)
            waiting.extend(functions[name].node_def)
    return found


def _with_constants(graph: GraphDef, outputs: list[str]) -> GraphDef:
    """What the outputs need of a graph, its variables constants of random values.

    The session that holds the values has variables of our own alone. In the stranger's graph, reading a variable may
    mean anything: whatever operator has the name of the reading one, and whatever that waits for, is run.
    """
    generator = np.random.default_rng(0)
    room = MAX_PARAMETERS
    handles: dict[str, tf.Tensor] = {}
    with tf.Graph().as_default() as clean:
        assigned = []
        for variable in graph.node:
            if variable.op != "VarHandleOp":
                continue
            shape = tf.TensorShape(variable.attr["shape"].shape)
            dtype = tf.dtypes.as_dtype(variable.attr["dtype"].type)
            if not shape.is_fully_defined():
                raise ConversionError(Outcome.UNSUPPORTED, f"its variable {variable.name} has no shape")
            name = variable.attr["shared_name"].s.decode(errors="replace") or variable.name
            if name not in handles:
                room -= shape.num_elements() * dtype.size
                if room < 0:
                    raise ConversionError(Outcome.TOO_LARGE, "its parameters are more than the 2 GiB of a protobuf")
                # Not zeros: what trained parameters are not equal to must not be folded away, nor two of them merged.
                value = (
                    tf.constant(generator.random(shape.as_list(), dtype=np.float32).astype(dtype.as_numpy_dtype))
                    if dtype.is_floating
                    else tf.zeros(shape, dtype)
                )
                handles[name] = tf.raw_ops.VarHandleOp(dtype=dtype, shape=shape, shared_name=f"v{len(handles)}")
                assigned.append(tf.raw_ops.AssignVariableOp(resource=handles[name], value=value))
            # By this name TensorFlow asks for the value.
            tf.raw_ops.ReadVariableOp(resource=handles[name], dtype=dtype, name=f"{variable.name}/Read/ReadVariableOp")
        with tf.compat.v1.Session(graph=clean) as session:
            if assigned:
                session.run(assigned)
            nodes = [output.split(":")[0] for output in outputs]
            return tf.compat.v1.graph_util.convert_variables_to_constants(session, graph, nodes)
