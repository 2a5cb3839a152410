"""From the bytes of a model to its structure as a ModelProto: `parse_weightless`.

Two ways lead there. Protobuf's own is the quick one: whatever is small is parsed as it is, only what is large is
walked over, and the message type `Structure` and a look at every tensor take away what is not kept. Bytes that
protobuf would not write itself, and values that break a rule, go the other way: the walk over every field, which
says what is wrong, and where. What both give is the same to the byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import numpy as np
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

from younger_hf.extract.allow_list import Structure
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.rules import MAX_ELEMENTS, MAX_RANK, MODEL, MODEL_WITH_METADATA, Rules
from younger_hf.extract.walk import MAX_KEPT_ELEMENTS, MAX_MESSAGES, MAX_VALUES, Walk
from younger_hf.extract.wire import ByteSource, WireError
from younger_hf.work import WORK_LIMIT, Work

# Bytes up to which something is parsed as it is. A file, or else a message and a tensor in it: here a page or two are
# read for nothing, and a file of many constants does not come into memory.
_SMALL_FILE: Final = 1 << 18
_SMALL_MESSAGE: Final = 1 << 12
_SMALL_TENSOR: Final = 1 << 7
# A message has two bytes at least, so that no more are parsed than a walk would count.
_MOST_UNREAD: Final = 2 * MAX_MESSAGES
_BYTES: Final = 8  # that are parsed in a step
# Of parsed messages each takes some hundred bytes, which is in proportion to the file where each has some in it. The
# least that says anything, the axis of an operator, has twice as many.
_LEAST_IN_A_MESSAGE: Final = 6
_FEW: Final = 1 << 21  # bytes of which that does not matter

_PAYLOADS: Final = tuple(name for name in TensorProto.DESCRIPTOR.fields_by_name if name.endswith("_data"))


def parse_weightless(
    source: ByteSource,
    name: str,
    release: Callable[[], None] = lambda: None,
    work: Work | None = None,
    metadata: bool = False,
) -> ModelProto:
    """Parse the structure of the model in `source`; tensors of at most 64 elements keep their values.

    Args:
        source: the bytes of an ONNX file.
        name: what an error calls the file.
        release: called every 8 MiB of `source`: what stands before is not read again and need not stay in memory.
        work: what reading it may take; `WORK_LIMIT` steps if left out.
        metadata: keep the metadata of nodes, too.

    Raises:
        InvalidModelError: the bytes are no ONNX model.
        WorkLimitError: the work is spent.
    """
    work = Work(WORK_LIMIT) if work is None else work
    if metadata:
        return model_of(None, source, name, release, work, MODEL_WITH_METADATA)
    return model_of(normal_form(source, name, release, work), source, name, release, work)


def model_of(
    content: bytes | None,
    source: ByteSource,
    name: str,
    release: Callable[[], None],
    work: Work,
    rules: Rules = MODEL,
) -> ModelProto:
    """The model, from its normal form or else by a walk over every field, of which the rules say what is kept.

    Raises:
        InvalidModelError: as `parse_weightless`.
        WorkLimitError: as `parse_weightless`.
    """
    end = len(source)
    model = None if content is None else _reduced(content)
    try:
        if model is None:
            structure = Walk(source, release, spend=_spender(work, name)).message(rules, 0, end)
            model = ModelProto.FromString(source[:end] if structure is None else bytes(structure))
    except WireError as error:
        raise InvalidModelError(name, error.offset, error.reason) from None
    except DecodeError as error:
        raise InvalidModelError(name, 0, f"protobuf does not parse it ({error})") from None
    model.DiscardUnknownFields()  # values of an enum that this onnx does not know
    if not model.HasField("graph"):
        raise InvalidModelError(name, end, "it ends without a graph")
    return model


def _spender(work: Work, name: str) -> Callable[[int], None]:
    return partial(work.spend, on=f"reading {name}")


def normal_form(source: ByteSource, name: str, release: Callable[[], None], work: Work) -> bytes | None:
    """What is kept of a model, as protobuf writes it; None where only a walk over every field can tell what it is.

    The payloads of small tensors are still in it.

    Raises:
        InvalidModelError: it has many messages with nothing in them.
        WorkLimitError: the work is spent.
    """
    spend = _spender(work, name)
    try:
        content = _skimmed(source, release, spend)
        if len(content) > _MOST_UNREAD:
            return None
        spend(len(content) // _BYTES)
        _check_messages(content, name)
        structure = Structure.FromString(content)
        structure.DiscardUnknownFields()
        kept: bytes = structure.SerializeToString()
        return kept if kept == content or _is_canonical(content) else None
    except (WireError, DecodeError):
        return None


def _check_messages(content: bytes, name: str) -> None:
    if len(content) <= _FEW:
        return
    from younger_hf.compiled import runs_compiled
    from younger_hf.extract.compiled_wire import count_messages

    runs_compiled(len(content))
    messages = count_messages(np.frombuffer(content, np.uint8))
    if messages * _LEAST_IN_A_MESSAGE > len(content):
        raise InvalidModelError(name, 0, f"it has {messages:,} nodes and attributes with nothing in them")


def _reduced(content: bytes) -> ModelProto | None:
    """The model of a normal form without the values that are not kept; None where a tensor breaks a rule."""
    try:
        model = ModelProto.FromString(content)
    except DecodeError:
        return None
    is_sound = reduce_graph(model.graph) and all(
        _reduce_nodes(function.node) and reduce_attributes(function.attribute_proto) for function in model.functions
    )
    return model if is_sound else None


def _is_canonical(content: bytes) -> bool:
    """Whether the bytes are as protobuf writes them: each field once, in order, and none that onnx does not know."""
    model = ModelProto.FromString(content)
    model.DiscardUnknownFields()
    return model.SerializeToString() == content


def _skimmed(source: ByteSource, release: Callable[[], None], spend: Callable[[int], None]) -> bytes:
    """The bytes of a model without what is large and no structure."""
    end = len(source)
    if end <= _SMALL_FILE:
        return source[:end]
    skimmed = Walk(source, release, _SMALL_MESSAGE, _SMALL_TENSOR, spend).message(MODEL, 0, end)
    return source[:end] if skimmed is None else bytes(skimmed)


def reduce_graph(graph: GraphProto) -> bool:
    """Take away the values that are not kept; False where a tensor breaks a rule."""
    return (
        all(map(reduce_tensor, graph.initializer))
        and all(map(_reduce_sparse, graph.sparse_initializer))
        and _reduce_nodes(graph.node)
    )


def _reduce_nodes(nodes: Iterable[NodeProto]) -> bool:
    for node in nodes:
        attributes = node.attribute
        if attributes and not reduce_attributes(attributes):
            return False
    return True


def reduce_attributes(attributes: Iterable[AttributeProto]) -> bool:
    """Take away the values that are not kept; False where a tensor breaks a rule."""
    for attribute in attributes:
        # What is there decides, not what the attribute says of its type.
        if attribute.HasField("t") and not reduce_tensor(attribute.t):
            return False
        if attribute.HasField("g") and not reduce_graph(attribute.g):
            return False
        if attribute.HasField("sparse_tensor") and not _reduce_sparse(attribute.sparse_tensor):
            return False
        if (tensors := attribute.tensors) and not all(map(reduce_tensor, tensors)):
            return False
        if (graphs := attribute.graphs) and not all(map(reduce_graph, graphs)):
            return False
        if (sparse := attribute.sparse_tensors) and not all(map(_reduce_sparse, sparse)):
            return False
    return True


def _reduce_sparse(sparse: SparseTensorProto) -> bool:
    return (
        _is_shape(sparse.dims[:], math.prod(sparse.dims))
        and (not sparse.HasField("values") or reduce_tensor(sparse.values, inline=False))
        and (not sparse.HasField("indices") or reduce_tensor(sparse.indices, inline=False))
    )


def reduce_tensor(tensor: TensorProto, inline: bool = True) -> bool:
    """Take away the values if they are too many, or elsewhere; False where the tensor breaks a rule."""
    dims = tensor.dims[:]
    elements = math.prod(dims)
    if dims and not _is_shape(dims, elements):
        return False
    if tensor.HasField("data_location"):
        inline = inline and tensor.data_location == TensorProto.DEFAULT
        tensor.ClearField("data_location")
    if not inline or elements > MAX_KEPT_ELEMENTS or _payload_bytes(tensor) > MAX_VALUES:
        for field in _PAYLOADS:
            tensor.ClearField(field)
    return True


def _is_shape(dims: list[int], elements: int) -> bool:
    if not elements:
        elements = math.prod(filter(None, dims))
    return len(dims) <= MAX_RANK and min(dims, default=0) >= 0 and elements <= MAX_ELEMENTS


def _payload_bytes(tensor: TensorProto) -> int:
    size = tensor.ByteSize()
    if size <= MAX_VALUES:
        return size
    return size - TensorProto(dims=tensor.dims, data_type=tensor.data_type, name=tensor.name).ByteSize()
