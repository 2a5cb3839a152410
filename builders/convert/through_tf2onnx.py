"""tf2onnx, asked so that it says what it cannot do: `translate`. To be imported before TensorFlow and Keras are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# That the graph, weights and all, is not copied for each of a dozen optimizers, lest one fails.
os.environ["TF2ONNX_CATCH_ERRORS"] = "FALSE"

import numpy as np
import onnx
from tf2onnx import utils
from tf2onnx.graph import Graph, Node
from tf2onnx.handler import tf_op

from builders.convert.conversion import ConversionError, Export, Outcome

OPSETS: Final = range(14, 19)  # those that tf2onnx is tested with; the last is the default


def translate(call: Callable[..., tuple[onnx.ModelProto, Any]], *arguments: Any, opset: int, **options: Any) -> Export:
    """What one of tf2onnx's functions makes of these arguments.

    Raises:
        ConversionError: tf2onnx does not write this opset, has no translation for an operator, or fails
            (`unsupported`); or the parameters do not fit a protobuf message (`too_large`).
    """
    opset = opset or OPSETS[-1]
    if opset not in OPSETS:
        raise ConversionError(
            Outcome.UNSUPPORTED,
            f"tf2onnx writes opsets {OPSETS[0]} to {OPSETS[-1]}, and not {opset}: choose one of these",
        )
    try:
        model, _ = call(*arguments, opset=opset, **options)
    except MemoryError:
        raise
    except Exception as error:  # its handlers fail with exceptions of every type
        if "2GB" in str(error):
            raise ConversionError(Outcome.TOO_LARGE, "its parameters are more than the 2 GiB of a protobuf") from error
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        raise ConversionError(Outcome.UNSUPPORTED, f"tf2onnx: {type(error).__name__}: {reason}") from error
    if missing := sorted(_untranslated(model.graph, opset)):
        raise ConversionError(Outcome.UNSUPPORTED, f"tf2onnx has no translation for {', '.join(missing[:5])}")
    return Export(model, "tf2onnx")


def _untranslated(graph: onnx.GraphProto, opset: int) -> set[str]:
    """Operators that tf2onnx left as they were, which only its log says."""
    found = set()
    for node in graph.node:
        if node.domain or not onnx.defs.has(node.op_type, opset, ""):
            found.add(node.op_type)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found |= _untranslated(attribute.g, opset)
    return found


@tf_op("Erfc")
class _Erfc:
    """What Keras' GELU is made of, and tf2onnx does not know: one less the error function."""

    @classmethod
    def version_9(cls, graph: Graph, node: Node, **_: Any) -> None:
        """Change the node, and put the subtraction behind it."""
        node.type = "Erf"
        (result,) = node.output
        one = np.ones((), utils.map_onnx_to_numpy_type(graph.get_dtype(result)))
        constant = graph.make_const(utils.make_name("one"), one).output[0]
        graph.insert_node_on_output(graph.make_node("Sub", [constant, result]), result)


_update_proto = Node.update_proto


def _update_proto_afresh(node: Node, *arguments: Any, **options: Any) -> None:
    """Write a node's attributes into a new message, as tf2onnx does not: what was in the old one stays in memory.

    Each optimizer has all of them written, so that of every weight there were a dozen copies in the end.
    """
    old = node._op
    node._op = onnx.NodeProto(name=old.name, op_type=old.op_type, domain=old.domain, doc_string=old.doc_string)
    _update_proto(node, *arguments, **options)


Node.update_proto = _update_proto_afresh
# tf2onnx keeps nodes in sets, and the order in them decides what it makes. By default that is the order of addresses.
Node.__hash__ = lambda node: hash(node.name)
