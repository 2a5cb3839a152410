"""Which fields of an ONNX model are structure: the allow-list of the weightless reader, message by message.

Out: `KEPT`, the list itself, and `Structure`, the same as a message type: onnx's own ModelProto without every field
that has no entry. Protobuf parses a model into it, discards what it does not know, and so reduces a model at its own
speed. What has no entry is dropped: doc strings, metadata, producer, value_info, training_info,
quantization_annotation, external_data, and every field that onnx does not define.
"""

from __future__ import annotations

from typing import Final

import onnx
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

KEPT: Final = {
    "ModelProto": "ir_version opset_import graph functions",
    "OperatorSetIdProto": "domain version",
    "GraphProto": "node name initializer sparse_initializer input output",
    "FunctionProto": "name input output attribute attribute_proto node opset_import domain overload",
    "NodeProto": "input output name op_type domain overload attribute",
    "AttributeProto": "name ref_attr_name type f i s t g sparse_tensor tp"
    " floats ints strings tensors graphs sparse_tensors type_protos",
    "TensorProto": "dims data_type name raw_data float_data int32_data int64_data uint64_data double_data string_data",
    "SparseTensorProto": "values indices dims",
    "ValueInfoProto": "name type",
    "TypeProto": "tensor_type sequence_type map_type optional_type sparse_tensor_type opaque_type denotation",
    "TypeProto.Tensor": "elem_type shape",
    "TypeProto.Sequence": "elem_type",
    "TypeProto.Map": "key_type value_type",
    "TypeProto.Optional": "elem_type",
    "TypeProto.SparseTensor": "elem_type shape",
    "TypeProto.Opaque": "domain name",
    "TensorShapeProto": "dim",
    "TensorShapeProto.Dimension": "dim_value dim_param denotation",
}
WITH_METADATA: Final = KEPT | {
    "NodeProto": KEPT["NodeProto"] + " metadata_props",
    "StringStringEntryProto": "key value",
}
"""The same, with what a model says of its nodes besides: exporters tell of modules there. No skeleton has it."""

_PACKAGE: Final = "younger.structure"
_SCALARS: Final = frozenset(
    getattr(FieldDescriptorProto, f"TYPE_{name}") for name in "FLOAT DOUBLE INT32 INT64 UINT64 ENUM".split()
)


def _structure() -> type[Message]:
    """The message type of a model without the fields that are not kept, in onnx's own numbers, types and order."""
    file = FileDescriptorProto()
    onnx.ModelProto.DESCRIPTOR.file.CopyToProto(file)
    package = file.package
    file.name, file.package = "younger/structure.proto", _PACKAGE
    # Where texts that are not UTF-8 are refused. (In the syntax of onnx's file they are not.)
    file.syntax = "proto3"
    messages = [message for message in file.message_type if message.name in KEPT]
    del file.message_type[:]
    file.message_type.extend(messages)
    for message in file.message_type:
        _reduce(message, message.name, package)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.ModelProto"))


def _reduce(message: DescriptorProto, name: str, package: str) -> None:
    fields = [field for field in message.field if field.name in _READ[name].split()]
    del message.field[:]
    del message.reserved_range[:]
    del message.reserved_name[:]
    for field in fields:
        if field.type_name:
            field.type_name = field.type_name.replace(f".{package}.", f".{_PACKAGE}.", 1)
        if field.label == FieldDescriptorProto.LABEL_OPTIONAL and not field.HasField("oneof_index"):
            # Whether it is there is told apart from its default, as in onnx's own file.
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
        if field.label == FieldDescriptorProto.LABEL_REPEATED and field.type in _SCALARS:
            field.options.packed = field.options.packed  # the default of the syntax is another
    message.field.extend(fields)
    nested = [inner for inner in message.nested_type if f"{name}.{inner.name}" in KEPT]
    del message.nested_type[:]
    message.nested_type.extend(nested)
    for inner in message.nested_type:
        _reduce(inner, f"{name}.{inner.name}", package)


# Where a tensor's values are is read with it, and cleared like them.
_READ: Final = KEPT | {"TensorProto": KEPT["TensorProto"] + " data_location"}

Structure: Final = _structure()
"""A model reduced to `KEPT`, and to `data_location` of its tensors."""
