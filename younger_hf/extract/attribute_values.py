"""One attribute as canonical JSON, and back: what is kept of its value, and how that is spelt.

`canonical_value` reads an AttributeProto, `attribute_of` writes one, and reading again what was written gives the
same value. What is too long, or is data, is written as its type and length, or its shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, TypeProto

from younger_hf.extract.operator_rules import MAX_ELEMENTS

# Not UTF-8, so that a placeholder never reads back as a value.
_UNREADABLE: Final = b"\xff"
_TYPE_NAMES: Final[dict[int, str]] = {number: name for name, number in AttributeProto.AttributeType.items()}

Json = Any


def canonical_json(value: Json) -> str:
    """JSON in one spelling: ASCII, sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def attribute_type(attribute: AttributeProto) -> str:
    """The attribute's type by name, found from its fields where an old writer left the type out."""
    if attribute.type:
        return _TYPE_NAMES.get(attribute.type, "UNDEFINED")
    for field, kind in (("f", "FLOAT"), ("i", "INT"), ("s", "STRING"), ("t", "TENSOR"), ("g", "GRAPH")):
        if attribute.HasField(field):
            return kind
    for kind in ("floats", "ints", "strings", "tensors", "graphs"):
        if getattr(attribute, kind):
            return kind.upper()
    return "UNDEFINED"


def canonical_value(attribute: AttributeProto, kind: str, text: Callable[[bytes], str | None]) -> Json:
    """The attribute's value as JSON; what is too long or is data becomes its type and length, or its shape.

    Args:
        attribute: with a value.
        kind: its type by name.
        text: what is kept of a string; None where that is its length alone.
    """
    if kind == "INT":
        return attribute.i
    if kind == "FLOAT":
        return _canonical_float(attribute.f)
    if kind == "STRING":
        kept = text(attribute.s)
        return {"length": len(attribute.s), "type": kind} if kept is None else kept
    if kind in ("INTS", "FLOATS", "STRINGS"):
        values = getattr(attribute, kind.lower())
        if len(values) <= MAX_ELEMENTS:
            items = list(map(text if kind == "STRINGS" else _CONVERT[kind], values))
            if None not in items:
                return items
        return {"length": len(values), "type": kind}
    if kind == "TENSOR":
        return _canonical_tensor(attribute.t)
    if kind == "SPARSE_TENSOR":
        tensor = attribute.sparse_tensor
        return {"element": element_name(tensor.values.data_type), "shape": list(tensor.dims), "sparse": True}
    if kind == "TYPE_PROTO":
        return _canonical_type(attribute.tp)
    if kind == "GRAPH":
        return "graph"
    return {"length": len(getattr(attribute, kind.lower(), ())), "type": kind}


def _canonical_float(value: float) -> Json:
    """The shortest decimal that reads back as the same float32; NaN and infinities as strings."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float(str(np.float32(value)))


_CONVERT: Final[Mapping[str, Callable[[Any], Json]]] = {"INTS": int, "FLOATS": _canonical_float}


def element_name(data_type: int) -> str:
    """The name of a tensor element type, such as FLOAT."""
    try:
        return str(TensorProto.DataType.Name(data_type))
    except ValueError:
        return "UNDEFINED"


def _canonical_tensor(tensor: TensorProto) -> Json:
    """Element type and shape, and the value where there is one element: ConstantOfShape's fill."""
    result: dict[str, Json] = {"element": element_name(tensor.data_type), "shape": list(tensor.dims)}
    value = single_element(tensor)
    if value is not None:
        result |= {"shape": [1], "value": value}
    return result


def single_element(tensor: TensorProto) -> Json | None:
    """The value of a one-element tensor as JSON, or None if there are more or it is not in the file."""
    if tensor.data_type == TensorProto.STRING or any(dim != 1 for dim in tensor.dims):
        return None
    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        item = onnx.numpy_helper.to_array(tensor).reshape(-1)[0]
    except (ValueError, TypeError, IndexError, KeyError):
        return None
    if tensor.data_type in INTEGERS:
        return int(item)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return None
    if tensor.data_type == TensorProto.DOUBLE and np.isfinite(item):
        return float(item)
    return _canonical_float(float(item))


INTEGERS: Final = frozenset(
    getattr(TensorProto, name) for name in "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 INT4 UINT4".split()
)


