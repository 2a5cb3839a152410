"""The last check that no parameter is in a release: every skeleton is searched for values.

In goes a skeleton as a release has it; out comes what in it is not a skeleton's, if anything is, and how many tensors
are in it with and without their values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, SparseTensorProto, TensorProto

MOST_ELEMENTS: Final = 64

_OF_A_MODEL: Final = {"ir_version", "opset_import", "graph", "functions"}
_PAYLOADS: Final = {
    *("raw_data", "float_data", "int32_data", "int64_data", "uint64_data", "double_data", "string_data"),
    *("external_data", "data_location"),
}
_TEXTS: Final = {"doc_string", "metadata_props", "producer_name", "quantization_annotation"}
_CONSTANT: Final = "c"  # structural constants are c0, c1, …, parameters p0, p1, …


class TensorCounts(NamedTuple):
    """How many tensors a skeleton has.

    Attributes:
        parameters: those of which it has element type and shape alone.
        constants: those that have kept their values, since these are structure.
        values: elements of the constants, all together.
    """

    parameters: int
    constants: int
    values: int


def find_weights(skeleton: bytes) -> str | None:
    """Find what a skeleton must not have: values of parameters, texts, fields that ONNX does not know.

    Args:
        skeleton: a serialised ModelProto.

    Returns:
        What it is, as the end of a sentence; None where there is nothing.
    """
    model = ModelProto()
    try:
        model.ParseFromString(skeleton)
    except DecodeError:
        return "is no ONNX model"
    model.DiscardUnknownFields()
    if model.ByteSize() != len(skeleton):
        return "has fields that ONNX does not know"
    if foreign := {field.name for field, _ in model.ListFields()} - _OF_A_MODEL:
        return f"has {min(foreign)}"
    return next(filter(None, map(_weights, _messages(model))), None)


def count_tensors(skeleton: ModelProto) -> TensorCounts:
    """Count the tensors of a skeleton, in bodies and functions too."""
    tensors = [message for message in _messages(skeleton) if isinstance(message, TensorProto)]
    kept = [tensor for tensor in tensors if {field.name for field, _ in tensor.ListFields()} & _PAYLOADS]
    return TensorCounts(len(tensors) - len(kept), len(kept), sum(math.prod(tensor.dims) for tensor in kept))


def _weights(message: Message) -> str | None:
    names = {field.name for field, _ in message.ListFields()}
    if texts := names & _TEXTS:
        return f"has a {min(texts)}"
    if isinstance(message, SparseTensorProto):
        return "has a sparse tensor"
    if not isinstance(message, TensorProto) or not names & _PAYLOADS:
        return None
    size = math.prod(message.dims)
    # An attribute has values only as the one element that ConstantOfShape repeats.
    allowed = size <= MOST_ELEMENTS and len(message.dims) <= 1 if message.name.startswith(_CONSTANT) else size == 1
    if not allowed or (message.name and not message.name.startswith(_CONSTANT)) or "external_data" in names:
        return f"has the values of tensor {message.name!r} of shape {list(message.dims)}"
    return None


def _messages(message: Message) -> Iterator[Message]:
    """A message and all that are in it."""
    stack = [message]
    while stack:
        message = stack.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                stack.extend([value] if isinstance(value, Message) else value)
