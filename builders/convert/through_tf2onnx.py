"""tf2onnx, asked so that it says what it cannot do: `convert`. To be imported before TensorFlow and Keras are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import onnx

from builders.convert import ConversionError, Export, Outcome

OPSETS: Final = range(14, 19)  # those that tf2onnx is tested with; the last is the default


def convert(call: Callable[..., tuple[onnx.ModelProto, Any]], *arguments: Any, opset: int, **options: Any) -> Export:
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