def _canonical_type(proto: TypeProto) -> Json:
    """A type as nested JSON: {"tensor": element, "shape": dims}, {"sequence": …}, {"optional": …}, {"map": …}."""
    for kind in ("tensor_type", "sparse_tensor_type"):
        if proto.HasField(kind):
            tensor = getattr(proto, kind)
            result: dict[str, Json] = {kind.removesuffix("_type"): element_name(tensor.elem_type)}
            if tensor.HasField("shape"):
                dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
                result["shape"] = dims[:MAX_ELEMENTS]
            return result
    for kind in ("sequence_type", "optional_type"):
        if proto.HasField(kind):
            return {kind.removesuffix("_type"): _canonical_type(getattr(proto, kind).elem_type)}
    if proto.HasField("map_type"):
        key, value = proto.map_type.key_type, proto.map_type.value_type
        return {"map": [element_name(key), _canonical_type(value)]}
    return {}


def constant_tensor(attributes: Iterable[AttributeProto]) -> TensorProto:
    """The tensor that a Constant node stands for, in whichever of its forms the value is given."""
    for attribute in attributes:
        name, kind = attribute.name, attribute_type(attribute)
        if name == "value" and kind == "TENSOR":
            return attribute.t
        if name == "sparse_value" and kind == "SPARSE_TENSOR":
            sparse = attribute.sparse_tensor
            return TensorProto(data_type=sparse.values.data_type, dims=sparse.dims)
        if name == "value_int":
            return TensorProto(data_type=TensorProto.INT64, int64_data=[attribute.i])
        if name == "value_float":
            return TensorProto(data_type=TensorProto.FLOAT, float_data=[attribute.f])
        if name == "value_string":
            return TensorProto(data_type=TensorProto.STRING, string_data=[attribute.s])
        if name == "value_ints":
            values = attribute.ints
            return TensorProto(data_type=TensorProto.INT64, dims=[len(values)], int64_data=values)
        if name == "value_floats":
            floats = attribute.floats
            return TensorProto(data_type=TensorProto.FLOAT, dims=[len(floats)], float_data=floats)
        if name == "value_strings":
            strings = attribute.strings
            return TensorProto(data_type=TensorProto.STRING, dims=[len(strings)], string_data=strings)
    return TensorProto()


def attribute_of(name: str, kind: str, value: Json) -> AttributeProto:
    """An AttributeProto of a canonical value; a value of None leaves the type alone."""
    proto = AttributeProto(name=name, type=kind)
    length = value["length"] if isinstance(value, dict) and "length" in value else None
    if kind == "INT":
        proto.i = value or 0
    elif kind == "FLOAT":
        proto.f = float(value or 0.0)
    elif kind == "STRING":
        proto.s = _UNREADABLE * length if length is not None else (value or "").encode()
    elif kind == "INTS":
        proto.ints.extend([0] * length if length is not None else value or [])
    elif kind == "FLOATS":
        proto.floats.extend([0.0] * length if length is not None else map(float, value or []))
    elif kind == "STRINGS":
        proto.strings.extend([_UNREADABLE] * length if length is not None else [text.encode() for text in value or []])
    elif kind == "TENSOR" and value is not None:
        proto.t.CopyFrom(_tensor(value))
    elif kind == "SPARSE_TENSOR" and value is not None:
        proto.sparse_tensor.dims.extend(value["shape"])
        proto.sparse_tensor.values.data_type = TensorProto.DataType.Value(value["element"])
    elif kind == "TYPE_PROTO" and value is not None:
        proto.tp.CopyFrom(_type_proto(value))
    return proto


def _tensor(value: Json) -> TensorProto:
    data_type = TensorProto.DataType.Value(value["element"])
    if "value" not in value:
        return TensorProto(data_type=data_type, dims=value["shape"])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(data_type)
    item = float(value["value"]) if isinstance(value["value"], str) else value["value"]
    return onnx.numpy_helper.from_array(np.array([item]).astype(dtype))


def _type_proto(value: Json) -> TypeProto:
    proto = TypeProto()
    for kind in ("tensor", "sparse_tensor"):
        if kind in value:
            tensor = getattr(proto, f"{kind}_type")
            tensor.elem_type = TensorProto.DataType.Value(value[kind])
            if "shape" in value:
                tensor.shape.SetInParent()
                for dim in value["shape"]:
                    entry = tensor.shape.dim.add()
                    if dim is not None:
                        entry.dim_value = dim
    for kind in ("sequence", "optional"):
        if kind in value:
            getattr(proto, f"{kind}_type").elem_type.CopyFrom(_type_proto(value[kind]))
    if "map" in value:
        key, item = value["map"]
        proto.map_type.key_type = TensorProto.DataType.Value(key)
        proto.map_type.value_type.CopyFrom(_type_proto(item))
    return proto
